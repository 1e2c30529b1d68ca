"""What a detector finds in one frame, as columns of equal length."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import supervision


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """N boxes of one frame.

    Attributes:
        boxes: (N, 4) float32, xyxy, pixels of the original frame, clipped to it.
        scores: (N,) float32, 0 to 1, descending as a detector returns them.
        class_ids: (N,) int64, index into classes.
        track_ids: (N,) int64, identity that holds over frames; -1 where a box has none yet.
        classes: the model's class names.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    classes: tuple[str, ...]

    def __post_init__(self) -> None:
        n = len(self.scores)
        if self.boxes.shape != (n, 4) or self.class_ids.shape != (n,) or self.track_ids.shape != (n,):
            raise ValueError(
                f"columns differ in length: boxes {self.boxes.shape}, scores {self.scores.shape}, "
                f"class_ids {self.class_ids.shape}, track_ids {self.track_ids.shape}"
            )

    @classmethod
    def of(
        cls,
        boxes: NDArray[Any],
        scores: NDArray[Any],
        class_ids: NDArray[Any],
        classes: tuple[str, ...],
        track_ids: NDArray[Any] | None = None,
    ) -> Detections:
        """Build from any numeric columns; without track_ids every identity is -1."""
        n = len(scores)
        return cls(
            boxes=np.asarray(boxes, np.float32).reshape(n, 4),
            scores=np.asarray(scores, np.float32),
            class_ids=np.asarray(class_ids, np.int64),
            track_ids=np.full(n, -1, np.int64) if track_ids is None else np.asarray(track_ids, np.int64),
            classes=classes,
        )

    @classmethod
    def empty(cls, classes: tuple[str, ...]) -> Detections:
        """No boxes."""
        return cls.of(np.zeros((0, 4)), np.zeros(0), np.zeros(0), classes)

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Detections:
        """Rows by index array, mask or slice."""
        return Detections(self.boxes[rows], self.scores[rows], self.class_ids[rows], self.track_ids[rows], self.classes)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Name of each box's class."""
        return tuple(self.classes[i] for i in self.class_ids)

    def with_track_ids(self, track_ids: NDArray[np.int64]) -> Detections:
        """The same boxes with other identities."""
        return replace(self, track_ids=np.asarray(track_ids, np.int64))

    def with_boxes(self, boxes: NDArray[np.float32]) -> Detections:
        """The same objects in other places, for example in pixels of another picture."""
        return replace(self, boxes=np.asarray(boxes, np.float32))

    def to_supervision(self) -> supervision.Detections:
        """Convert for the supervision library, which must be installed."""
        import supervision

        return supervision.Detections(
            xyxy=self.boxes.copy(),
            confidence=self.scores.copy(),
            class_id=self.class_ids.astype(int),
            tracker_id=self.track_ids.astype(int) if (self.track_ids >= 0).any() else None,
            data={"class_name": np.array(self.class_names, dtype=str)},
        )

    def to_coco(self, image_id: int, category_ids: tuple[int, ...] | None = None) -> list[dict[str, Any]]:
        """Rows of a COCO results file: xywh boxes; category_ids maps class index to id, index + 1 by default."""
        rows = []
        for (x1, y1, x2, y2), score, class_id in zip(
            self.boxes.tolist(), self.scores.tolist(), self.class_ids, strict=True
        ):
            category = category_ids[class_id] if category_ids else int(class_id) + 1
            bbox = [round(x1, 2), round(y1, 2), round(x2 - x1, 2), round(y2 - y1, 2)]
            rows.append({"image_id": image_id, "category_id": category, "bbox": bbox, "score": round(score, 5)})
        return rows

    def to_mot(self, frame_number: int) -> list[str]:
        """Lines of a MOTChallenge file; frame_number counts from 1."""
        lines = []
        for (x1, y1, x2, y2), score, track in zip(
            self.boxes.tolist(), self.scores.tolist(), self.track_ids, strict=True
        ):
            lines.append(f"{frame_number},{track},{x1:.2f},{y1:.2f},{x2 - x1:.2f},{y2 - y1:.2f},{score:.4f},-1,-1,-1")
        return lines
