"""Which detection found which object."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_areas, box_intersection, box_iou
from streamdet.evaluation.judged import JudgedFrame

MISSED = -1
"""The detection found nothing: a false positive."""

FREE = -2
"""The detection lies on an ignored object: neither right nor wrong."""


def match_frame(frame: JudgedFrame, iou_thresholds: Sequence[float]) -> NDArray[np.int64]:
    """Assign detections to objects of their class as COCO does: the best scored takes the object it overlaps most.

    Args:
        frame: G objects and N detections, by falling score.
        iou_thresholds: T least overlaps of a hit.

    Returns:
        (T, N) int64: row of the object that each detection found, MISSED or FREE.
    """
    thresholds = np.asarray(iou_thresholds, np.float64)[:, None]
    matches = np.full((len(thresholds), len(frame.found_boxes)), MISSED, np.int64)
    same_class = frame.found_class_ids[:, None] == frame.class_ids
    iou = np.where(same_class & ~frame.ignored, box_iou(frame.found_boxes, frame.boxes), 0.0)
    open_ = np.ones((len(thresholds), len(frame.boxes)), np.bool_)
    for row in np.flatnonzero(iou.max(axis=1, initial=0.0) >= thresholds.min()):
        candidate_iou = np.where(open_ & (iou[row] >= thresholds), iou[row], 0.0)
        best = candidate_iou.argmax(axis=1)
        hit = np.flatnonzero(candidate_iou.max(axis=1) > 0)
        matches[hit, row] = best[hit]
        open_[hit, best[hit]] = False
    # An ignored object may be a crowd, so it is enough that the detection lies on it.
    shared = np.where(same_class & frame.ignored, box_intersection(frame.found_boxes, frame.boxes), 0.0)
    share = shared.max(axis=1, initial=0.0) / np.maximum(box_areas(frame.found_boxes), 1e-12)
    matches[(matches == MISSED) & (share >= thresholds)] = FREE
    return matches
