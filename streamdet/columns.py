"""Which columns detections may have, and their rows."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

REQUIRED: dict[str, tuple[type, tuple[int | str, ...]]] = {
    "boxes": (np.float32, (4,)),
    "scores": (np.float32, ()),
    "class_ids": (np.int64, ()),
    "track_ids": (np.int64, ()),
}
OPTIONAL: dict[str, tuple[type, tuple[int | str, ...]]] = {
    "class_scores": (np.float32, ("K",)),
    "masks": (np.uint8, (28, 28)),
    "keypoints": (np.float32, ("P", 3)),
    "embeddings": (np.float32, ("D",)),
    "support": (np.float32, ()),
    "carried": (np.bool_, ()),
    "inside": (np.bool_, ("Z",)),
    "speeds_mps": (np.float32, ()),
}
"""Dtype and shape of a row of each column; a letter stands for any size."""
COLUMNS = REQUIRED | OPTIONAL


class Detection(NamedTuple):
    """One row of Detections, in Python's own types.

    Attributes:
        box: left, top, right, bottom, pixels of the original frame.
        score: 0 to 1.
        class_id: index into the model's classes.
        class_name: of them.
        track_id: -1 where the box has no track.
    """

    box: tuple[float, float, float, float]
    score: float
    class_id: int
    class_name: str
    track_id: int


def check_columns(columns: Mapping[str, NDArray[Any]], n: int) -> None:
    """Refuse with a ValueError columns that have not n rows, or another shape than these."""
    for name, column in columns.items():
        _, row = COLUMNS[name]
        if len(column.shape) != 1 + len(row) or len(column) != n or not _fits(column.shape[1:], row):
            expected = ", ".join(map(str, (n, *row)))
            raise ValueError(f"{name} must have the shape ({expected}) beside {n} scores, got {column.shape}")


def _fits(shape: tuple[int, ...], row: tuple[int | str, ...]) -> bool:
    return all(isinstance(size, str) or size == got for got, size in zip(shape, row, strict=True))


def indices(rows: ArrayLike, n: int) -> NDArray[Any]:
    """Array of indices or mask from what stands between brackets.

    Raises:
        ValueError: a mask does not have one value a box.
        TypeError: it is neither.
    """
    index = np.atleast_1d(np.asarray(rows))
    if index.size == 0 and index.dtype != bool:
        return np.zeros(0, np.int64)
    if index.dtype == bool and index.shape != (n,):
        raise ValueError(
            f"expected one bool for each of the {n} boxes, got {np.shape(rows)}: compare arrays, not tuples"
        )
    if index.dtype != bool and (index.dtype.kind not in "iu" or index.ndim != 1):
        raise TypeError(f"expected an index, a mask or a slice of boxes, got {index.dtype} {np.shape(rows)}")
    return index
