"""Identities for sets that have none: boxes of one class that overlap from frame to frame are one object."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from streamdet.datasets.labels import LabelledVideo, Labels

_SAME_OBJECT_IOU = 0.25


def link_boxes(video: LabelledVideo) -> LabelledVideo:
    """The video with an identity for every box; one that has identities already is returned as it is.

    Links go neither over a break in time nor over a frame without labels.
    """
    if any(labels is not None and (labels.track_ids >= 0).any() for labels in video.labels):
        return video
    breaks = {start for start, _ in video.segments}
    linked: list[Labels | None] = []
    before: Labels | None = None
    count = 0
    for index, labels in enumerate(video.labels):
        if labels is None:
            before = None
        else:
            ids = np.full(len(labels.boxes), -1, np.int64)
            if before is not None and index not in breaks:
                _pass_on(before, labels, ids)
            new = ids < 0
            ids[new] = np.arange(count, count + int(new.sum()))
            count += int(new.sum())
            before = replace(labels, track_ids=ids)
        linked.append(before)
    return replace(video, labels=tuple(linked))


def _pass_on(before: Labels, labels: Labels, ids: NDArray[np.int64]) -> None:
    overlap = _iou(before.boxes, labels.boxes)
    overlap[before.class_ids[:, None] != labels.class_ids[None]] = 0.0
    for row, column in zip(*linear_sum_assignment(-overlap), strict=True):
        if overlap[row, column] >= _SAME_OBJECT_IOU:
            ids[column] = before.track_ids[row]


def _iou(first: NDArray[np.float32], second: NDArray[np.float32]) -> NDArray[np.float32]:
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = (np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (first, second))
    total = next(areas)[:, None] + next(areas)[None] - shared
    iou: NDArray[np.float32] = shared / np.maximum(total, 1e-6)
    return iou
