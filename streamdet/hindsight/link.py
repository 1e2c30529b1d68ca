"""Which boxes of a clip are one object: followed forward and backward, then joined over gaps with both sides known.

Rows are those of the fused boxes; N is their number. The camera's motion is taken out everywhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from streamdet.boxes import paired_iou
from streamdet.hindsight.fuse import Fused
from streamdet.hindsight.steady import moved_boxes, path
from streamdet.tracking.camera_motion import inverse
from streamdet.tracking.memory import filters
from streamdet.tracking.memory.association import START_SCORE, Association

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MIN_SCORE = 0.05
"""Boxes with a lower score take no part."""
_MAX_GAP_S = 1.0
_MAX_STILL_GAP_S = 3.0  # where the object stands still
_MAX_MISS = 0.35  # sizes; how far both sides may miss each other in the middle of a gap; grows with the gap
_MAX_SIZE_RATIO = 1.5
_SAME_PLACE_IOU = 0.6
_END_S = 0.5  # the motion at an end is that of this long


@dataclass(frozen=True, slots=True, eq=False)
class Chain:
    """One object: (T,) int64 frames, ascending, and the row of its box in each."""

    frames: Ints
    rows: Ints


def link_group(fused: Fused, group: int, times_s: Floats, camera: Floats, segment: tuple[int, int]) -> list[Chain]:
    """Link the boxes of one group of classes within one unbroken part of a clip.

    Args:
        fused: all frames of the clip.
        group: of class names.
        times_s: (F,) float64, seconds.
        camera: (F, 2, 3) float64, as of `look.Footage`.
        segment: its first frame, and the one after its last.

    Returns:
        chains that together hold each box of the group from MIN_SCORE on once.
    """
    frames = np.repeat(np.arange(len(fused)), np.diff(fused.starts))
    usable = (fused.groups == group) & (fused.scores >= MIN_SCORE) & (frames >= segment[0]) & (frames < segment[1])
    rows = np.flatnonzero(usable)
    if not len(rows):
        return []
    forward = _follow(fused, rows, frames[rows], times_s, camera, backward=False)
    backward = _follow(fused, rows, frames[rows], times_s, camera, backward=True)
    chains = _chains(_agreed(forward, backward), rows, frames)
    return _joined(chains, fused, times_s, camera)


def _follow(fused: Fused, rows: Ints, frames: Ints, times_s: Floats, camera: Floats, *, backward: bool) -> Ints:
    """(N,) the row that follows each row along its track, later in time in both directions; -1 for none."""
    association = Association(1, lost_s=_MAX_GAP_S)
    following, last = np.full(int(fused.starts[-1]), -1), dict[int, int]()
    first, stop = int(frames[0]), int(frames[-1]) + 1
    edges = np.searchsorted(frames, np.arange(first, stop + 1))
    for frame in range(stop - 1, first - 1, -1) if backward else range(first, stop):
        mine = rows[edges[frame - first] : edges[frame - first + 1]]
        tracks = association.tracks
        if len(tracks):
            motion = inverse(camera[frame + 1]) if backward else camera[frame]
            _shift(tracks.filters, motion)
        elif not len(mine):
            continue
        scores = fused.scores[mine].astype(np.float64)
        time_s = -times_s[frame] if backward else times_s[frame]
        step = association.step(fused.boxes[mine].astype(np.float64), scores, scores[:, None], float(time_s))
        for row, owner in zip(mine.tolist(), step.owners.tolist(), strict=True):
            if owner < 0:
                continue
            track = int(association.tracks.ids[owner])
            if track in last:
                before, after = (row, last[track]) if backward else (last[track], row)
                following[before] = after
            last[track] = row
        if (alive := association.alive()) is not None:
            association.tracks.keep(alive)
    return following


def _shift(tracks: Floats, motion: Floats) -> None:
    """Move all tracks' filters with the camera, in place."""
    values = tracks[:, filters.VALUE]
    values[..., :2] = values[..., :2] @ motion[:, :2].T + motion[:, 2]
    values[..., 2:] *= np.sqrt(abs(np.linalg.det(motion[:, :2])))


def _agreed(forward: Ints, backward: Ints) -> Ints:
    """(N,) the row that follows each: links of both directions, and those of one that nothing contradicts."""
    following = np.where(forward == backward, forward, -1)
    followed = np.zeros(len(following), bool)
    followed[following[following >= 0]] = True
    pairs = []
    for links in (forward, backward):
        starts = np.flatnonzero((links >= 0) & (forward != backward))
        pairs.append(np.stack([starts, links[starts]], axis=1))
    single = np.concatenate(pairs)
    alone = np.ones(len(single), bool)
    for side in range(2):
        _, place, count = np.unique(single[:, side], return_inverse=True, return_counts=True)
        alone &= count[place] == 1
    single = single[alone & ~followed[single[:, 1]]]
    following[single[:, 0]] = single[:, 1]
    return following


def _chains(following: Ints, rows: Ints, frames: Ints) -> list[Chain]:
    followed = np.zeros(len(following), bool)
    followed[following[following >= 0]] = True
    after, chains = following.tolist(), []
    for row in rows[~followed[rows]].tolist():
        chain = [row]
        while after[chain[-1]] >= 0:
            chain.append(after[chain[-1]])
        found = np.array(chain)
        chains.append(Chain(frames[found], found))
    return chains


@dataclass(frozen=True, slots=True, eq=False)
class _End:
    """An end of a chain: its frame, the box (4,) there, the velocity of its centre (2,), pixels/s."""

    frame: int
    box: Floats
    velocity: Floats


def _end(chain: Chain, fused: Fused, times_s: Floats, camera: Floats, *, last: bool) -> _End:
    """The mean motion over half a second at one end."""
    at = int(chain.frames[-1 if last else 0])
    near = np.flatnonzero(np.abs(times_s[chain.frames] - times_s[at]) <= _END_S)
    frames, rows = chain.frames[near], chain.rows[near]
    maps = path(camera, int(frames[0]), int(frames[-1]) + 1)
    here = maps[at - frames[0]] @ np.linalg.inv(maps[frames - frames[0]])
    boxes, scores = moved_boxes(fused.boxes[rows].astype(np.float64), here), fused.scores[rows].astype(np.float64)
    centres, t_s = (boxes[:, :2] + boxes[:, 2:]) / 2, times_s[frames] - times_s[at]
    velocity, place = np.zeros(2), (centres * scores[:, None]).sum(axis=0) / scores.sum()
    if len(near) >= 4:
        design = np.stack([t_s, np.ones_like(t_s)], axis=1) * scores[:, None]
        velocity, place = np.linalg.lstsq(design, centres * scores[:, None], rcond=None)[0]
    half = np.median((boxes[:, 2:] - boxes[:, :2]) / 2, axis=0)
    return _End(at, np.concatenate([place - half, place + half]), velocity)


def _joined(chains: list[Chain], fused: Fused, times_s: Floats, camera: Floats) -> list[Chain]:
    """Join chains over gaps, all at once, those that fit best."""
    worthy = [chain for chain in chains if len(chain.rows) > 1 or fused.scores[chain.rows[0]] >= START_SCORE]
    rest = [chain for chain in chains if len(chain.rows) == 1 and fused.scores[chain.rows[0]] < START_SCORE]
    ends = [_end(chain, fused, times_s, camera, last=True) for chain in worthy]
    starts = [_end(chain, fused, times_s, camera, last=False) for chain in worthy]
    follows = _assign(*_misfits(ends, starts, times_s, camera), len(worthy))
    joined = []
    for first in sorted(set(range(len(worthy))) - set(follows.values())):
        parts = [first]
        while parts[-1] in follows:
            parts.append(follows[parts[-1]])
        frames, rows = (np.concatenate([getattr(worthy[p], name) for p in parts]) for name in ("frames", "rows"))
        joined.append(Chain(frames, rows))
    return joined + rest


def _misfits(
    ends: Sequence[_End], starts: Sequence[_End], times_s: Floats, camera: Floats
) -> tuple[Ints, Ints, Floats]:
    """Pairs of chains of which the second may continue the first, and how badly it fits."""
    order = np.argsort([start.frame for start in starts], kind="stable")
    frames = np.array([starts[index].frame for index in order])
    boxes = np.array([starts[index].box for index in order]).reshape(-1, 4)
    velocities = np.array([starts[index].velocity for index in order]).reshape(-1, 2)
    found = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    for first, end in enumerate(ends):
        within_s = times_s[end.frame] + np.array([1e-6, _MAX_STILL_GAP_S + 1e-6])
        part = slice(*np.searchsorted(times_s[frames], within_s))
        if part.start < part.stop:
            there = path(camera, end.frame, int(frames[part][-1]) + 1)[frames[part] - end.frame]
            gaps_s = times_s[frames[part]] - times_s[end.frame]
            misfits = _misfit(end, there, boxes[part], velocities[part], gaps_s)
            fits = np.flatnonzero(np.isfinite(misfits))
            found.append((np.full(len(fits), first), order[part][fits], misfits[fits]))
    rows, columns, costs = (np.concatenate(column) for column in zip(*found, strict=True))
    return rows, columns, costs


def _misfit(end: _End, there: Floats, boxes: Floats, velocities: Floats, gaps_s: Floats) -> Floats:
    """(M,) how badly each of M chains continues the one that ended; infinity where it cannot be the same object.

    Args:
        end: of the chain before.
        there: (M, 3, 3) maps of places from its frame to those where the others start.
        boxes: (M, 4) where they start.
        velocities: (M, 2) pixels/s.
        gaps_s: (M,) seconds.
    """
    before = moved_boxes(np.repeat(end.box[None], len(boxes), axis=0), there)
    sides, other_sides = (np.maximum(x[:, 2:] - x[:, :2], 1.0) for x in (before, boxes))
    half_s = np.minimum(gaps_s, _MAX_GAP_S)[:, None] / 2
    apart = (before[:, :2] + before[:, 2:] - boxes[:, :2] - boxes[:, 2:]) / 2
    apart += (there[:, :2, :2] @ end.velocity + velocities) * half_s
    sizes = np.maximum((sides * other_sides).prod(axis=1) ** 0.25, 1.0)
    distance = np.linalg.norm(apart, axis=1) / sizes
    near = (gaps_s <= _MAX_GAP_S) & (distance <= _MAX_MISS * (1 + gaps_s))
    near |= paired_iou(before, boxes) >= _SAME_PLACE_IOU
    near &= np.abs(np.log(sides / other_sides)).max(axis=1) <= np.log(_MAX_SIZE_RATIO)
    misfits: Floats = np.where(near, distance + 0.3 * gaps_s, np.inf)
    return misfits


def _assign(rows: Ints, columns: Ints, costs: Floats, count: int) -> dict[int, int]:
    """Which chain follows which: as many as possible, those that fit best; each group of rivals by itself."""
    if not len(rows):
        return {}
    graph = coo_array((np.ones(len(rows)), (rows, columns + count)), shape=(2 * count, 2 * count))
    _, label = connected_components(graph, directed=False)
    follows = {}
    order = np.argsort(label[rows], kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(label[rows][order])) + 1):
        some, i = np.unique(rows[part], return_inverse=True)
        others, j = np.unique(columns[part], return_inverse=True)
        cost = np.zeros((len(some), len(others)))
        cost[i, j] = costs[part] - 10.0
        for a, b in zip(*linear_sum_assignment(cost), strict=True):
            if cost[a, b] < 0:
                follows[int(some[a])] = int(others[b])
    return follows
