"""Labelled footage in one form for all file formats."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import compress
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image

Segmentation = list[list[float]] | dict[str, Any]
"""Of one object, as COCO writes it: outlines, each x1 y1 x2 y2 ..., or run lengths, {"size": [h, w], "counts": ...}."""


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What is marked of an object beside its box.

    Attributes:
        segmentation: its outlines or mask.
        keypoints: x, y and visibility of each in turn; 0: not labelled.
        area: square pixels.
    """

    segmentation: Segmentation | None = None
    keypoints: Sequence[float] | None = None
    area: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is marked in one frame.

    Attributes:
        boxes: (N, 4) float32, xyxy, pixels of the frame as displayed.
        class_ids: (N,) int64, index into the set's classes.
        track_ids: (N,) int64, identity within the video; -1 where the set has none.
        ignore: (M, 4) float32, xyxy, pixels; found or not found, nothing inside counts.
        shapes: N of them, or none at all where boxes alone are marked.
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    ignore: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))
    shapes: tuple[Shape, ...] = ()

    def kept(self, rows: NDArray[np.bool_], ignored: NDArray[np.bool_] | None = None) -> "Labels":
        """Some of the labels.

        Args:
            rows: (N,) bool, those that stay.
            ignored: (N,) bool, those that become regions in which nothing counts.
        """
        added = self.boxes[:0] if ignored is None else self.boxes[ignored]
        return Labels(
            boxes=self.boxes[rows],
            class_ids=self.class_ids[rows],
            track_ids=self.track_ids[rows],
            ignore=np.concatenate([self.ignore, added]),
            shapes=tuple(compress(self.shapes, rows)),
        )


class FrameReader(Protocol):
    """Gives the pictures of one video."""

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        """Frames start to stop (exclusive), (H, W, 3) uint8 RGB, in order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class LabelledVideo:
    """One video, or one still (a video of one frame).

    Attributes:
        name: unique within the set.
        width, height: pixels, as displayed.
        times_s: (F,) float64, seconds of every frame, ascending.
        labels: F entries; None for a frame without annotation (no loss, no judging there).
        labelled: indices of the classes that are marked exhaustively; the others give no negatives.
        segments: (start, stop) frame ranges without a break in time; covers all frames.
        frames: the pictures.
        faults: what the reader had to correct, and how often; for a person to look at.
    """

    name: str
    width: int
    height: int
    times_s: NDArray[np.float64]
    labels: tuple[Labels | None, ...]
    labelled: frozenset[int]
    segments: tuple[tuple[int, int], ...]
    frames: FrameReader
    faults: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def has_shapes(self) -> bool:
        """Whether masks or keypoints are marked in it."""
        return any(labels is not None and labels.shapes for labels in self.labels)

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height; 1 where the frames do not say. Boxes are in the pixels as they are."""
        return aspect_of(self.frames)


def aspect_of(frames: FrameReader) -> Fraction:
    """Width of a pixel over its height; pictures that do not say it have square ones."""
    aspect: Fraction = getattr(frames, "pixel_aspect", Fraction(1))
    return aspect


@dataclass(frozen=True, slots=True, eq=False)
class LabelledSet:
    """Videos or stills that share a list of classes; `notes` say how the files were understood, for a person."""

    name: str
    classes: tuple[str, ...]
    videos: tuple[LabelledVideo, ...]
    notes: tuple[str, ...] = ()
