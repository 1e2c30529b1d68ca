"""Which box continues which track: causal, with the true time between frames and without the camera's motion.

Shapes: N tracks, D boxes of one frame, K classes, L numbers of a look.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.tracking.memory import camera, filters
from streamdet.tracking.memory.tracks import (
    HITS,
    LAST_SEEN_S,
    LONG_MEAN,
    MEAN,
    MISSES,
    SHORT_MEAN,
    STARTED_S,
    STRONG_SCORE,
    Flags,
    Floats,
    Ints,
    Tracks,
)

Looks = NDArray[np.float32]

HIGH_SCORE = 0.35
"""Boxes from here on are taken by strong tracks first."""
START_SCORE = 0.12
"""Lowest score of a box that starts a track."""
MIN_SCORE = 0.08
"""Lowest score of a box that any track takes."""
_MIN_OVERLAP, _MIN_OVERLAP_WEAK = 0.2, 0.6
# Weight of a pair by its kind, so that none takes the place of one of a better kind: a strong track with a sure
# box, one that was seen a moment ago with a weak box in its place, any with a fair box, any with a weak one.
_STRONG_AND_SURE, _STRONG_IN_PLACE, _FAIR = 15.0, 6.0, 2.0
_MOMENT_S = 0.2
_MEAN_S, _LONG_MEAN_S, _SHORT_MEAN_S = 0.4, 2.0, 0.25
_LOST_WEAK_S = 0.25  # how long a track that is not strong is kept unseen
_MAX_MARGIN = 0.75  # widths and heights
_LOOK_SHARE = 0.2  # of a new look in the mean


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """What one frame did to the tracks.

    Attributes:
        dt_s: seconds since the frame before; 0 at the start.
        owners: (D,) int64, row of the track that each box belongs to; -1 for none.
        rows: (N,) int64, row of the box that each track took; -1 for none.
        predicted: (N, 2, 4) float64, xyxy, where both filters predicted each track; the box of a new one.
        likeness: (N,) float64, 0 to 1, how alike a track and its box look; 1 where that is not known.
        before: how many of the tracks were there before this frame.
    """

    dt_s: float
    owners: Ints
    rows: Ints
    predicted: Floats
    likeness: Floats
    before: int


class Association:
    """The tracks of one stream.

    Attributes:
        tracks: all that are alive; the caller drops what is not `alive` after a step.
        time_s: of the last frame; NaN before the first.
    """

    def __init__(self, classes: int, look_size: int = 0, lost_s: float = 1.0) -> None:
        """No tracks.

        Args:
            classes: K.
            look_size: L; 0 where nothing is known of looks.
            lost_s: how long a strong track is kept unseen, seconds.
        """
        self._classes, self._look_size, self._lost_s = classes, look_size, lost_s
        self.next_id = 0
        self.clear()

    def clear(self) -> None:
        """Drop all tracks; no id is given twice."""
        self.tracks, self.time_s = Tracks.none(self._classes, self._look_size), np.nan

    def step(
        self,
        boxes: Floats,
        scores: Floats,
        class_scores: Floats,
        time_s: float,
        looks: Looks | None = None,
        likeness: "Likeness | None" = None,
    ) -> Step:
        """Take one frame.

        Args:
            boxes: (D, 4) float64, xyxy, pixels.
            scores: (D,) float64, 0 to 1.
            class_scores: (D, K) float64, 0 to 1.
            time_s: seconds; a time before the last one counts as the same time.
            looks: (D, L) float32, unit vectors that are alike for what looks alike, or 0.
            likeness: what a cosine of two looks means.
        """
        tracks, before = self.tracks, len(self.tracks)
        dt_s = 0.0 if np.isnan(self.time_s) else max(time_s - self.time_s, 1e-3)
        self.time_s = time_s if np.isnan(self.time_s) else self.time_s + dt_s
        if before:
            filters.predict(tracks.filters, dt_s)
            camera.follow(tracks, boxes, scores)
        predicted = filters.boxes_of(tracks.filters[:, filters.VALUE])
        alike = None if looks is None or likeness is None or not before else likeness(tracks.looks, looks)
        owners, overlaps = self._match(predicted[:, filters.FAST], boxes, scores, class_scores, dt_s, alike)
        rows = np.full(before, -1)
        taken = np.flatnonzero(owners >= 0)
        rows[owners[taken]] = taken
        how_alike = np.ones(before)
        if alike is not None and len(taken):
            how_alike[owners[taken]] = alike[owners[taken], taken]
        if before:
            self._correct(predicted, boxes, scores, class_scores, looks, rows, overlaps, dt_s)
        new = np.flatnonzero((owners < 0) & (scores >= START_SCORE))
        if len(new):
            owners[new] = before + np.arange(len(new))
            new_looks = np.zeros((len(new), self._look_size), np.float32) if looks is None else looks[new]
            ids = self.next_id + np.arange(len(new))
            tracks.add(ids, boxes[new], scores[new], class_scores[new], new_looks, self.time_s)
            self.next_id += len(new)
            rows, how_alike = np.concatenate([rows, new]), np.concatenate([how_alike, np.ones(len(new))])
            predicted = np.concatenate([predicted, np.repeat(boxes[new, None], 2, axis=1)])
        return Step(dt_s, owners, rows, predicted, how_alike, before)

    def move_to(self, time_s: float) -> None:
        """Move the last frame to another time, and all times with it."""
        self.tracks.history[:, LAST_SEEN_S : STARTED_S + 1] += time_s - self.time_s
        self.time_s = time_s

    def alive(self) -> Flags | None:
        """(N,) which tracks were seen lately enough to be kept; None if all were."""
        history = self.tracks.history
        unseen_s = self.time_s - history[:, LAST_SEEN_S]
        if unseen_s.max(initial=0.0) <= _LOST_WEAK_S:
            return None
        trusted = (history[:, MEAN] >= STRONG_SCORE) & (history[:, HITS] >= 3)
        kept = unseen_s <= np.where(trusted, self._lost_s, _LOST_WEAK_S) + 1e-6
        # At a low frame rate at least one missed frame.
        kept |= trusted & (history[:, MISSES] <= 1)
        return None if kept.all() else kept

    def _match(
        self,
        predicted: Floats,
        boxes: Floats,
        scores: Floats,
        class_scores: Floats,
        dt_s: float,
        alike: Floats | None,
    ) -> tuple[Ints, Floats]:
        """(D,) row of the track that each box continues, -1 for none; and (D,) the overlap it was found by."""
        owners, overlaps = np.full(len(boxes), -1), np.zeros(len(boxes))
        tracks, usable = self.tracks, np.flatnonzero(scores >= MIN_SCORE)
        if not len(tracks) or not len(usable):
            return owners, overlaps
        boxes, scores, class_scores = boxes[usable], scores[usable], class_scores[usable]
        fast = tracks.filters[:, :, filters.FAST]
        sizes = np.maximum(fast[:, filters.VALUE, 2:], 1.0)
        margins = np.minimum(np.sqrt(fast[:, filters.VARIANCE, :2]), _MAX_MARGIN * sizes)
        overlap = grown_iou(predicted, boxes, margins)
        if (agreement := _agreement(tracks.votes, class_scores)) is not None:
            overlap *= agreement
        if alike is not None:
            overlap *= 0.5 + 0.5 * alike[:, usable]
        strong, fair = tracks.strong, scores >= START_SCORE
        lately = tracks.history[:, MISSES] <= max(1, int(_MOMENT_S / max(dt_s, 1e-3)))
        worth = overlap + (0.15 * scores + _FAIR * fair)
        worth += 0.1 * tracks.history[:, MEAN, None]
        kind = np.where(overlap >= _MIN_OVERLAP_WEAK, (_STRONG_IN_PLACE * lately)[:, None], 0.0)
        kind[:, scores >= HIGH_SCORE] = _STRONG_AND_SURE
        worth += kind * strong[:, None]
        good = overlap >= np.where(fair, _MIN_OVERLAP, _MIN_OVERLAP_WEAK)
        from scipy.optimize import linear_sum_assignment  # a quarter of a second, see tracking.association

        first, second = linear_sum_assignment(np.where(good, worth, 0.0), maximize=True)
        kept = good[first, second]
        first, second = first[kept], second[kept]
        owners[usable[second]], overlaps[usable[second]] = first, overlap[first, second]
        return owners, overlaps

    def _correct(
        self,
        predicted: Floats,
        boxes: Floats,
        scores: Floats,
        class_scores: Floats,
        looks: Looks | None,
        rows: Ints,
        overlaps: Floats,
        dt_s: float,
    ) -> None:
        """Put the boxes into the tracks that they continue."""
        tracks, history = self.tracks, self.tracks.history
        history[:, MISSES] += 1
        found = rows >= 0
        if not found.all():
            filters.coast(tracks.filters, np.flatnonzero(~found), dt_s)
        history[:, LONG_MEAN] *= np.exp(-max(dt_s, 1e-3) / _LONG_MEAN_S)
        seen = np.flatnonzero(found)
        if not len(seen):
            return
        took = rows[seen]
        score, box, past = scores[took], boxes[took], history[seen]
        doubt = _doubt(predicted[seen, filters.SLOW], box, score, overlaps[took], past[:, HITS])
        tracks.filters[seen] = filters.correct(tracks.filters[seen], box, doubt)
        past[:, LONG_MEAN] += (1 - np.exp(-max(dt_s, 1e-3) / _LONG_MEAN_S)) * score
        since_s, first_share = self.time_s - past[:, LAST_SEEN_S], 1 / (past[:, HITS] + 1)
        share = np.maximum(1 - np.exp(-since_s / _MEAN_S), first_share)
        past[:, MEAN] += share * (score - past[:, MEAN])
        past[:, SHORT_MEAN] += np.maximum(1 - np.exp(-since_s / _SHORT_MEAN_S), first_share) * (
            score - past[:, SHORT_MEAN]
        )
        tracks.votes[seen] += share[:, None] * (class_scores[took] - tracks.votes[seen])
        past[:, LAST_SEEN_S], past[:, MISSES] = self.time_s, 0
        past[:, HITS] += 1
        history[seen] = past
        if looks is not None:
            self._remember(looks[took], seen, score)

    def _remember(self, looks: Looks, seen: Ints, scores: Floats) -> None:
        """Mix new looks into the mean ones; those of weak boxes count less."""
        share = (_LOOK_SHARE * np.minimum(scores / HIGH_SCORE, 1.0)).astype(np.float32)[:, None]
        old = self.tracks.looks[seen]
        mixed = np.where(old.any(axis=1, keepdims=True), old + share * (looks - old), looks)
        norm = np.sqrt(np.einsum("nl,nl->n", mixed, mixed))
        self.tracks.looks[seen] = mixed / np.maximum(norm, np.float32(1e-6))[:, None]


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a cosine of two looks means: 0 at `other` and below it, 1 at `same` and above."""

    other: float
    same: float

    def __call__(self, of_tracks: Looks, of_boxes: Looks) -> Floats:
        """(N, D) 0 to 1; 1 where a look is not known."""
        cosine = (of_tracks @ of_boxes.T).astype(np.float64)
        cosine -= self.other
        cosine *= 1 / (self.same - self.other)
        alike = np.minimum(np.maximum(cosine, 0.0, out=cosine), 1.0, out=cosine)
        alike[~of_tracks.any(axis=1)] = 1.0
        alike[:, ~of_boxes.any(axis=1)] = 1.0
        return alike


def grown_iou(tracks: Floats, boxes: Floats, margins: Floats) -> Floats:
    """(N, D) overlap of every track with every box, both grown by the track's margin on every side.

    A track whose place is uncertain still meets a box that it would miss by a few pixels.

    Args:
        tracks: (N, 4) float64, xyxy, pixels.
        boxes: (D, 4) float64, xyxy, pixels.
        margins: (N, 2) float64, pixels in x and in y.

    Source: Yang et al. 2023 (C-BIoU), where the margin is a constant share of the box.
    """
    grow = 2 * margins[:, None]
    side = np.minimum(tracks[:, None, 2:], boxes[:, 2:])
    side -= np.maximum(tracks[:, None, :2], boxes[:, :2])
    # Growing both by m on every side grows their overlap by 2m, or closes a distance of 2m.
    side += grow
    np.maximum(side, 0.0, out=side)
    shared: Floats = side[..., 0] * side[..., 1]
    of_tracks = (tracks[:, 2:] - tracks[:, :2]) + grow[:, 0]
    of_boxes = (boxes[:, 2:] - boxes[:, :2]) + grow
    union = of_boxes[..., 0] * of_boxes[..., 1]
    union += (of_tracks[:, 0] * of_tracks[:, 1])[:, None]
    union -= shared
    shared /= np.maximum(union, 1e-9)
    return shared


def paired_iou(first: Floats, second: Floats) -> Floats:
    """(N,) overlap of row with row."""
    sides = np.maximum(np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2]), 0.0)
    shared = sides[:, 0] * sides[:, 1]
    one, other = first[:, 2:] - first[:, :2], second[:, 2:] - second[:, :2]
    overlap: Floats = shared / np.maximum(one[:, 0] * one[:, 1] + other[:, 0] * other[:, 1] - shared, 1e-9)
    return overlap


def _agreement(votes: Floats, class_scores: Floats) -> Floats | None:
    """(N, D) 0.7 to 1: whether a track and a box are of one class, or could be; None where all are of one."""
    of_track, of_box = votes.argmax(axis=1), class_scores.argmax(axis=1)
    if (of_track == of_box[0]).all() and (of_box == of_box[0]).all():
        return None
    track_share = votes / np.maximum(votes.max(axis=1, keepdims=True), 1e-6)
    box_share = class_scores / np.maximum(class_scores.max(axis=1, keepdims=True), 1e-6)
    best = np.maximum(box_share[:, of_track].T, track_share[:, of_box])
    agreement: Floats = 0.7 + 0.3 * np.minimum(1.0, 1.5 * best)
    return agreement


def _doubt(slow: Floats, boxes: Floats, scores: Floats, overlaps: Floats, hits: Floats) -> Floats:
    """(N, 2) how much more than usual each filter doubts a box: a weak one, and one where none was predicted."""
    doubt = np.ones((len(boxes), 2))
    weakness = np.maximum(scores, 0.02) ** -2
    far = np.maximum(overlaps, 0.05) ** -2
    doubt[:, filters.FAST] = np.minimum(np.maximum(0.16 * weakness, 0.5), 16) * np.minimum(
        np.maximum(0.64 * far, 1), 16
    )
    surprise = 0.85**4 * np.maximum(paired_iou(slow, boxes), 0.05) ** -4
    doubts = np.minimum(np.maximum(0.25 * weakness, 0.5), 16) * np.minimum(np.maximum(surprise, 1), 32)
    doubt[:, filters.SLOW] = np.where(hits >= 3, doubts, 1.0)
    return doubt
