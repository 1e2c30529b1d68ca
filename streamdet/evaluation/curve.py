"""Average precision of any part of the outcomes, with clips counted as often as a bootstrap drew them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.evaluation.matching import MISSED
from streamdet.evaluation.outcomes import Outcomes

_RECALLS = np.linspace(0.0, 1.0, 101)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """What a precision-recall curve is made of.

    Attributes:
        found_clips: (N,) int64, clip of the detections that count, by falling score.
        hits: (H,) int64, rows of those that found an object, ascending.
        object_clips: (O,) int64, clip of every object to be found.
    """

    found_clips: NDArray[np.int64]
    hits: NDArray[np.int64]
    object_clips: NDArray[np.int64]

    def average_precision(self, clip_weights: NDArray[np.float64]) -> float | None:
        """Mean precision at 101 recalls, as COCO interpolates it; None where there is no object.

        Args:
            clip_weights: (clips,) float64, how often each clip counts.
        """
        objects = clip_weights[self.object_clips].sum()
        if objects == 0:
            return None
        # Precision peaks at hits, so only they matter for its envelope.
        weights = clip_weights[self.found_clips]
        true = np.cumsum(weights[self.hits])
        precision = true / np.maximum(np.cumsum(weights)[self.hits], 1e-12)
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        at = np.searchsorted(true / objects, _RECALLS)
        return float(np.append(precision, 0.0)[at].mean())


def curves(
    outcomes: Outcomes,
    objects: NDArray[np.bool_] | None = None,
    found: NDArray[np.bool_] | None = None,
    threshold: int = 0,
) -> tuple[Curve, ...]:
    """One curve a class, of a part of the objects and detections.

    A detection of an object outside the part counts neither way; a false one counts against every part.

    Args:
        outcomes: the matched set.
        objects: (O,) bool, the part of the objects; all by default.
        found: (N,) bool, the part of the detections; all by default.
        threshold: which of the IoU thresholds.
    """
    matches = outcomes.found.matches[:, threshold]
    wanted = ~outcomes.objects.ignored
    if objects is not None:
        wanted &= objects
    hits = np.zeros(len(matches), np.bool_)
    hits[matches >= 0] = wanted[matches[matches >= 0]]
    counted = hits | (matches == MISSED)
    if found is not None:
        counted &= found
    order = np.argsort(-outcomes.found.scores, kind="stable")
    parts = []
    for class_id in range(len(outcomes.classes)):
        rows = order[counted[order] & (outcomes.found.class_ids[order] == class_id)]
        targets = wanted & (outcomes.objects.class_ids == class_id)
        hit_rows = np.flatnonzero(hits[rows])
        rows = rows[: hit_rows[-1] + 1] if len(hit_rows) else rows[:0]  # what comes after the last hit changes nothing
        parts.append(Curve(outcomes.found.clips[rows], hit_rows, outcomes.objects.clips[targets]))
    return tuple(parts)


def mean_average_precision(parts: Sequence[Curve], clip_weights: NDArray[np.float64]) -> float | None:
    """Mean over the curves that have objects."""
    defined = [ap for part in parts if (ap := part.average_precision(clip_weights)) is not None]
    return float(np.mean(defined)) if defined else None
