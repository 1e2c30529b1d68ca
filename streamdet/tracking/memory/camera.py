"""The camera's motion, from what most tracks have in common: it costs nothing, unlike optical flow."""

import numpy as np

from streamdet.tracking.memory import filters
from streamdet.tracking.memory.tracks import HITS, MEAN, MISSES, Floats, Tracks

_SURE_SCORE = 0.25
_MIN_PAIRS = 3
_MAX_DISTANCE = 1.2  # sizes of the track
_MIN_SHIFT = 0.04  # sizes; less is noise
_MAX_SCATTER = 0.8  # of the shift


def follow(tracks: Tracks, boxes: Floats, scores: Floats) -> None:
    """Shift all tracks by the motion that most sure ones share, where it stands out from their scatter; in place.

    Args:
        tracks: as predicted for this frame.
        boxes: (D, 4) float64, xyxy, pixels.
        scores: (D,) float64.
    """
    history = tracks.history
    sure = (history[:, MEAN] >= _SURE_SCORE) & (history[:, HITS] >= 3) & (history[:, MISSES] <= 2)
    seen = scores >= _SURE_SCORE
    if np.count_nonzero(sure) < _MIN_PAIRS or np.count_nonzero(seen) < _MIN_PAIRS:
        return
    values, there = tracks.filters[sure, filters.VALUE, filters.FAST], filters.centres_and_sizes(boxes[seen])
    size = np.maximum((values[:, 2] + values[:, 3]) * 0.5, 1.0)
    apart = there[:, :2] - values[:, None, :2]
    distance = np.abs(apart).sum(axis=2)
    distance += np.abs(there[:, 2:] - values[:, None, 2:]).sum(axis=2)
    distance /= size[:, None]
    nearest = distance.argmin(axis=1)
    rows = np.arange(len(values))
    mutual = (distance.argmin(axis=0)[nearest] == rows) & (distance[rows, nearest] < _MAX_DISTANCE)
    first = np.flatnonzero(mutual)
    if len(first) < _MIN_PAIRS:
        return
    moves = apart[first, nearest[first]]
    middle = _median(moves)
    scatter = _median(np.abs(moves - middle))
    shared = (np.abs(middle) > _MIN_SHIFT * _median(size[first])) & (scatter < _MAX_SCATTER * np.abs(middle))
    if shared.any():
        # A prior of one track that stands still.
        shift = np.where(shared, middle * (len(first) / (len(first) + 1)), 0.0)
        tracks.filters[:, filters.VALUE, :, :2] += shift


def _median(values: Floats) -> Floats:
    """Over the rows; of an even number the mean of the two in the middle."""
    ordered, count = np.sort(values, axis=0), len(values)
    middle: Floats = (ordered[(count - 1) // 2] + ordered[count // 2]) * 0.5
    return middle
