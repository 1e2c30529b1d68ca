"""Flicker and jitter: what a viewer sees and AP does not.

Source: Zhang and Wang 2017 (On The Stability of Video Detection and Tracking): fragment error, centre position error,
scale and ratio error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.evaluation.outcomes import Outcomes
from streamdet.models.options import KEEP

SHOWN_SCORE = KEEP.conf
"""Detections from this score on are shown: the default of `streamdet run --conf`."""


@dataclass(frozen=True, slots=True, eq=False)
class Ratio:
    """A quotient of two sums over P parts, each of one class and one clip.

    Attributes:
        dividends, divisors: (P,) float64.
        class_ids, clips: (P,) int64.
    """

    dividends: NDArray[np.float64]
    divisors: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    clips: NDArray[np.int64]

    def value(self, clip_weights: NDArray[np.float64], class_id: int | None = None) -> float | None:
        """The quotient, of one class or of all; None where there is nothing to divide by.

        Args:
            clip_weights: (clips,) float64, how often each clip counts.
        """
        weights = clip_weights[self.clips]
        if class_id is not None:
            weights = weights * (self.class_ids == class_id)
        divisor = (weights * self.divisors).sum()
        return float((weights * self.dividends).sum() / divisor) if divisor > 0 else None


def flicker(outcomes: Outcomes, score: float = SHOWN_SCORE) -> Ratio:
    """Fraction of the steps from one frame to the next in which an object turns from found to missed or back.

    A step is an object in two consecutive labelled frames. Found means a detection of its class with at least `score`
    and IoU 0.5. 0 is steady, whether always found or never.
    """
    objects = outcomes.objects
    found = _found_by(outcomes, score) >= 0
    order = np.lexsort((objects.frames, objects.tracks))
    before, after = order[:-1], order[1:]
    step = (objects.tracks[before] == objects.tracks[after]) & (objects.frames[after] - objects.frames[before] == 1)
    step &= ~(objects.ignored[before] | objects.ignored[after])
    before, after = before[step], after[step]
    changed = (found[before] != found[after]).astype(np.float64)
    return Ratio(changed, np.ones(len(after)), objects.class_ids[after], objects.clips[after])


def stability(outcomes: Outcomes, score: float = SHOWN_SCORE) -> Ratio:
    """Spread of the found boxes about the objects, over each object's time; 0 is steady.

    The sum of four standard deviations over the frames in which an object is found: of the centre's offset in x, in
    parts of the object's width, and in y, of its height; of the scale, the root of the ratio of the areas; and of the
    ratio of the shapes (width by height). A constant offset costs nothing here, AP sees it. The mean over objects
    weighs each by its frames; one that is found only once says nothing.
    """
    objects = outcomes.objects
    found_by = _found_by(outcomes, score)
    rows = np.flatnonzero(found_by >= 0)
    errors = _box_errors(outcomes.found.boxes[found_by[rows]], objects.boxes[rows])
    _, first, inverse, counts = np.unique(
        objects.tracks[rows], return_index=True, return_inverse=True, return_counts=True
    )
    spread = np.zeros(len(counts))
    for error in errors.T:
        mean = np.bincount(inverse, error, len(counts)) / np.maximum(counts, 1)
        spread += np.sqrt(np.bincount(inverse, (error - mean[inverse]) ** 2, len(counts)) / np.maximum(counts, 1))
    often = counts > 1
    start = rows[first[often]]
    weights = counts[often].astype(np.float64)
    return Ratio(spread[often] * weights, weights, objects.class_ids[start], objects.clips[start])


def _found_by(outcomes: Outcomes, score: float) -> NDArray[np.int64]:
    """(O,) row of the detection that found each object; -1 where none with that score did."""
    matches = outcomes.found.matches[:, 0]
    rows = np.flatnonzero((matches >= 0) & (outcomes.found.scores >= score))
    found_by = np.full(len(outcomes.objects.boxes), -1, np.int64)
    found_by[matches[rows]] = rows
    return found_by


def _box_errors(found: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 4) and (N, 4) xyxy pixels to (N, 4): offset in x and y, scale, shape, all relative to truth."""
    found_size, truth_size = found[:, 2:] - found[:, :2], truth[:, 2:] - truth[:, :2]
    offset = (found[:, :2] + found[:, 2:] - truth[:, :2] - truth[:, 2:]) / 2 / truth_size
    width, height = (found_size / truth_size).T
    return np.column_stack([offset, np.sqrt(width * height), width / height])
