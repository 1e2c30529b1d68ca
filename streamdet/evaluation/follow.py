"""Identities and refined boxes for what a detector found, as a run would give them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.labels import LabelledVideo
from streamdet.detections import Detections
from streamdet.evaluation.stability import SHOWN_SCORE
from streamdet.tracking.memory.tracker import MemoryTracker
from streamdet.tracking.options import TrackOptions
from streamdet.tracking.registry import build_tracker

_BYTE = TrackOptions(tracker="byte")


def follow(
    video: LabelledVideo, found: Sequence[Detections], least_score: float = SHOWN_SCORE, options: TrackOptions = _BYTE
) -> list[Detections]:
    """Give identities to boxes as they are; after a break in time tracking starts again.

    Args:
        video: tells the times and the breaks.
        found: one Detections a frame.
        least_score: boxes from here on are given to the tracker; the others stay, without an identity, for average
            precision.
        options: which tracker.
    """
    tracker = build_tracker(options, least_score)
    starts = {start for start, _ in video.segments}
    followed = []
    for index, boxes in enumerate(found):
        if index in starts:
            tracker.reset()
        given = boxes.scores >= least_score
        ids = np.full(len(boxes), -1, np.int64)
        time_s, size = float(video.times_s[index]), (video.width, video.height)
        ids[given] = tracker.update(boxes[given], time_s, size).track_ids
        followed.append(boxes.with_track_ids(ids))
    return followed


def remember(
    video: LabelledVideo,
    found: Sequence[Detections],
    *,
    options: TrackOptions | None = None,
    taken: NDArray[np.bool_] | None = None,
    order: NDArray[np.int64] | None = None,
) -> list[Detections]:
    """Refine detections with the object memory, which is empty after a break in time.

    Args:
        video: tells the times and the breaks.
        found: one Detections a frame.
        options: of the memory.
        taken: (F,) bool, the frames that the detector looked at; nothing is said of the others.
        order: (F,) int64, the frame that is shown at each moment, where they are in another order: a control.
    """
    tracker = MemoryTracker(options or TrackOptions(), SHOWN_SCORE, floor=0.0)
    starts = {start for start, _ in video.segments}
    refined = list(found)
    for moment in range(len(found)):
        frame = moment if order is None else int(order[moment])
        if moment in starts:
            tracker.reset()
        if taken is None or taken[frame]:
            time_s, size = float(video.times_s[moment]), (video.width, video.height)
            refined[frame] = tracker.update(found[frame], time_s, size)
    return refined
