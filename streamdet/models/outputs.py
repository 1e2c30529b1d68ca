"""What detectors find, as `contract.Outputs`: scores of every place, candidates, or a list of boxes for each frame.

Shapes: B streams, T frames, P places (cells, anchors), K classes, C channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.models.embedding import box_embeddings
from streamdet.models.options import KEEP, DetectOptions
from streamdet.models.selection import best_rows, class_groups, lowest_scores, select_boxes, suppress
from streamdet.skeleton import Skeleton

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class DenseOutputs:
    """Every place's box and scores.

    Attributes:
        boxes: (B, T, P, 4) float32, xyxy, pixels of the given images, clipped to them.
        scores: (B, T, P, K) float32, 0 to 1.
        classes: K names.
        groups: (K,) int64, equal for classes that share out one score, see selection.select_boxes; None: none do.
        features: (B, T, H_l, W_l, C) float32, from which embeddings are read; None: there are none.
        stride: pixels between the places of features.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: tuple[str, ...]
    groups: NDArray[np.int64] | None = None
    features: NDArray[np.float32] | None = None
    stride: int = 8

    def detections(self, options: DetectOptions = KEEP) -> list[list[Detections]]:
        """See contract.Outputs."""
        B, T = self.scores.shape[:2]
        return [[self._frame(b, t, options) for t in range(T)] for b in range(B)]

    def _frame(self, b: int, t: int, options: DetectOptions) -> Detections:
        scores = self.scores[b, t]
        found = select_boxes(self.boxes[b, t], scores, options, self.classes, self.groups)
        embeddings = None if self.features is None else box_embeddings(self.features[b, t], found.boxes, self.stride)
        return Detections.of(*found[:3], self.classes, class_scores=scores[found.places], embeddings=embeddings)

    def regroup(self, streams: int, frames: int) -> DenseOutputs:
        """See contract.Outputs."""

        def grouped(x: NDArray[np.float32]) -> NDArray[np.float32]:
            return x.reshape(streams, frames, *x.shape[2:])

        features = None if self.features is None else grouped(self.features)
        return replace(self, boxes=grouped(self.boxes), scores=grouped(self.scores), features=features)


@dataclass(frozen=True, slots=True, eq=False)
class ListedOutputs:
    """A list of boxes for each frame, as two-stage detectors and those with queries give it; all columns are kept.

    Attributes:
        frames: a row of T for each of the B streams, in pixels of the given images, best first.
        overlapping: whether boxes of one object may be among them, so that all but the best have to go.
    """

    frames: Sequence[Sequence[Detections]]
    overlapping: bool

    def detections(self, options: DetectOptions = KEEP) -> list[list[Detections]]:
        """See contract.Outputs."""
        return [[self._kept(found, options) for found in stream] for stream in self.frames]

    def regroup(self, streams: int, frames: int) -> ListedOutputs:
        """See contract.Outputs."""
        return ListedOutputs(_rows(self.frames, streams, frames), self.overlapping)

    def _kept(self, found: Detections, options: DetectOptions) -> Detections:
        found = found[found.scores >= lowest_scores(options, found.classes)[found.class_ids]]
        if not self.overlapping:
            return found[: options.max_detections]
        groups = class_groups(options, found.classes)[found.class_ids]
        return found[suppress(found.boxes, found.scores, groups, options)]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes that a network offers for one image, of which most are nothing.

    Attributes:
        boxes: (P, 4) float32, xyxy, pixels of the given image.
        scores: (P, K) float32, 0 to 1.
        overlapping: whether boxes of one object may be among them, so that all but the best have to go; otherwise
            each is at most one object.
        more: optional columns of Detections by name, each a function of the rows that are kept.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    overlapping: bool
    more: Mapping[str, Callable[[NDArray[np.int64]], NDArray[Any]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class CandidateOutputs:
    """Candidates for each frame, any number of them; Detections get the scores of all classes.

    Attributes:
        frames: a row of T for each of the B streams.
        classes: K names.
        skeleton: of keypoints, where there are some.
    """

    frames: Sequence[Sequence[Candidates]]
    classes: tuple[str, ...]
    skeleton: Skeleton | None = None

    def detections(self, options: DetectOptions = KEEP) -> list[list[Detections]]:
        """See contract.Outputs."""
        return [[self._kept(found, options) for found in stream] for stream in self.frames]

    def regroup(self, streams: int, frames: int) -> CandidateOutputs:
        """See contract.Outputs."""
        return replace(self, frames=_rows(self.frames, streams, frames))

    def _kept(self, found: Candidates, options: DetectOptions) -> Detections:
        boxes, scores = found.boxes, found.scores
        if found.overlapping:
            *_, class_ids, rows = select_boxes(boxes, scores, options, self.classes)
        else:
            rows, class_ids = best_rows(scores, options, self.classes)
        more = {"class_scores": scores[rows], **{name: column(rows) for name, column in found.more.items()}}
        return Detections.of(
            boxes[rows], scores[rows, class_ids], class_ids, self.classes, skeleton=self.skeleton, **more
        )


def _rows(frames: Sequence[Sequence[T]], streams: int, length: int) -> list[list[T]]:
    """The same frames, in their order, as rows of another length."""
    found = [each for stream in frames for each in stream]
    if len(found) != streams * length:
        raise ValueError(f"{len(found)} frames are not {streams} streams of {length} frames")
    return [found[b * length : (b + 1) * length] for b in range(streams)]
