"""The last mask and keypoints of each track, for the frames in which it is not found.

Shapes: N tracks, M boxes, P keypoints.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections

NAMES = ("masks", "keypoints")
Rows = NDArray[np.int64]


class Shapes:
    """Of N tracks, as many as a detector gives.

    Attributes:
        columns: by name, (N, 28, 28) uint8 masks and (N, P, 3) float32 keypoints, x and y as shares of the box.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]] | None = None) -> None:
        self.columns = dict(columns or {})

    def follow(self, old: Rows, stayed: NDArray[np.bool_]) -> None:
        """Bring them to other tracks.

        Args:
            old: (N,) row of each track before.
            stayed: (N,) whether it was there before; the others start with nothing.
        """
        for name, column in self.columns.items():
            kept = np.zeros((len(stayed), *column.shape[1:]), column.dtype)
            kept[stayed] = column[old[stayed]]
            self.columns[name] = kept

    def see(self, tracks: int, rows: Rows, found: Detections, taken: Rows) -> None:
        """Store the shapes of the tracks that were found.

        Args:
            tracks: N.
            rows: (M,) tracks that were found.
            found: by the detector.
            taken: (M,) the box of each.
        """
        for name in NAMES:
            column = getattr(found, name)
            if column is None:
                continue
            column = column[taken]
            if name == "keypoints":
                column = _moved(column, found.boxes[taken], _UNIT)
            if name not in self.columns or self.columns[name].shape[1:] != column.shape[1:]:
                self.columns[name] = np.zeros((tracks, *column.shape[1:]), column.dtype)
            self.columns[name][rows] = column

    def at(self, rows: Rows, boxes: NDArray[np.floating[Any]]) -> dict[str, Any]:
        """Columns of detections for tracks, (M,), that are at these boxes, (M, 4)."""
        shown = {name: column[rows] for name, column in self.columns.items()}
        if "keypoints" in shown:
            shown["keypoints"] = _moved(shown["keypoints"], _UNIT, boxes)
        return shown

    def told(self, found: Detections, taken: Rows, owners: Rows, boxes: NDArray[np.floating[Any]]) -> dict[str, Any]:
        """Columns of M detections: of those that were found as they are, of the others as they were last.

        Args:
            found: by the detector.
            taken: (M,) the box of each; -1 of those that were not found.
            owners: (M,) the row of its track.
            boxes: (M, 4) where each is now.
        """
        here, held = np.flatnonzero(taken >= 0), np.flatnonzero(taken < 0)
        columns = self.at(owners[held], boxes[held])
        for name in NAMES:
            given, last = getattr(found, name), columns.get(name)
            pattern = last if given is None else given
            if pattern is None:
                continue
            columns[name] = np.zeros((len(taken), *pattern.shape[1:]), pattern.dtype)
            if given is not None:
                columns[name][here] = given[taken[here]]
            if last is not None:
                columns[name][held] = last
        return columns


_UNIT = np.array([[0, 0, 1, 1]], np.float32)


def _moved(
    keypoints: NDArray[np.float32], boxes: NDArray[np.floating[Any]], others: NDArray[np.floating[Any]]
) -> NDArray[np.float32]:
    """(M, P, 3) keypoints at the same places of other boxes, (M, 4)."""
    shares = (keypoints[..., :2] - boxes[:, None, :2]) / np.maximum(boxes[:, None, 2:] - boxes[:, None, :2], 1e-6)
    places = others[:, None, :2] + shares * (others[:, None, 2:] - others[:, None, :2])
    return np.concatenate([places, keypoints[..., 2:]], axis=2, dtype=np.float32)
