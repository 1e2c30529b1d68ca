"""What of the linked boxes becomes a label, what is only ignored, and what is dropped."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.hindsight.fuse import Fused
from streamdet.hindsight.link import Chain
from streamdet.hindsight.names import Names
from streamdet.hindsight.smooth import smooth
from streamdet.hindsight.steady import moved_boxes, path

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]

SLOW_S = 0.11
"""Where frames are further apart, neighbours do not know better: boxes and scores stay as they were found, no gap is
filled, and only the identities come from the linking."""
_SHOWN = 0.1  # mean score around a frame from which on a sure track is labelled there, not ignored
_MIN_DURATION_S, _MIN_BOXES = 0.3, 5  # shorter tracks are not sure
_MAX_FILLED_S = 0.6  # a gap up to this long is labelled by interpolation, a longer one ignored
_AROUND_S = 0.4


@dataclass(frozen=True, slots=True)
class Rules:
    """What is believed.

    Attributes:
        sure: mean score that the better half of a track's boxes must reach for it to be labelled, 0 to 1; in a slow
            clip the score of a box.
        ignored: what is not sure is ignored from this score on, and dropped below.
    """

    sure: float = 0.3
    ignored: float = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One object over T frames.

    Attributes:
        frames: (T,) int64, ascending; without gaps unless the clip is slow.
        boxes: (T, 4) float64, xyxy, pixels, smoothed, not clipped to the frame.
        scores: (T,) float64, 0 to 1: mean of the detected score and its mean around the frame; in a slow clip the
            detected score.
        sure: (T,) bool; False is ignore.
        group: of class names.
        class_id: index into the names' classes.
        named: whether detectors agree on the class; otherwise it is only the likeliest, or the group's general name.
    """

    frames: Ints
    boxes: Floats
    scores: Floats
    sure: Flags
    group: int
    class_id: int
    named: bool


def judge(
    chain: Chain, group: int, fused: Fused, names: Names, times_s: Floats, camera: Floats, rules: Rules, *, slow: bool
) -> Track | None:
    """Judge one chain of boxes; None where it is not even to be ignored."""
    frames = np.arange(chain.frames[0], chain.frames[-1] + 1)
    measured = np.zeros(len(frames), bool)
    measured[chain.frames - frames[0]] = True
    boxes, scores = np.zeros((len(frames), 4)), np.zeros(len(frames))
    boxes[measured], scores[measured] = fused.boxes[chain.rows], fused.scores[chain.rows]
    around = _around(scores, times_s[frames])
    if slow:
        sure, kept = scores >= rules.sure, scores >= rules.ignored
    else:
        sure = _shown(measured, around, scores, times_s[frames], rules)
        sure &= _believed(measured, scores, times_s[frames], rules)
        kept = _closed(sure | (np.maximum(scores, around) >= rules.ignored))
        boxes = _places(boxes, scores, measured, times_s[frames], path(camera, int(frames[0]), int(frames[-1]) + 1))
        scores = (scores + around) / 2
    if not kept.any():
        return None
    class_id, named = names.name(group, fused.votes[chain.rows].sum(axis=0, dtype=np.float64))
    return Track(frames[kept], boxes[kept], scores[kept], sure[kept], group, class_id, named)


def is_slow(times_s: Floats) -> bool:
    """Whether the frames of a clip, at these seconds, are too far apart to learn from neighbours; see SLOW_S."""
    return len(times_s) < 2 or float(np.median(np.diff(times_s))) > SLOW_S


def _closed(kept: Flags) -> Flags:
    """(T,) the same without gaps."""
    closed: Flags = np.logical_or.accumulate(kept) & np.logical_or.accumulate(kept[::-1])[::-1]
    return closed


def _places(boxes: Floats, scores: Floats, measured: Flags, times_s: Floats, maps: Floats) -> Floats:
    """(T, 4) the smoothed boxes, without the camera's motion on the way."""
    if len(boxes) < 3:
        return boxes.copy()
    latest = np.maximum.accumulate(np.where(measured, np.arange(len(boxes)), 0))
    still = moved_boxes(boxes[latest], np.asarray(np.linalg.inv(maps)[latest], np.float64))
    return moved_boxes(smooth(still, scores, measured, np.diff(times_s, prepend=times_s[0])), maps)


def _believed(measured: Flags, scores: Floats, times_s: Floats, rules: Rules) -> bool:
    """Whether a track is good enough, and long enough, to be labelled."""
    found = np.sort(scores[measured])
    good = found[len(found) // 2 :].mean() >= rules.sure
    return bool(good and times_s[-1] - times_s[0] >= _MIN_DURATION_S and len(found) >= _MIN_BOXES)


def _shown(measured: Flags, around: Floats, scores: Floats, times_s: Floats, rules: Rules) -> Flags:
    """(T,) whether a sure track is labelled in a frame: seen there, or soon before and soon after."""
    seen = np.flatnonzero(measured & (scores >= rules.ignored))
    places = np.arange(len(scores))
    if not len(seen):
        return np.zeros(len(scores), bool)
    at = np.searchsorted(seen, places)
    after, before = seen[np.minimum(at, len(seen) - 1)], seen[np.maximum(at - 1, 0)]
    gap_s = np.where(np.isin(places, seen), 0.0, times_s[after] - times_s[before])
    inside = (places >= seen[0]) & (places <= seen[-1])
    shown: Flags = inside & (gap_s <= _MAX_FILLED_S) & (np.maximum(around, scores) >= _SHOWN)
    return shown


def _around(scores: Floats, times_s: Floats) -> Floats:
    """(T,) mean of the scores around each frame, by a Gaussian; a miss counts as 0."""
    mean = np.empty(len(scores))
    for index, time_s in enumerate(times_s):
        low, high = np.searchsorted(times_s, (time_s - 4 * _AROUND_S, time_s + 4 * _AROUND_S))
        weights = np.exp(-0.5 * ((times_s[low:high] - time_s) / _AROUND_S) ** 2)
        mean[index] = weights @ scores[low:high] / weights.sum()
    return mean
