"""What the object memory learns from: labelled videos, and what a detector found in them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_iou
from streamdet.datasets.labels import LabelledVideo
from streamdet.detections import Detections

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_SAME_IOU = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What a detector found in one frame, of D boxes.

    Attributes:
        boxes: (D, 4) float64, xyxy, pixels.
        scores: (D,) float64.
        class_scores: (D, K) float64.
        embeddings: (D, E) float32; None where there are none.
    """

    boxes: Floats
    scores: Floats
    class_scores: Floats
    embeddings: NDArray[np.float32] | None = None

    @classmethod
    def of(cls, found: Detections) -> "Found":
        """From detections; without class scores, a box has one at the class that was found."""
        class_scores = np.zeros((len(found), len(found.classes)))
        class_scores[np.arange(len(found)), found.class_ids] = found.scores
        if found.class_scores is not None:
            class_scores = found.class_scores.astype(np.float64)
        return cls(found.boxes.astype(np.float64), found.scores.astype(np.float64), class_scores, found.embeddings)

    def __len__(self) -> int:
        return len(self.scores)

    def rows(self, kept: NDArray[np.bool_]) -> "Found":
        """Some of the boxes."""
        embeddings = None if self.embeddings is None else self.embeddings[kept]
        return Found(self.boxes[kept], self.scores[kept], self.class_scores[kept], embeddings)

    def moved(self, offset: Floats) -> "Found":
        """With boxes that are moved by (4,) pixels."""
        return replace(self, boxes=self.boxes + offset)


@dataclass(frozen=True, slots=True, eq=False)
class TrackedClip:
    """A labelled video whose class ids are the detector's, and the detections of its F frames.

    Attributes:
        video: its labels have track ids; classes that it does not label exhaustively give no negatives.
        found: F entries.
        alike: (K, K) bool, which of the detector's classes may be mistaken for each other.
    """

    video: LabelledVideo
    found: Sequence[Found]
    alike: NDArray[np.bool_]


def classes_alike(classes: Sequence[str], exclusive: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
    """(K, K) bool: a class with itself, and with those of its group."""
    alike = np.eye(len(classes), dtype=bool)
    for group in exclusive:
        of_group = np.isin(classes, list(group))
        alike |= of_group[:, None] & of_group
    return alike


def embeddings_of_objects(clips: Sequence[TrackedClip]) -> tuple[NDArray[np.float32], Ints]:
    """Embeddings of boxes on labelled objects, (N, E), and which object each shows, (N,): for `looks.fit_looks`."""
    rows, objects, first = [], [], 0
    for clip in clips:
        ids = [labels.track_ids for labels in clip.video.labels if labels is not None]
        for found, labels in zip(clip.found, clip.video.labels, strict=True):
            if labels is None or found.embeddings is None or not len(found) or not len(labels.boxes):
                continue
            overlap = box_iou(labels.boxes, found.boxes)
            best = overlap.argmax(axis=1)
            good = (overlap[np.arange(len(best)), best] >= _SAME_IOU) & (labels.track_ids >= 0)
            rows.append(found.embeddings[best[good]])
            objects.append(first + labels.track_ids[good])
        first += 1 + max((int(each.max(initial=-1)) for each in ids), default=-1)
    if not rows:
        return np.zeros((0, 0), np.float32), np.zeros(0, np.int64)
    return np.concatenate(rows).astype(np.float32), np.concatenate(objects)
