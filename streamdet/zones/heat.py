"""Where objects have been: seconds at each cell of a grid over the picture, of which time takes half."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.zones.geometry import Floats

_COLUMNS, _ROWS = 48, 27
_LONGEST_STEP_S = 1.0  # who is not seen for longer was not there meanwhile


class HeatMap:
    """A grid of 27 x 48 cells.

    Args:
        half_life_s: half is forgotten after so long.
    """

    def __init__(self, half_life_s: float) -> None:
        self._half_life_s = half_life_s
        self._cells = np.zeros((_ROWS, _COLUMNS), np.float32)

    def update(self, anchors: Floats, step_s: float) -> NDArray[np.float32]:
        """The next frame.

        Args:
            anchors: (N, 2), where objects stand, as shares of the picture.
            step_s: seconds since the frame before.

        Returns:
            (27, 48) seconds.
        """
        cells = self._cells * np.float32(0.5 ** (step_s / self._half_life_s))
        columns = np.clip(anchors[:, 0] * _COLUMNS, 0, _COLUMNS - 1).astype(int)
        rows = np.clip(anchors[:, 1] * _ROWS, 0, _ROWS - 1).astype(int)
        np.add.at(cells, (rows, columns), np.float32(min(step_s, _LONGEST_STEP_S)))
        self._cells = cells
        return cells

    def state(self) -> NDArray[Any]:
        """What the next frame depends on."""
        return self._cells

    def load_state(self, cells: NDArray[Any]) -> None:
        """Continue where `state` was taken."""
        self._cells = cells
