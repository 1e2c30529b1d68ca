"""The best smoothing made by hand, which a memory that is learnt has to beat.

The same association as the object memory; score = half the box's own, half its mean over 0.25 s; box = 0.3 of the way
to where the slow filter predicted it; an object that is missed is shown for half a second where the slow filter has it,
with a fading score.
"""

import numpy as np

from streamdet.boxes import box_iou
from streamdet.detections import Detections
from streamdet.tracking.memory import filters
from streamdet.tracking.memory.association import Association, paired_iou
from streamdet.tracking.memory.tracks import HITS, LAST_SEEN_S, MEAN, MISSES, SHORT_MEAN, Floats, Ints
from streamdet.training.object_memory.clips import Found

_OWN_SHARE, _SLOW_SHARE, _LOOSE_SHARE = 0.5, 0.3, 0.5
_BRIDGE_S, _FADE_S = 0.5, 0.4
_SETTLED_HITS = 4


class HandRule:
    """One stream's; `update` and `reset` as of a Tracker."""

    def __init__(self) -> None:
        self._association: Association | None = None

    def reset(self) -> None:
        """Forget everything."""
        if self._association is not None:
            self._association.clear()

    def update(self, detections: Detections, time_s: float, size: tuple[int, int]) -> Detections:
        """Steadier boxes of one frame."""
        found = Found.of(detections)
        association = self._association = self._association or Association(len(detections.classes))
        step = association.step(found.boxes, found.scores, found.class_scores, time_s)
        tracks, owned, rows = association.tracks, step.owners >= 0, np.maximum(step.owners, 0)
        scores, boxes = _LOOSE_SHARE * found.scores, found.boxes.copy()
        classes, ids = found.class_scores.argmax(axis=1), np.full(len(found), -1)
        if owned.any():
            mean = _OWN_SHARE * found.scores + (1 - _OWN_SHARE) * tracks.history[rows, SHORT_MEAN]
            scores = np.where(owned, mean, scores)
            classes = np.where(owned, tracks.votes[rows].argmax(axis=1), classes)
            ids = np.where(owned, tracks.ids[rows] + 1, -1)
            settled = owned & (tracks.history[rows, HITS] >= _SETTLED_HITS)
            boxes = _steadied(boxes, step.predicted[rows, filters.SLOW], settled)
        bridged = self._bridged(boxes, scores)
        if (kept := association.alive()) is not None:
            tracks.keep(kept)
        columns = (np.concatenate(pair) for pair in zip((boxes, scores, classes, ids), bridged, strict=True))
        boxes, scores, classes, ids = columns
        inside = np.clip(boxes, 0, [size[0], size[1]] * 2)
        order = np.argsort(-scores, kind="stable")
        return Detections.of(inside[order], scores[order], classes[order], detections.classes, ids[order])

    def _bridged(self, boxes: Floats, scores: Floats) -> tuple[Floats, Floats, Ints, Ints]:
        """Boxes, scores, classes and ids of objects that are missed."""
        assert self._association is not None
        tracks, history = self._association.tracks, self._association.tracks.history
        unseen_s = self._association.time_s - history[:, LAST_SEEN_S]
        missed = (history[:, MISSES] > 0) & (history[:, HITS] >= _SETTLED_HITS) & (unseen_s <= _BRIDGE_S + 1e-6)
        rows = np.flatnonzero(missed)
        places = filters.boxes_of(tracks.filters[rows, filters.VALUE, filters.SLOW])
        there = boxes[scores >= 0.1]
        new = box_iou(places, there).max(axis=1, initial=0.0) < 0.6
        rows, places = rows[new], places[new]
        faded = history[rows, MEAN] * np.exp(-unseen_s[rows] / _FADE_S)
        return places, faded, tracks.votes[rows].argmax(axis=1), tracks.ids[rows] + 1


def _steadied(boxes: Floats, predicted: Floats, settled: np.ndarray) -> Floats:
    share = np.where(settled & (paired_iou(predicted, boxes) > 0.4), _SLOW_SHARE, 0.0)[:, None]
    mixed = _places(boxes) * (1 - share) + _places(predicted) * share
    half = np.exp(mixed[:, 2:]) / 2
    return np.concatenate([mixed[:, :2] - half, mixed[:, :2] + half], axis=1)


def _places(boxes: Floats) -> Floats:
    values = filters.centres_and_sizes(boxes)
    values[:, 2:] = np.log(np.maximum(values[:, 2:], 1.0))
    return values
