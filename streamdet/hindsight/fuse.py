"""Several detectors' boxes of a frame made into one set: weighted boxes fusion.

Boxes are fused a group of classes at a time; names inside a group are voted, and counted over a whole track later.

Source: Solovyev et al. 2021, Weighted boxes fusion; here a cluster takes at most one box of each detector, so that
people in a crowd are not merged.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_areas, box_iou
from streamdet.hindsight.found import Found
from streamdet.hindsight.look import Footage, Teacher
from streamdet.hindsight.names import Names

Floats = NDArray[np.float64]

MIN_SCORE = 0.04
_SAME_IOU = 0.55
_VOTE_IOU = 0.5
_MAX_SHARE = 0.9  # a box over more than this fraction of the frame is not believed


@dataclass(frozen=True, slots=True, eq=False)
class Fused:
    """N fused boxes of F frames, frame after frame.

    Attributes:
        starts: (F + 1,) int64; frame f has the rows from starts[f] to starts[f + 1].
        boxes: (N, 4) float32, xyxy, pixels.
        scores: (N,) float32, 0 to 1: the weighted mean over all detectors that know the group; 0 counts for one that
            did not find it.
        groups: (N,) int16, index into the names' groups.
        votes: (N, K) float32: sum of the scores with which detectors gave each name.
    """

    starts: NDArray[np.int64]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    groups: NDArray[np.int16]
    votes: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def rows(self, frame: int) -> NDArray[np.int64]:
        """The rows of a frame."""
        return np.arange(self.starts[frame], self.starts[frame + 1])

    @classmethod
    def of(cls, frames: Sequence[tuple[Floats, Floats, NDArray[np.int64], Floats]], classes: int) -> "Fused":
        """From boxes, scores, groups and votes of every frame."""
        starts = np.cumsum([0, *(len(scores) for _, scores, _, _ in frames)])
        empty = np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, classes))
        boxes, scores, groups, votes = (np.concatenate(column) for column in zip(empty, *frames, strict=True))
        kinds = (np.float32, np.float32, np.int16, np.float32)
        columns = (x.astype(kind) for x, kind in zip((boxes, scores, groups, votes), kinds, strict=True))
        return cls(starts, *columns)


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """One detector's boxes of one frame: (N, 4) and (N,) float64, groups and class ids among all names (N,) int64."""

    boxes: Floats
    scores: Floats
    groups: NDArray[np.int64]
    class_ids: NDArray[np.int64]

    def of_group(self, group: int) -> tuple[Floats, Floats, NDArray[np.int64]]:
        """Its boxes of one group, with their scores and class ids."""
        rows = (self.groups == group) & (self.scores >= MIN_SCORE)
        return self.boxes[rows], self.scores[rows], self.class_ids[rows]


def fuse(footage: Footage, teachers: Sequence[Teacher], names: Names) -> Fused:
    """Fuse every frame of a clip."""
    weights = np.array([teacher.weight for teacher in teachers])
    ids = [names.class_ids(teacher.classes) for teacher in teachers]
    totals = np.zeros(len(names.groups))
    for weight, kinds in zip(weights, ids, strict=True):
        totals[np.unique(names.group_of[kinds[kinds >= 0]])] += weight
    frames = []
    for frame in range(len(footage.times_s)):
        parts = [_part(found, frame, kinds, names) for found, kinds in zip(footage.found, ids, strict=True)]
        frames.append(_fuse_frame(parts, weights, totals, names, footage.size))
    return Fused.of(frames, len(names.classes))


def _part(found: Found, frame: int, ids: NDArray[np.int64], names: Names) -> _Part:
    rows = found.rows(frame)
    kinds = ids[found.class_ids[rows]]
    groups = np.where(kinds >= 0, names.group_of[kinds], -1)
    return _Part(found.boxes[rows].astype(np.float64), found.scores[rows].astype(np.float64), groups, kinds)


def _fuse_frame(
    parts: Sequence[_Part], weights: Floats, totals: Floats, names: Names, size: tuple[int, int]
) -> tuple[Floats, Floats, NDArray[np.int64], Floats]:
    columns = [(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64), np.zeros((0, len(names.classes))))]
    for group in np.unique(np.concatenate([part.groups for part in parts])):
        if group < 0 or not totals[group]:
            continue
        entries = [part.of_group(group) for part in parts]
        boxes, worth = _cluster(entries, weights)
        scores = worth / totals[group]
        sane = box_areas(boxes) <= _MAX_SHARE * size[0] * size[1]
        boxes, scores = boxes[sane], scores[sane]
        columns.append((boxes, scores, np.full(len(scores), group), _votes(boxes, entries, names)))
    boxes, scores, groups, votes = (np.concatenate(column) for column in zip(*columns, strict=True))
    return boxes, scores, groups, votes


def _cluster(entries: Sequence[tuple[Floats, Floats, NDArray[np.int64]]], weights: Floats) -> tuple[Floats, Floats]:
    """Fuse the boxes of several detectors in one group.

    Returns:
        boxes (N, 4), their mean by weighted scores, and (N,) the sum of the weighted scores, best first.
    """
    boxes = np.concatenate([boxes for boxes, _, _ in entries])
    worth = np.concatenate([scores * weight for (_, scores, _), weight in zip(entries, weights, strict=True)])
    source = np.repeat(np.arange(len(entries)), [len(scores) for _, scores, _ in entries])
    sums, totals, count = np.zeros((len(boxes), 4)), np.zeros(len(boxes)), 0
    means, has = np.zeros((len(boxes), 4)), np.zeros((len(boxes), len(entries)), bool)
    for row in np.argsort(-worth, kind="stable"):
        if worth[row] <= 0:
            break
        overlap = box_iou(boxes[row : row + 1], means[:count])[0] * ~has[:count, source[row]]
        into = int(overlap.argmax()) if count else 0
        if not count or overlap[into] < _SAME_IOU:
            into, count = count, count + 1
        sums[into] += worth[row] * boxes[row]
        totals[into] += worth[row]
        means[into], has[into, source[row]] = sums[into] / totals[into], True
    order = np.argsort(-totals[:count], kind="stable")
    return means[order], totals[order]


def _votes(boxes: Floats, entries: Sequence[tuple[Floats, Floats, NDArray[np.int64]]], names: Names) -> Floats:
    """(N, K) sum of the scores with which detectors name each box, each by the box of its own that fits best."""
    votes = np.zeros((len(boxes), len(names.classes)))
    for theirs, scores, class_ids in entries:
        if not len(boxes) or not len(theirs):
            continue
        overlap = box_iou(boxes, theirs)
        best = overlap.argmax(axis=1)
        rows = np.flatnonzero(overlap[np.arange(len(boxes)), best] > _VOTE_IOU)
        votes[rows, class_ids[best[rows]]] += scores[best[rows]]
    return votes
