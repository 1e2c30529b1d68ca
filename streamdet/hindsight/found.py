"""What a detector found in a clip, as columns: an hour of video fits into memory.

A row takes 22 bytes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """N boxes in F frames, frame after frame.

    Attributes:
        starts: (F + 1,) int64; frame f has the rows from starts[f] to starts[f + 1].
        boxes: (N, 4) float32, xyxy, pixels of the frame.
        scores: (N,) float32, 0 to 1.
        class_ids: (N,) int16, index into the detector's classes.
    """

    starts: NDArray[np.int64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rows(self, frame: int) -> slice:
        """The rows of a frame."""
        return slice(int(self.starts[frame]), int(self.starts[frame + 1]))

    @classmethod
    def of(cls, frames: Sequence[Detections]) -> "Found":
        """From one Detections a frame."""
        starts = np.cumsum([0, *map(len, frames)])
        boxes = np.concatenate([np.zeros((0, 4), np.float32), *(each.boxes for each in frames)])
        scores = np.concatenate([np.zeros(0, np.float32), *(each.scores for each in frames)])
        class_ids = np.concatenate([np.zeros(0, np.int64), *(each.class_ids for each in frames)])
        return cls(starts, boxes.astype(np.float32), scores.astype(np.float32), class_ids.astype(np.int16))

    @classmethod
    def join(cls, parts: Iterable["Found"]) -> "Found":
        """Parts of a clip, one after the other."""
        parts = list(parts)
        counts = np.concatenate([np.zeros(0, np.int64), *(np.diff(part.starts) for part in parts)])
        boxes, scores, class_ids = (
            np.concatenate([np.zeros((0, *shape), kind), *(getattr(part, name) for part in parts)])
            for name, shape, kind in (
                ("boxes", (4,), np.float32),
                ("scores", (), np.float32),
                ("class_ids", (), np.int16),
            )
        )
        return cls(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), boxes, scores, class_ids)

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """For saving; `from_arrays` reads them."""
        return {f"{prefix}.{name}": getattr(self, name) for name in self.__slots__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str) -> "Found":
        """What `to_arrays` gave."""
        return cls(*(arrays[f"{prefix}.{name}"] for name in ("starts", "boxes", "scores", "class_ids")))
