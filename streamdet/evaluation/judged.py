"""Ground truth and predictions prepared in one way, so that every metric uses the same boxes.

Classes are matched by name, a class that a video does not label is not judged there, and what lies mostly inside an
ignore region counts neither for nor against the detector.

Legend: G ground-truth boxes, N detections, M ignore regions of one frame.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_iou, covered_fraction
from streamdet.datasets.labels import Shape
from streamdet.detections import Detections
from streamdet.errors import ConfigError

MOSTLY = 0.5
"""A box with more than this fraction of its area inside ignore regions is not judged."""

MATCH_IOU = 0.5
"""A detection that overlaps an object of its class this much has found it."""

MAX_DETECTIONS = 100
"""Detections of one class in one frame that are judged, the best first, as in COCO."""


class FrameLabels(Protocol):
    """What is marked in one frame; streamdet.datasets.labels.Labels is one.

    boxes are (G, 4) float32 xyxy pixels, class_ids and track_ids (G,) int64, ignore (M, 4) float32 xyxy pixels,
    shapes as many as boxes, or none at all.
    """

    @property
    def boxes(self) -> NDArray[np.float32]: ...
    @property
    def class_ids(self) -> NDArray[np.int64]: ...
    @property
    def track_ids(self) -> NDArray[np.int64]: ...
    @property
    def ignore(self) -> NDArray[np.float32]: ...
    @property
    def shapes(self) -> Sequence[Shape]: ...


class VideoLabels(Protocol):
    """One labelled video; streamdet.datasets.labels.LabelledVideo is one.

    labels has an entry a frame (None: it has no labels), labelled holds the classes that are marked exhaustively,
    segments the (start, stop) frame ranges without a break in time, times_s the (F,) seconds of the frames.
    """

    @property
    def name(self) -> str: ...
    @property
    def width(self) -> int: ...
    @property
    def height(self) -> int: ...
    @property
    def times_s(self) -> NDArray[np.float64]: ...
    @property
    def labels(self) -> Sequence[FrameLabels | None]: ...
    @property
    def labelled(self) -> Collection[int]: ...
    @property
    def segments(self) -> Sequence[tuple[int, int]]: ...


Pairs = Sequence[tuple[VideoLabels, Sequence[Detections]]]
"""Videos with their predictions, one Detections a frame."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedFrame:
    """The boxes of one annotated frame that are judged.

    Attributes:
        boxes: (G, 4) float64, xyxy, pixels: the ground truth.
        class_ids: (G,) int64, index into the judged classes.
        track_ids: (G,) int64, -1 where unknown.
        ignored: (G,) bool, mostly inside an ignore region: finding it and missing it are both free.
        found_boxes: (N, 4) float64, xyxy, pixels: the detections, by falling score.
        found_scores: (N,) float64, 0 to 1.
        found_class_ids: (N,) int64, index into the judged classes.
        found_track_ids: (N,) int64, -1 where unknown.
        rows: (G,) int64, which of the frame's labels each is.
        found_rows: (N,) int64, which of the frame's detections each is.
    """

    boxes: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    found_boxes: NDArray[np.float64]
    found_scores: NDArray[np.float64]
    found_class_ids: NDArray[np.int64]
    found_track_ids: NDArray[np.int64]
    rows: NDArray[np.int64]
    found_rows: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedVideo:
    """One video.

    Attributes:
        name: as the set has it.
        labelled: indices of the judged classes that are judged here.
        times_s: (F,) float64, seconds.
        frames: F entries; None where there are no labels.
        segments: (start, stop) frame ranges without a break in time.
    """

    name: str
    labelled: frozenset[int]
    times_s: NDArray[np.float64]
    frames: tuple[JudgedFrame | None, ...]
    segments: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, eq=False)
class JudgedSet:
    """Videos and the classes that are judged in them."""

    classes: tuple[str, ...]
    videos: tuple[JudgedVideo, ...]


def judge(pairs: Pairs, classes: Sequence[str], only: Collection[str] | None = None) -> JudgedSet:
    """Reduce labels and predictions to the boxes that count.

    Judged are the classes that some video labels and that the detector knows; `only` narrows them.

    Args:
        pairs: videos with one Detections a frame.
        classes: names of the set's classes, in the order of its class ids.
        only: names to judge; all by default.

    Raises:
        ConfigError: if the set and the detector share no class, or `only` names one that the set lacks.
        ValueError: if a video does not have one Detections a frame.
    """
    for video, predictions in pairs:
        if len(predictions) != len(video.labels):
            raise ValueError(f"video {video.name}: {len(predictions)} predictions for {len(video.labels)} frames")
    judged = _judged_classes(pairs, classes, only)
    videos = tuple(_judge_video(video, predictions, classes, judged) for video, predictions in pairs)
    return JudgedSet(judged, videos)


def _judged_classes(pairs: Pairs, classes: Sequence[str], only: Collection[str] | None) -> tuple[str, ...]:
    for name in only or ():
        if name not in classes:
            raise ConfigError(f"class {name!r} is not in the set; it has {', '.join(classes)}")
    detector_classes = {found.classes for _, predictions in pairs for found in predictions}
    labelled = {classes[index] for video, _ in pairs for index in video.labelled}
    judged = tuple(
        name
        for name in classes
        if name in labelled and (only is None or name in only) and all(name in known for known in detector_classes)
    )
    if not judged:
        known = {name for names in detector_classes for name in names}
        raise ConfigError(
            f"nothing to judge: the set labels {_listed(labelled)} and the detector knows {_listed(known)}"
            + (f", and {_listed(only)} was asked for" if only else "")
            + "; class names must agree"
        )
    return judged


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _judge_video(
    video: VideoLabels, predictions: Sequence[Detections], classes: Sequence[str], judged: tuple[str, ...]
) -> JudgedVideo:
    labelled = {classes[index] for index in video.labelled}
    here = tuple(name if name in labelled else None for name in judged)
    set_ids = _index_map(classes, here)
    frames: list[JudgedFrame | None] = []
    for labels, found in zip(video.labels, predictions, strict=True):
        frames.append(None if labels is None else _judge_frame(labels, found, set_ids, here))
    labelled_here = frozenset(index for index, name in enumerate(here) if name is not None)
    return JudgedVideo(
        video.name, labelled_here, np.asarray(video.times_s, np.float64), tuple(frames), tuple(video.segments)
    )


def _index_map(classes: Sequence[str], judged: Sequence[str | None]) -> NDArray[np.int64]:
    """Index into judged for every class; -1 where it is not judged."""
    return np.array([judged.index(name) if name in judged else -1 for name in classes], np.int64)


def _judge_frame(
    labels: FrameLabels, found: Detections, set_ids: NDArray[np.int64], judged: Sequence[str | None]
) -> JudgedFrame:
    class_ids = set_ids[labels.class_ids]
    kept = class_ids >= 0
    boxes, class_ids = labels.boxes[kept].astype(np.float64), class_ids[kept]
    ignored = covered_fraction(boxes, labels.ignore) > MOSTLY

    found_class_ids = _index_map(found.classes, judged)[found.class_ids]
    rows = np.argsort(-found.scores, kind="stable")
    rows = rows[found_class_ids[rows] >= 0]
    found_boxes, found_class_ids = found.boxes[rows].astype(np.float64), found_class_ids[rows]
    # A detection of a box at the border of an ignore region is a hit, though most of it may lie inside.
    hits = (box_iou(found_boxes, boxes) >= MATCH_IOU) & (found_class_ids[:, None] == class_ids) & ~ignored
    counts = hits.any(axis=1) | (covered_fraction(found_boxes, labels.ignore) <= MOSTLY)
    for class_id in range(len(judged)):
        counts[np.flatnonzero(counts & (found_class_ids == class_id))[MAX_DETECTIONS:]] = False
    return JudgedFrame(
        boxes=boxes,
        class_ids=class_ids,
        track_ids=labels.track_ids[kept],
        ignored=ignored,
        found_boxes=found_boxes[counts],
        found_scores=found.scores[rows][counts].astype(np.float64),
        found_class_ids=found_class_ids[counts],
        found_track_ids=found.track_ids[rows][counts],
        rows=np.flatnonzero(kept),
        found_rows=rows[counts],
    )
