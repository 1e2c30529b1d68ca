"""Every object and every detection of an evaluated set as one table each, with its outcome.

Matching is done once; AP by motion or position, flicker, stability and their bootstrap intervals read these columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.link import link
from streamdet.evaluation.judged import MATCH_IOU, JudgedFrame, JudgedSet, JudgedVideo
from streamdet.evaluation.matching import match_frame


@dataclass(frozen=True, slots=True, eq=False)
class Objects:
    """O labelled objects, one row for every frame that an object is in, in the order of videos and frames.

    Attributes:
        clips: (O,) int64, the clip that the frame belongs to.
        frames: (O,) int64, index of the frame within its video.
        class_ids: (O,) int64, index into the judged classes.
        boxes: (O, 4) float64, xyxy, pixels.
        tracks: (O,) int64, identity, unique in the set; a break in time ends it.
        named: (O,) bool, the identity is the labels', not linked by overlap.
        flanked: (O,) bool, the frames before and after are labelled too, without a break in time.
        ignored: (O,) bool, neither found nor missed.
    """

    clips: NDArray[np.int64]
    frames: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    tracks: NDArray[np.int64]
    named: NDArray[np.bool_]
    flanked: NDArray[np.bool_]
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """N detections, in the order of videos, frames and falling score.

    Attributes:
        clips, frames, class_ids, boxes: as of Objects.
        scores: (N,) float64, 0 to 1.
        matches: (N, T) int64, row in Objects that was found at each IoU threshold, MISSED or FREE.
    """

    clips: NDArray[np.int64]
    frames: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    matches: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """A judged set after matching; clips are numbered from 0 to clip_count."""

    classes: tuple[str, ...]
    clip_count: int
    objects: Objects
    found: Found


def collect(judged: JudgedSet, iou_thresholds: Sequence[float] = (MATCH_IOU,), clip_frames: int = 100) -> Outcomes:
    """Link, match and lay out all boxes.

    Args:
        judged: what judge() returned.
        iou_thresholds: T least overlaps of a hit; the first decides for flicker, stability and motion.
        clip_frames: a video is cut into clips of at most this many frames, the unit that intervals resample.
    """
    objects, found = [_no_objects()], [_no_found(len(iou_thresholds))]
    clip_count = track_count = object_count = 0
    for video in judged.videos:
        tracks, tracks_here = _tracks(video)
        flanked = _flanked(video)
        for index, frame in enumerate(video.frames):
            if frame is None:
                continue
            clip = clip_count + index // clip_frames
            objects.append(_objects(frame, clip, index, tracks[index] + track_count, flanked[index]))
            found.append(_found(frame, clip, index, match_frame(frame, iou_thresholds), object_count))
            object_count += len(frame.boxes)
        clip_count += -(-len(video.frames) // clip_frames)
        track_count += tracks_here
    return Outcomes(judged.classes, clip_count, _concatenate(objects), _concatenate(found))


def _tracks(video: JudgedVideo) -> tuple[list[NDArray[np.int64]], int]:
    """Track ids of every frame, numbered from 0, a new one in each unbroken segment, and how many there are."""
    tracks = link(video.frames, video.segments)
    numbers: dict[tuple[int, int], int] = {}
    for segment, (start, stop) in enumerate(video.segments):
        for index in range(start, stop):
            ids = tracks[index].tolist()
            tracks[index] = np.array([numbers.setdefault((segment, i), len(numbers)) for i in ids], np.int64)
    return tracks, len(numbers)


def _flanked(video: JudgedVideo) -> NDArray[np.bool_]:
    flanked = np.zeros(len(video.frames), np.bool_)
    for start, stop in video.segments:
        for index in range(start + 1, stop - 1):
            flanked[index] = video.frames[index - 1] is not None and video.frames[index + 1] is not None
    return flanked


def _objects(frame: JudgedFrame, clip: int, index: int, tracks: NDArray[np.int64], flanked: bool) -> Objects:
    count = len(frame.boxes)
    return Objects(
        clips=np.full(count, clip),
        frames=np.full(count, index),
        class_ids=frame.class_ids,
        boxes=frame.boxes,
        tracks=tracks,
        named=frame.track_ids >= 0,
        flanked=np.full(count, flanked),
        ignored=frame.ignored,
    )


def _found(frame: JudgedFrame, clip: int, index: int, matches: NDArray[np.int64], object_count: int) -> Found:
    count = len(frame.found_boxes)
    return Found(
        clips=np.full(count, clip),
        frames=np.full(count, index),
        class_ids=frame.found_class_ids,
        boxes=frame.found_boxes,
        scores=frame.found_scores,
        matches=np.where(matches >= 0, matches + object_count, matches).T,
    )


def _no_objects() -> Objects:
    whole, flag = np.zeros(0, np.int64), np.zeros(0, np.bool_)
    return Objects(whole, whole, whole, np.zeros((0, 4)), whole, flag, flag, flag)


def _no_found(thresholds: int) -> Found:
    whole = np.zeros(0, np.int64)
    return Found(whole, whole, whole, np.zeros((0, 4)), np.zeros(0), np.zeros((0, thresholds), np.int64))


_Table = TypeVar("_Table", Objects, Found)


def _concatenate(parts: Sequence[_Table]) -> _Table:
    columns = (np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(parts[0]))
    return type(parts[0])(*columns)
