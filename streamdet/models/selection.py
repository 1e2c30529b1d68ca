"""Which of a detector's boxes are kept: those sure enough, and of overlapping ones the best.

Shapes: P candidates (cells, queries), K classes, M boxes. Boxes are xyxy in pixels of the model image.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import nms
from streamdet.models.options import DetectOptions

ONE_OBJECT_IOU = 0.85
"""Boxes of different classes that overlap more are one object that two classes fit: the better one is kept."""
CANDIDATES_PER_DETECTION = 10
"""Suppression is quadratic: a flood of boxes must not stall a stream."""


def lowest_scores(options: DetectOptions, classes: Sequence[str]) -> NDArray[np.float32]:
    """(K,) float32: the lowest score of each of a detector's classes; infinite where it is not wanted."""
    wanted = [options.classes is None or name in options.classes for name in classes]
    lowest = [options.class_conf.get(name, options.conf) for name in classes]
    return np.where(wanted, lowest, np.inf).astype(np.float32)


def class_groups(options: DetectOptions, classes: Sequence[str]) -> NDArray[np.int64]:
    """(K,) int64: equal for classes that exclude each other."""
    groups = {name: len(classes) + index for index, names in enumerate(options.exclusive) for name in names}
    return np.array([groups.get(name, index) for index, name in enumerate(classes)], np.int64)


def select_boxes(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], options: DetectOptions, classes: Sequence[str]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Keep what is sure enough, best first, and of overlapping boxes of a class or group only the best.

    What two classes see in the same place is one object as well, see ONE_OBJECT_IOU.

    Args:
        boxes: (P, 4) float32, xyxy, pixels.
        scores: (P, K) float32, 0 to 1.
        options: what is kept.
        classes: K names.

    Returns:
        boxes (M, 4) float32, scores (M,) float32 descending, class ids (M,) int64.
    """
    rows, class_ids = select_rows(boxes, scores, options, classes)
    return boxes[rows], scores[rows, class_ids], class_ids


def select_rows(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], options: DetectOptions, classes: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """What `select_boxes` keeps, as rows of the boxes (M,) int64 and their class ids (M,) int64, best first."""
    candidates, class_ids = np.nonzero(scores >= lowest_scores(options, classes))
    picked = scores[candidates, class_ids]
    order = np.argsort(-picked, kind="stable")[: CANDIDATES_PER_DETECTION * options.max_detections]
    candidates, class_ids, picked = candidates[order], class_ids[order], picked[order]
    keep = suppress(boxes[candidates], picked, class_groups(options, classes)[class_ids], options)
    return candidates[keep], class_ids[keep]


def best_rows(
    scores: NDArray[np.float32], options: DetectOptions, classes: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of candidates that are one object each: those sure enough, rows and class ids as of `select_rows`."""
    enough = np.where(scores >= lowest_scores(options, classes), scores, -1)
    class_ids = enough.argmax(axis=1)
    best = enough[np.arange(len(enough)), class_ids]
    rows = np.flatnonzero(best >= 0)
    rows = rows[np.argsort(-best[rows], kind="stable")[: options.max_detections]]
    return rows, class_ids[rows]


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], groups: NDArray[np.int64], options: DetectOptions
) -> NDArray[np.int64]:
    """Rows of the boxes that stay, best first: within each group, (M,) int64, and then over all of them."""
    keep = nms(boxes, scores, options.iou, groups)
    keep = keep[nms(boxes[keep], scores[keep], max(options.iou, ONE_OBJECT_IOU))]
    return keep[: options.max_detections]
