"""Which of a detector's boxes are kept: those sure enough, and of overlapping ones the best.

Shapes: P places (anchors, cells, queries), K classes, M boxes. Boxes are xyxy in pixels of the model image.
"""

from collections.abc import Sequence
from typing import NamedTuple

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


def class_groups(
    options: DetectOptions, classes: Sequence[str], groups: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """(K,) int64: equal for classes that exclude each other; groups: as in `select_boxes`."""
    own = range(len(classes)) if groups is None else groups.tolist()
    exclusive = {name: len(classes) + index for index, names in enumerate(options.exclusive) for name in names}
    return np.array([exclusive.get(name, group) for name, group in zip(classes, own, strict=True)], np.int64)


class Selected(NamedTuple):
    """What is kept of P places, best first.

    Attributes:
        boxes: (M, 4) float32, xyxy, pixels.
        scores: (M,) float32, descending.
        class_ids: (M,) int64.
        places: (M,) int64, which of the P places each is.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    places: NDArray[np.int64]


def select_boxes(
    boxes: NDArray[np.float32],
    scores: NDArray[np.float32],
    options: DetectOptions,
    classes: Sequence[str],
    groups: NDArray[np.int64] | None = None,
) -> Selected:
    """Keep what is sure enough, best first, and of overlapping boxes of a class or group only the best.

    What two classes see in the same place is one object as well, see ONE_OBJECT_IOU.

    Args:
        boxes: (P, 4) float32, xyxy, pixels.
        scores: (P, K) float32, 0 to 1.
        options: what is kept.
        classes: K names.
        groups: (K,) int64, equal for classes that share out one score, as cars, buses and trucks do that of vehicles:
            a place has one object of a group at most, of its best class, and with the sum of their scores. None: every
            class has a score of its own.
    """
    sums = scores if groups is None else scores @ (groups[:, None] == np.unique(groups)).astype(np.float32)
    lowest = lowest_scores(options, classes)
    places, columns = np.nonzero(sums >= lowest.min(initial=np.inf))
    class_ids = columns if groups is None else _best_members(scores[places], np.unique(groups)[columns], groups)
    enough = sums[places, columns] >= lowest[class_ids]
    places, columns, class_ids = places[enough], columns[enough], class_ids[enough]
    picked = sums[places, columns]
    order = np.argsort(-picked, kind="stable")[: CANDIDATES_PER_DETECTION * options.max_detections]
    places, picked, class_ids = places[order], picked[order], class_ids[order]
    keep = suppress(boxes[places], picked, class_groups(options, classes, groups)[class_ids], options)
    return Selected(boxes[places[keep]], picked[keep], class_ids[keep], places[keep])


def _best_members(
    scores: NDArray[np.float32], of_group: NDArray[np.int64], groups: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(M,) int64: of each row of scores, (M, K), the best class of the row's group."""
    best: NDArray[np.int64] = np.where(of_group[:, None] == groups, scores, -1).argmax(1)
    return best


def best_rows(
    scores: NDArray[np.float32], options: DetectOptions, classes: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of candidates that are one object each: those sure enough, rows (M,) int64 and class ids (M,) int64."""
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
