"""What detectors find, as `contract.Outputs`: scores of every cell, or a list of boxes of any length for each frame.

Shapes: B streams, T frames, P cells, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.models.options import KEEP, DetectOptions
from streamdet.models.selection import class_groups, lowest_scores, select_boxes, suppress


@dataclass(frozen=True, slots=True, eq=False)
class DenseOutputs:
    """Every cell's box and scores.

    Attributes:
        boxes: (B, T, P, 4) float32, xyxy, pixels of the given images, clipped to them.
        scores: (B, T, P, K) float32, 0 to 1.
        classes: K names.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    classes: tuple[str, ...]

    def detections(self, options: DetectOptions = KEEP) -> list[list[Detections]]:
        """See contract.Outputs."""
        return [
            [
                Detections.of(*select_boxes(boxes, scores, options, self.classes), self.classes)
                for boxes, scores in zip(*stream, strict=True)
            ]
            for stream in zip(self.boxes, self.scores, strict=True)
        ]

    def regroup(self, streams: int, frames: int) -> DenseOutputs:
        """See contract.Outputs."""
        shape = streams, frames
        boxes, scores = (x.reshape(*shape, *x.shape[2:]) for x in (self.boxes, self.scores))
        return DenseOutputs(boxes, scores, self.classes)


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
        found = [each for stream in self.frames for each in stream]
        if len(found) != streams * frames:
            raise ValueError(f"{len(found)} frames are not {streams} streams of {frames} frames")
        grouped = [found[b * frames : (b + 1) * frames] for b in range(streams)]
        return ListedOutputs(grouped, self.overlapping)

    def _kept(self, found: Detections, options: DetectOptions) -> Detections:
        found = found[found.scores >= lowest_scores(options, found.classes)[found.class_ids]]
        if not self.overlapping:
            return found[: options.max_detections]
        groups = class_groups(options, found.classes)[found.class_ids]
        return found[suppress(found.boxes, found.scores, groups, options)]
