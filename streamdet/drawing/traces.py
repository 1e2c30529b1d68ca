"""The paths of tracks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.drawing.canvas import Canvas
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import auto_line_width, colour_of

_POINT = np.dtype([("track_id", np.int64), ("class_id", np.int64), ("time_s", np.float64), ("place", np.float64, (2,))])


class TraceAnnotator:
    """Draws where each track has been, by the middle of its box's lower edge. Uses traces_s, colour and line_width."""

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options
        self.points: NDArray[np.void] = np.zeros(0, _POINT)

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """See Annotator; remembers this frame."""
        if not self._options.traces_s:
            return
        tracked = detections[detections.track_ids >= 0]
        now = np.zeros(len(tracked), _POINT)
        now["track_id"], now["class_id"], now["time_s"] = tracked.track_ids, tracked.class_ids, time_s
        now["place"] = np.stack([tracked.boxes[:, [0, 2]].mean(axis=1), tracked.boxes[:, 3]], axis=1)
        points = np.concatenate([self.points, now])
        self.points = points[points["time_s"] > time_s - self._options.traces_s]
        width = self._options.line_width
        thickness = auto_line_width(canvas.height, canvas.width) if width == "auto" else width
        for track_id in np.unique(self.points["track_id"]).tolist():
            path = self.points[self.points["track_id"] == track_id]
            number = track_id if self._options.colour == "track" else int(path["class_id"][-1])
            canvas.line(path["place"].round().astype(np.int32), colour_of(number), thickness)

    def reset(self) -> None:
        """Forget all paths, as after a gap."""
        self.points = self.points[:0]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """What the next frame depends on, as copies."""
        return {name: self.points[name].copy() for name in _POINT.names or ()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue where state_dict was taken."""
        self.points = np.zeros(len(state["time_s"]), _POINT)
        for name in _POINT.names or ():
            self.points[name] = state[name]
