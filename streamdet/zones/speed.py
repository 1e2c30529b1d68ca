"""Speeds of objects on the ground, by four points whose places are known."""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from streamdet.zones.geometry import Floats, homography, project, slope
from streamdet.zones.options import Ground

_WINDOW_S = 1.0
_SHORTEST_S = 0.4  # less of a path is mostly noise

Step = tuple[float, float, float]  # time in seconds, place in metres


class SpeedMeter:
    """Measures each object over the last second.

    Args:
        ground: four points of the picture in metres.
    """

    def __init__(self, ground: Ground) -> None:
        self._matrix = homography(np.array(ground.image), np.array(ground.metres))
        self._paths: dict[int, deque[Step]] = {}

    def update(self, track_ids: Sequence[int], anchors: Floats, time_s: float) -> Floats:
        """The next frame.

        Args:
            track_ids: of N objects.
            anchors: (N, 2), where they stand, as shares of the picture.
            time_s: of the frame.

        Returns:
            (N,) metres a second, NaN where not known yet.
        """
        speeds = np.full(len(track_ids), np.nan)
        for n, (x, y) in enumerate(project(anchors, self._matrix).tolist()):
            path = self._paths.setdefault(track_ids[n], deque())
            if np.isfinite((x, y)).all():
                path.append((time_s, x, y))
            while path and path[0][0] < time_s - _WINDOW_S:
                path.popleft()
            if path and path[-1][0] - path[0][0] >= _SHORTEST_S:
                speeds[n] = slope([step[0] for step in path], [step[1:] for step in path])
        self._paths = {k: path for k, path in self._paths.items() if path and path[-1][0] >= time_s - _WINDOW_S}
        return speeds

    def forget(self) -> None:
        """Time was lost."""
        self._paths = {}

    def shift(self, by_s: float) -> None:
        """Move all times."""
        self._paths = {k: deque((t + by_s, x, y) for t, x, y in path) for k, path in self._paths.items()}

    def state_dict(self) -> dict[str, Any]:
        """What the next frame depends on, as JSON holds it."""
        return {str(track_id): [list(step) for step in path] for track_id, path in self._paths.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where `state_dict` was taken."""
        self._paths = {int(track_id): deque((t, x, y) for t, x, y in path) for track_id, path in state.items()}
