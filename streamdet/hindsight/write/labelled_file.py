"""A video file with its labels, and what the formats that know tracks need of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.marks import IGNORE
from streamdet.hindsight.labels import ClipLabels
from streamdet.skeleton import Skeleton

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

TOLERANCE_PX = 0.5
"""What no person sees."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledFile:
    """One labelled video.

    Attributes:
        path: of the video.
        size: width and height of its frames, pixels.
        times_s: (F,) float64, seconds of every frame.
        labels: its labels.
        tolerance_px: how far a box may be from the detection where a format moves it from keyframe to keyframe.
        skeleton: of keypoints, where there are some.
    """

    path: Path
    size: tuple[int, int]
    times_s: Floats
    labels: ClipLabels
    tolerance_px: float = TOLERANCE_PX
    skeleton: Skeleton | None = None

    def of_classes(self, wanted: Sequence[int]) -> Self:
        """The labels of these classes alone, whose ids then are their places in this list."""
        labels = self.labels[np.isin(self.labels.class_ids, wanted)]
        ids = np.array([wanted.index(class_id) for class_id in labels.class_ids.tolist()], np.int64)
        return replace(self, labels=replace(labels, class_ids=ids))


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """An object, or what is to be ignored, in consecutive frames, as keyframes between which it moves linearly.

    Attributes:
        frames: (T,) int64, ascending, the first and the last of the span among them.
        boxes: (T, 4) float64, xyxy, pixels.
        shapes: (T,) see ClipLabels.
    """

    frames: Ints
    boxes: Floats
    shapes: NDArray[np.object_] | None = None


def spans_of_tracks(file: LabelledFile, classes: tuple[str, ...]) -> Iterator[tuple[int, str, list[Span]]]:
    """Each track's id, class and spans; then what is to be ignored, each span as a track of its own."""
    labels, tolerance_px = file.labels, file.tolerance_px
    rows = np.flatnonzero(labels.sure)
    rows = rows[np.lexsort((labels.frames[rows], labels.track_ids[rows]))]
    for track in _split(rows, np.diff(labels.track_ids[rows]) != 0):
        spans = [_span(labels, part, tolerance_px) for part in _split(track, np.diff(labels.frames[track]) > 1)]
        yield int(labels.track_ids[track[0]]), classes[labels.class_ids[track[0]]], spans
    track_id = int(labels.track_ids.max(initial=-1))
    rows = np.flatnonzero(~labels.sure)
    rows = rows[np.lexsort((labels.frames[rows], labels.track_ids[rows]))]
    loose = labels.track_ids[rows[1:]] < 0
    breaks = (np.diff(labels.track_ids[rows]) != 0) | (np.diff(labels.frames[rows]) != 1) | loose
    for part in _split(rows, breaks):
        track_id += 1
        yield track_id, IGNORE, [_span(labels, part, tolerance_px)]


def _split(rows: Ints, breaks: NDArray[np.bool_]) -> list[Ints]:
    """The rows in pieces, cut where a break follows."""
    return np.split(rows, np.flatnonzero(breaks) + 1) if len(rows) else []


def _span(labels: ClipLabels, rows: Ints, tolerance_px: float) -> Span:
    kept = rows[keyframes(labels.frames[rows], labels.boxes[rows], tolerance_px)]
    shapes = None if labels.shapes is None else labels.shapes[kept]
    return Span(labels.frames[kept], labels.boxes[kept], shapes)


def keyframes(frames: Ints, boxes: Floats, tolerance_px: float = TOLERANCE_PX) -> Ints:
    """Rows of (T,) frames and (T, 4) boxes that are enough: in between, a linear motion is at most so far off.

    Source: Douglas, Peucker 1973, over time.
    """
    kept, open_ = {0, len(frames) - 1}, [(0, len(frames) - 1)]
    while open_:
        first, last = open_.pop()
        if last - first < 2:
            continue
        inside = slice(first + 1, last)
        share = ((frames[inside] - frames[first]) / (frames[last] - frames[first]))[:, None]
        off = np.abs(boxes[first] + share * (boxes[last] - boxes[first]) - boxes[inside]).max(axis=1)
        worst = int(off.argmax())
        if off[worst] > tolerance_px:
            middle = first + 1 + worst
            kept.add(middle)
            open_ += [(first, middle), (middle, last)]
    return np.array(sorted(kept))
