"""Identities for what a detector found, as a run would give them."""

from collections.abc import Sequence

import numpy as np

from streamdet.detections import Detections
from streamdet.evaluation.judged import VideoLabels
from streamdet.evaluation.stability import SHOWN_SCORE
from streamdet.tracking.options import TrackOptions
from streamdet.tracking.registry import build_tracker


def follow(video: VideoLabels, found: Sequence[Detections], least_score: float = SHOWN_SCORE) -> list[Detections]:
    """Track what was found in a video; after a break in time tracking starts again.

    Args:
        video: tells the times and the breaks.
        found: one Detections a frame.
        least_score: boxes from here on are given to the tracker; the others stay, without an identity, for average
            precision.
    """
    tracker = build_tracker(TrackOptions(), least_score)
    begins = {start for start, _ in video.segments}
    followed = []
    for index, boxes in enumerate(found):
        if index in begins:
            tracker.reset()
        given = boxes.scores >= least_score
        ids = np.full(len(boxes), -1, np.int64)
        ids[given] = tracker.update(boxes[given], float(video.times_s[index])).track_ids
        followed.append(boxes.with_track_ids(ids))
    return followed
