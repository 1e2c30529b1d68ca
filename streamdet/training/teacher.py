"""A detector that knows more than the labels says where they may be incomplete.

What the teacher is sure of becomes a label where the set does not label that class, and an ignore region where it
does but nobody marked the object.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from streamdet.boxes import box_iou
from streamdet.datasets.labels import LabelledVideo, Labels
from streamdet.detections import Detections

_SURE = 0.45
_DOUBT = 0.35
_SAME_OBJECT_IOU = 0.4


def add_teacher_labels(video: LabelledVideo, found: Sequence[Detections], classes: Sequence[str]) -> LabelledVideo:
    """A copy of the video whose annotated frames also hold what the teacher found.

    Args:
        video: the labels.
        found: the teacher's detections, one a frame of the video, in pixels of the video.
        classes: the set's classes; the teacher's are matched by name, one that is not among them is left out.

    Raises:
        ValueError: if there is not one Detections a frame.
    """
    if len(found) != len(video):
        raise ValueError(f"{video.name} has {len(video)} frames, the teacher ran on {len(found)}")
    index = {name: i for i, name in enumerate(classes)}
    labels = tuple(
        None if own is None else _merge(own, frame, index, video.labelled)
        for own, frame in zip(video.labels, found, strict=True)
    )
    return replace(video, labels=labels)


def _merge(own: Labels, found: Detections, index: dict[str, int], labelled: frozenset[int]) -> Labels:
    ids = np.array([index.get(name, -1) for name in found.class_names], np.int64)
    unmarked = box_iou(found.boxes, own.boxes).max(axis=1, initial=0.0) < _SAME_OBJECT_IOU
    marks_class = np.isin(ids, sorted(labelled))
    added = (ids >= 0) & ~marks_class & (found.scores >= _SURE) & unmarked
    doubtful = (ids >= 0) & unmarked & (found.scores >= _DOUBT) & ~added
    return Labels(
        boxes=np.concatenate([own.boxes, found.boxes[added]]),
        class_ids=np.concatenate([own.class_ids, ids[added]]),
        track_ids=np.concatenate([own.track_ids, np.full(int(added.sum()), -1, np.int64)]),
        ignore=np.concatenate([own.ignore, found.boxes[doubtful]]),
    )
