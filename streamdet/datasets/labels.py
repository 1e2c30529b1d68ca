"""Labelled footage in one form for all file formats."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What is marked in one frame.

    Attributes:
        boxes: (N, 4) float32, xyxy, pixels of the frame as displayed.
        class_ids: (N,) int64, index into the set's classes.
        track_ids: (N,) int64, identity within the video; -1 where the set has none.
        ignore: (M, 4) float32, xyxy, pixels; found or not found, nothing inside counts.
    """

    boxes: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    ignore: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 4), np.float32))


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
