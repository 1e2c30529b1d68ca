"""From clips to what the memory is trained on: one sequence a track, with what was right at every step."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from streamdet.boxes import box_iou, covered_fraction
from streamdet.datasets.labels import Labels
from streamdet.tracking.memory import filters
from streamdet.tracking.memory.association import Association, Step
from streamdet.tracking.memory.features import NAMES, features
from streamdet.tracking.memory.network import Looks
from streamdet.tracking.memory.tracks import MEAN
from streamdet.training.object_memory.clips import Floats, Found, Ints, TrackedClip
from streamdet.training.object_memory.degrade import Degrading, degraded, shaken

RIGHT, WRONG, UNKNOWN = 1, 0, -1
_SAME_IOU = 0.3
_INSIDE = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """T steps of tracks, one behind the other.

    Attributes:
        x: (T, F) float32, features.
        boxes: (T, 3, 4) float32: the box (the fast prediction where there is none), the fast and the slow prediction.
        matched: (T,) bool.
        state: (T,) int8: RIGHT = on the object `truth`, WRONG = on nothing, UNKNOWN = not to be learnt from.
        truth: (T, 4) float32, xyxy.
        truth_class: (T,) int64, in the detector's classes; -1 unknown.
        class_scores: (T, K) float32; -1 where the detector has no such class.
        starts: (T,) bool, a track's first step.
        embeddings: (T, E) float16, 0 where there is none.
    """

    x: NDArray[np.float32]
    boxes: NDArray[np.float32]
    matched: NDArray[np.bool_]
    state: NDArray[np.int8]
    truth: NDArray[np.float32]
    truth_class: Ints
    class_scores: NDArray[np.float32]
    starts: NDArray[np.bool_]
    embeddings: NDArray[np.float16]

    def __len__(self) -> int:
        return len(self.state)

    @classmethod
    def none(cls, classes: int, embedding_size: int) -> "Columns":
        """No steps."""
        return cls(
            np.zeros((0, len(NAMES)), np.float32),
            np.zeros((0, 3, 4), np.float32),
            np.zeros(0, bool),
            np.zeros(0, np.int8),
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.int64),
            np.zeros((0, classes), np.float32),
            np.zeros(0, bool),
            np.zeros((0, embedding_size), np.float16),
        )

    @classmethod
    def joined(cls, parts: Sequence["Columns"]) -> "Columns":
        """One behind the other; those of detectors with fewer classes, or without embeddings, are filled up."""
        classes = max(part.class_scores.shape[1] for part in parts)
        size = max(part.embeddings.shape[1] for part in parts)
        columns = {name: [getattr(part, name) for part in parts] for name in (field.name for field in fields(cls))}
        columns["class_scores"] = [_widened(each, classes, -1.0) for each in columns["class_scores"]]
        columns["embeddings"] = [_widened(each, size, 0.0) for each in columns["embeddings"]]
        return cls(**{name: np.concatenate(each) for name, each in columns.items()})

    def rows(self, index: Ints | NDArray[np.bool_]) -> "Columns":
        """Some of the steps."""
        return Columns(*(getattr(self, field.name)[index] for field in fields(self)))


def sequences(
    clip: TrackedClip,
    *,
    stride: int = 1,
    how: Degrading | None = None,
    rng: np.random.Generator | None = None,
    min_px: float = 0.0,
    looks: Looks | None = None,
) -> Columns:
    """Run the association over a clip and compare its tracks with the labels.

    Args:
        clip: with what a detector found.
        stride: take every N-th frame.
        how: make the detections worse.
        rng: for that.
        min_px: objects and tracks below this size are UNKNOWN.
        looks: how embeddings are read.
    """
    video = clip.video
    places = np.arange(0, len(video), stride)
    frames: list[Found] = [clip.found[int(place)] for place in places]
    truth: list[Labels | None] = [video.labels[place] for place in places]
    times_s = video.times_s[places]
    if how is not None and rng is not None:
        if how.shake:
            frames, truth = shaken(frames, truth, times_s, video.width, rng)
        frames = degraded(frames, truth, how, rng)
    segment = np.searchsorted([start for start, _ in video.segments], places, side="right")
    builder = _Builder(clip, min_px, looks)
    for index, (found, there) in enumerate(zip(frames, truth, strict=True)):
        if index and segment[index] != segment[index - 1]:
            builder.association.clear()
        builder.add(found, there, float(times_s[index]))
    return builder.columns()


class _Builder:
    def __init__(self, clip: TrackedClip, min_px: float, looks: Looks | None) -> None:
        self._alike, self._classes = clip.alike, len(clip.alike)
        self._size = clip.video.width, clip.video.height
        self._labelled = np.array(sorted(clip.video.labelled), np.int64)
        self._min_px, self._looks = min_px, looks
        self.association = Association(self._classes, 0 if looks is None else looks.look.shape[1])
        self._rows: list[tuple[Ints, Columns]] = []
        self._embedding_size = max(
            (0 if f.embeddings is None else f.embeddings.shape[1] for f in clip.found), default=0
        )

    def add(self, found: Found, there: Labels | None, time_s: float) -> None:
        association, embeddings = self.association, found.embeddings
        looks, likeness = None, None
        if self._looks is not None and embeddings is not None:
            looks, likeness = self._looks.looks(embeddings), self._looks.likeness
        step = association.step(found.boxes, found.scores, found.class_scores, time_s, looks, likeness)
        tracks = association.tracks
        if len(tracks):
            looked = None if looks is None else np.linalg.norm(looks, axis=1) > 0
            x, place = features(
                tracks, step, found.boxes, found.scores, found.class_scores, association.time_s, self._size, looked
            )
            self._rows.append((tracks.ids.copy(), self._columns(x, place, step, found, there)))
        kept = association.alive()
        if kept is not None:
            tracks.keep(kept)

    def _columns(
        self, x: NDArray[np.float32], place: Floats, step: Step, found: Found, there: Labels | None
    ) -> Columns:
        matched = step.rows >= 0
        state, truth, truth_class = self._targets(place, matched, there)
        class_scores = np.zeros((len(x), self._classes), np.float32)
        embeddings = np.zeros((len(x), self._embedding_size), np.float16)
        class_scores[matched] = found.class_scores[step.rows[matched]]
        if found.embeddings is not None:
            embeddings[matched] = found.embeddings[step.rows[matched]]
        three = np.stack([place, step.predicted[:, filters.FAST], step.predicted[:, filters.SLOW]], axis=1)
        return Columns(
            x,
            three.astype(np.float32),
            matched,
            state,
            truth.astype(np.float32),
            truth_class,
            class_scores,
            np.arange(len(x)) >= step.before,
            embeddings,
        )

    def columns(self) -> Columns:
        """All tracks, one behind the other, each in order of time."""
        if not self._rows:
            return Columns.none(self._classes, self._embedding_size)
        order = np.argsort(np.concatenate([ids for ids, _ in self._rows]), kind="stable")
        return Columns.joined([columns for _, columns in self._rows]).rows(order)

    def _targets(
        self, place: Floats, matched: NDArray[np.bool_], there: Labels | None
    ) -> tuple[NDArray[np.int8], Floats, Ints]:
        """(N,) state, (N, 4) box and (N,) class of the object that each track is on."""
        count = len(place)
        state, truth, truth_class = np.full(count, UNKNOWN, np.int8), np.zeros((count, 4)), np.full(count, -1)
        if there is None:
            return state, truth, truth_class
        state[:] = WRONG
        votes = self.association.tracks.votes.argmax(axis=1)
        if len(there.boxes):
            free = covered_fraction(there.boxes, there.ignore) > _INSIDE
            free |= (there.boxes[:, 2:] - there.boxes[:, :2]).min(axis=1) < self._min_px
            overlap = box_iou(place, there.boxes)
            overlap[~self._alike[votes][:, there.class_ids]] = 0.0
            worth = overlap + 0.15 * self.association.tracks.history[:, MEAN, None] + 0.1 * matched[:, None]
            rows, columns = linear_sum_assignment(np.where(overlap >= _SAME_IOU, worth, 0.0), maximize=True)
            good = overlap[rows, columns] >= _SAME_IOU
            rows, columns = rows[good], columns[good]
            state[rows] = np.where(free[columns], UNKNOWN, RIGHT)
            truth[rows], truth_class[rows] = there.boxes[columns], there.class_ids[columns]
            if free.any():
                near = box_iou(place, there.boxes[free]).max(axis=1) >= _SAME_IOU
                state[(state == WRONG) & near] = UNKNOWN
        small = (place[:, 2:] - place[:, :2]).min(axis=1) < self._min_px
        unjudged = (covered_fraction(place, there.ignore) > _INSIDE) | small | ~np.isin(votes, self._labelled)
        state[(state == WRONG) & unjudged] = UNKNOWN
        return state, truth, truth_class


def _widened(column: NDArray[np.floating], size: int, value: float) -> NDArray[np.floating]:
    missing = size - column.shape[1]
    if not missing:
        return column
    return np.concatenate([column, np.full((len(column), missing), value, column.dtype)], axis=1)
