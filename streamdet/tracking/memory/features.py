"""What the network is told about every track in every frame.

N tracks, D boxes of the frame. Nothing here names a class or a place in the picture: one set of weights serves every
detector, class and camera.
"""

import numpy as np
from numpy.typing import NDArray

from streamdet.tracking.memory import filters
from streamdet.tracking.memory.association import Step
from streamdet.tracking.memory.tracks import (
    HITS,
    LAST_SEEN_S,
    LONG_MEAN,
    MEAN,
    MISSES,
    STARTED_S,
    Flags,
    Floats,
    Tracks,
)

NAMES = (
    # What the box says.
    "matched", "logit", "second_class", "agreement",
    # Against where the fast filter predicted it: widths, heights, logarithms of the size.
    "fast_x", "fast_y", "fast_w", "fast_h", "fast_iou", "fast_spread",
    "width", "height", "left", "top", "right", "bottom",
    # Time.
    "dt", "unseen", "misses", "age", "hits", "first",
    "velocity_x", "velocity_y", "mean", "long_mean", "above_mean",
    # The others.
    "twin_iou", "twin_lead", "hidden", "crowded", "matched_iou",
    # The frame.
    "sure_boxes", "mean_logit", "best_logit",
    # Against where the slow filter predicted it.
    "slow_x", "slow_y", "slow_w", "slow_h", "slow_iou", "slow_spread",
    # What the detector's own features say: whether there are any, and how alike the box and the track look.
    "looked", "likeness",
)  # fmt: skip
COLUMN = {name: column for column, name in enumerate(NAMES)}
_COUNT_SCALE = np.array([[1.0], [1.0], [1 / 3], [1 / 3]])
_FADING_S = 0.3  # of the trust in a track that is not seen


def logit(probability: Floats) -> Floats:
    """Of a probability, kept within a thousandth of 0 and 1."""
    p = np.minimum(np.maximum(probability, 1e-3), 1 - 1e-3)
    return np.asarray(np.log(p / (1 - p)), np.float64)


def features(
    tracks: Tracks,
    step: Step,
    boxes: Floats,
    scores: Floats,
    class_scores: Floats,
    time_s: float,
    size: tuple[int, int],
    looked: Flags | None = None,
) -> tuple[NDArray[np.float32], Floats]:
    """Describe every track after a step of the association.

    Args:
        tracks: after the step, those that it lost still among them.
        step: what it returned.
        boxes, scores, class_scores, time_s: what it was given.
        size: width and height of the frame, pixels.
        looked: (D,) bool, which boxes come with the detector's features; None where none do.

    Returns:
        (N, len(NAMES)) float32, and (N, 4) float64, xyxy, where each track is: its box, or where the fast filter
        predicted it.
    """
    matched = step.rows >= 0
    history, fast = tracks.history, tracks.filters[:, :, filters.FAST]
    place = filters.boxes_of(fast[:, filters.VALUE])
    x = np.zeros((len(NAMES), len(tracks)))
    own = second = share = np.zeros(len(tracks))
    if len(boxes):
        place[matched] = boxes[step.rows[matched]]
        own, second, share = _of_boxes(tracks, step, scores, class_scores, matched)
        if looked is not None:
            x[COLUMN["looked"]] = matched & looked[step.rows]
            x[COLUMN["likeness"]] = step.likeness * x[COLUMN["looked"]]
    sides = np.maximum(place[:, 2:] - place[:, :2], 1.0)
    unseen_s = time_s - history[:, LAST_SEEN_S]
    trust = history[:, MEAN] * np.exp(unseen_s * (-1 / _FADING_S) * ~matched)
    # One call for all that is a probability.
    logits = logit(np.stack([own, second, history[:, MEAN], history[:, LONG_MEAN], trust]))
    _own(x, matched, logits, share)
    _against(x, step.predicted, place, sides, matched)
    object_size = np.maximum((fast[:, filters.VALUE, 2] + fast[:, filters.VALUE, 3]) * 0.5, 1.0)
    spread = np.sqrt(tracks.filters[:, filters.VARIANCE, :, :2]).sum(axis=2) * (0.5 / object_size)[:, None]
    x[COLUMN["fast_spread"]], x[COLUMN["slow_spread"]] = np.minimum(spread, 2.0).T
    _place(x, place, sides, size)
    _time(x, tracks, step, matched, unseen_s, object_size)
    if len(tracks) > 1:
        _others(x, place, sides, history[:, MEAN], matched, trust, logits[4])
    _frame(x, scores)
    return np.ascontiguousarray(x.T, np.float32), place


def _of_boxes(
    tracks: Tracks, step: Step, scores: Floats, class_scores: Floats, matched: Flags
) -> tuple[Floats, Floats, Floats]:
    """(N,) each: score of a track's box, that of its second best class, and its share in the track's class."""
    found = class_scores[step.rows]
    top = np.sort(found, axis=1)
    second = top[:, -2] if found.shape[1] > 1 else np.zeros(len(found))
    share = found[np.arange(len(found)), tracks.votes.argmax(axis=1)] / np.maximum(top[:, -1], 1e-6)
    return scores[step.rows] * matched, second, share


def _own(x: Floats, matched: Flags, logits: Floats, share: Floats) -> None:
    own, second, mean, long_mean, _ = logits / 3
    x[COLUMN["matched"]] = matched
    x[COLUMN["logit"]] = np.where(matched, own, -1.5)
    x[COLUMN["second_class"]] = np.where(matched, second, -2.0)
    x[COLUMN["agreement"]] = share * matched
    x[COLUMN["mean"]], x[COLUMN["long_mean"]] = mean, long_mean
    x[COLUMN["above_mean"]] = np.where(matched, own - mean, -1.0)


def _against(x: Floats, predicted: Floats, place: Floats, sides: Floats, matched: Flags) -> None:
    """Centre, size and overlap against what both filters, (N, 2, 4), predicted."""
    low, high = predicted[..., :2], predicted[..., 2:]
    theirs = high - low
    usual = np.maximum(theirs, 1.0)
    four = np.empty_like(predicted)
    four[..., :2] = ((place[:, :2] + place[:, 2:])[:, None] - low - high) * 0.5 / usual
    four[..., 2:] = np.log(sides[:, None] / usual)
    four = np.minimum(np.maximum(four, -1.0), 1.0) * 4
    shared = np.maximum(np.minimum(place[:, None, 2:], high) - np.maximum(place[:, None, :2], low), 0.0)
    both = shared[..., 0] * shared[..., 1]
    own = place[:, 2:] - place[:, :2]
    overlap = both / np.maximum((own[:, 0] * own[:, 1])[:, None] + theirs[..., 0] * theirs[..., 1] - both, 1e-9)
    first, second = COLUMN["fast_x"], COLUMN["slow_x"]
    x[first : first + 4], x[first + 4] = four[:, 0].T * matched, overlap[:, 0] * matched
    x[second : second + 4], x[second + 4] = four[:, 1].T, overlap[:, 1]


def _place(x: Floats, place: Floats, sides: Floats, size: tuple[int, int]) -> None:
    """Size relative to the picture, and how far its edges are, in sizes: cut-off boxes say less."""
    x[COLUMN["width"] : COLUMN["height"] + 1] = (np.log(sides / np.sqrt(size[0] * size[1])) * 0.5 + 1).T
    near = np.empty_like(place)
    near[:, :2], near[:, 2:] = place[:, :2] / sides, (size - place[:, 2:]) / sides
    x[COLUMN["left"] : COLUMN["bottom"] + 1] = np.minimum(np.maximum(near, -0.5), 1.0).T


def _time(x: Floats, tracks: Tracks, step: Step, matched: Flags, unseen_s: Floats, object_size: Floats) -> None:
    history = tracks.history
    x[COLUMN["dt"]] = np.log(max(step.dt_s, 1e-3) / 0.1) / 2 if step.dt_s > 0 else 0.0
    age_s = unseen_s + history[:, LAST_SEEN_S] - history[:, STARTED_S]
    counts = np.stack([unseen_s * 10, history[:, MISSES], age_s * 10, history[:, HITS]])
    x[COLUMN["unseen"] : COLUMN["hits"] + 1] = np.log1p(counts) * _COUNT_SCALE
    x[COLUMN["first"]] = matched & (history[:, HITS] == 1)
    velocity = tracks.filters[:, filters.VELOCITY, filters.FAST, :2]
    x[COLUMN["velocity_x"] : COLUMN["velocity_y"] + 1] = np.tanh(velocity * (0.5 / object_size)[:, None]).T


def _others(x: Floats, place: Floats, sides: Floats, mean: Floats, matched: Flags, trust: Floats, lead: Floats) -> None:
    """Tracks on the same object, in front of it, or all around."""
    count = len(place)
    rows = np.arange(count)
    common = np.minimum(place[:, None, 2:], place[:, 2:])
    common -= np.maximum(place[:, None, :2], place[:, :2])
    np.maximum(common, 0.0, out=common)
    shared = common[..., 0] * common[..., 1]
    shared[rows, rows] = 0.0
    if not shared.any():
        return
    area = sides[:, 0] * sides[:, 1]
    overlap = shared / np.maximum(area[:, None] + area - shared, 1e-9)
    # Of two that are equal the elder is the better.
    rank = np.empty(count, np.int64)
    rank[np.argsort(-trust, kind="stable")] = rows
    better = overlap * (rank < rank[:, None])
    twin = better.argmax(axis=1)
    x[COLUMN["twin_iou"]] = twin_iou = better[rows, twin]
    x[COLUMN["twin_lead"]] = (lead[twin] - lead) / 3 * (twin_iou > 0.05)
    cover = shared * (np.minimum(mean / 0.3, 1.0) / area[:, None])
    x[COLUMN["crowded"]] = cover.max(axis=1)
    x[COLUMN["hidden"]] = (cover * (place[:, 3] > place[:, 3, None])).max(axis=1)
    x[COLUMN["matched_iou"]] = (overlap * matched).max(axis=1)


def _frame(x: Floats, scores: Floats) -> None:
    fair = scores[scores >= 0.1]
    if not len(fair):
        x[COLUMN["mean_logit"]] = -1.0
        x[COLUMN["best_logit"]] = -2.0 if not len(scores) else logit(scores).max() / 3
        return
    logits = logit(fair)
    x[COLUMN["sure_boxes"]] = np.log1p(np.count_nonzero(fair >= 0.25)) / 2
    x[COLUMN["mean_logit"]], x[COLUMN["best_logit"]] = logits.mean() / 3, logits.max() / 3
