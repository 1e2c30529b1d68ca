"""Labels of a clip in hindsight: fused boxes, linked in both directions, judged, and settled frame by frame."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_areas, box_iou, clip_boxes
from streamdet.datasets.marks import unbroken_segments
from streamdet.hindsight.fuse import Fused, fuse
from streamdet.hindsight.judge import Rules, Track, is_slow, judge
from streamdet.hindsight.link import link_group
from streamdet.hindsight.look import Footage, Teacher
from streamdet.hindsight.names import Names

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_TWIN_IOU = 0.7  # tracks of one group that overlap more are one object
_EQUAL_IOU = 0.999  # in a slow clip a label is the box itself
_DOUBLE_IOU = 0.5  # of two sure objects that overlap more, the weaker may be a box around both
_MIN_INSIDE = 0.35  # what is less inside the frame is no label
_MIN_SIDE_PX = 3.0
_UNSURE = 0.5  # factor of the score of an object that is not sure, unless a clip is slow
_LARGE_SHARE, _LARGE_SCORE = 0.6, 0.3  # to be ignored over more than this fraction of the frame takes this score


@dataclass(frozen=True, slots=True, eq=False)
class ClipLabels:
    """N labels of a clip, frame after frame, and what is to be ignored among them.

    Attributes:
        frames: (N,) int64, ascending.
        boxes: (N, 4) float64, xyxy, pixels, clipped to the frame.
        scores: (N,) float64, 0 to 1.
        class_ids: (N,) int64, index into the names' classes.
        track_ids: (N,) int64, unique in the clip; -1 for a box that no track came to.
        sure: (N,) bool: a label; otherwise nothing inside the box counts.
        named: (N,) bool: whether detectors agree on the class.
        shapes: (N,) dicts of what a format has beside the box, such as COCO's segmentation, or an outline, (x, y) of
            its corners; None where there are boxes alone.
    """

    frames: Ints
    boxes: Floats
    scores: Floats
    class_ids: Ints
    track_ids: Ints
    sure: NDArray[np.bool_]
    named: NDArray[np.bool_]
    shapes: NDArray[np.object_] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, rows: NDArray[np.bool_] | Ints) -> Self:
        """Some of the labels."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        return replace(self, **{name: column[rows] for name, column in columns.items() if column is not None})

    def summary(self) -> str:
        """What there is, in words."""
        tracks = len(np.unique(self.track_ids[self.sure]))
        unsure = np.count_nonzero(~self.sure)
        return f"{np.count_nonzero(self.sure)} boxes of {tracks} objects, {unsure} boxes to be ignored"


def label_clip(footage: Footage, teachers: Sequence[Teacher], names: Names, rules: Rules | None = None) -> ClipLabels:
    """Label every frame of a clip."""
    rules = rules or Rules()
    fused = fuse(footage, teachers, names)
    tracks: list[Track] = []
    slow = is_slow(footage.times_s)
    for segment in unbroken_segments(footage.times_s):
        for group in range(len(names.groups)):
            for chain in link_group(fused, group, footage.times_s, footage.camera, segment):
                track = judge(chain, group, fused, names, footage.times_s, footage.camera, rules, slow=slow)
                if track is not None:
                    tracks.append(track)
    groups = names.group_of
    labels = _table(sorted(tracks, key=lambda track: -float(track.scores.sum())))
    if not slow:
        labels = _without_twins(labels, groups)
    labels = _with_loose(labels, fused, names, rules, _EQUAL_IOU if slow else _TWIN_IOU)
    labels = _settled(_inside(labels, footage.size), groups, footage.size, rules)
    return labels if slow else replace(labels, scores=labels.scores * np.where(labels.sure, 1.0, _UNSURE))


def _table(tracks: Sequence[Track]) -> ClipLabels:
    """All tracks, by frame; the track id is the rank."""

    def column(name: str, shape: tuple[int, ...], kind: type) -> NDArray[Any]:
        return np.concatenate([np.zeros((0, *shape), kind), *(getattr(track, name) for track in tracks)])

    lengths = [len(track.frames) for track in tracks]
    frames = column("frames", (), np.int64)
    labels = ClipLabels(
        frames,
        column("boxes", (4,), np.float64),
        column("scores", (), np.float64),
        np.repeat(np.array([track.class_id for track in tracks], np.int64), lengths),
        np.repeat(np.arange(len(tracks)), lengths),
        column("sure", (), np.bool_),
        np.repeat(np.array([track.named for track in tracks], bool), lengths),
    )
    return labels[np.lexsort((labels.track_ids, frames))]


def _by_frame(frames: Ints) -> Iterable[slice]:
    """Rows of each frame that has some."""
    edges = [0, *(np.flatnonzero(np.diff(frames)) + 1).tolist(), len(frames)]
    return (slice(a, b) for a, b in pairwise(edges) if a < b)


def _without_twins(labels: ClipLabels, groups: Ints) -> ClipLabels:
    """Drop tracks that lie on a better one of their group for half of their time; elsewhere they are not sure."""
    alone = np.ones(len(labels), bool)
    for rows in _by_frame(labels.frames):
        better = np.tril(_overlaps(labels, groups, rows) >= _TWIN_IOU, -1)
        alone[rows] = ~better.any(axis=1)
    ids, lengths = np.unique(labels.track_ids, return_counts=True)
    kept = (np.bincount(labels.track_ids, alone, minlength=len(ids)) >= 0.5 * lengths)[labels.track_ids]
    return replace(labels, sure=labels.sure & alone)[kept]


def _overlaps(labels: ClipLabels, groups: Ints, rows: slice) -> Floats:
    """IoU of the labels of one frame with each other, 0 between groups."""
    boxes, group = labels.boxes[rows], groups[labels.class_ids[rows]]
    overlaps: Floats = box_iou(boxes, boxes) * (group[:, None] == group)
    return overlaps


def _with_loose(labels: ClipLabels, fused: Fused, names: Names, rules: Rules, same_iou: float) -> ClipLabels:
    """Add the boxes that no track came to, as not sure; a label of their group with this IoU is the same object."""
    groups, edges = names.group_of, np.searchsorted(labels.frames, np.arange(len(fused) + 1))
    loose = [np.zeros(0, np.int64)]
    for frame in range(len(fused)):
        mine = np.arange(fused.starts[frame], fused.starts[frame + 1])
        mine = mine[fused.scores[mine] >= rules.ignored]
        there = slice(edges[frame], edges[frame + 1])
        overlap = box_iou(fused.boxes[mine], labels.boxes[there])
        overlap *= fused.groups[mine][:, None] == groups[labels.class_ids[there]]
        loose.append(mine[overlap.max(axis=1, initial=0.0) < same_iou])
    rows = np.concatenate(loose)
    none = np.zeros(len(rows), bool)
    class_ids = [
        names.name(int(group), votes)[0] for group, votes in zip(fused.groups[rows], fused.votes[rows], strict=True)
    ]
    more = ClipLabels(
        np.searchsorted(fused.starts, rows, side="right") - 1,
        fused.boxes[rows].astype(np.float64),
        fused.scores[rows].astype(np.float64),
        np.array(class_ids, np.int64),
        np.full(len(rows), -1),
        none,
        none,
    )
    names_of = (column.name for column in fields(labels) if column.name != "shapes")
    both = ClipLabels(**{name: np.concatenate([getattr(part, name) for part in (labels, more)]) for name in names_of})
    return both[np.argsort(both.frames, kind="stable")]


def _inside(labels: ClipLabels, size: tuple[int, int]) -> ClipLabels:
    """Clip to the frame: what has mostly left it is not sure, what is too small is dropped."""
    clipped = clip_boxes(labels.boxes, *size)
    share = box_areas(clipped) / np.maximum(box_areas(labels.boxes), 1e-9)
    kept = np.flatnonzero(((clipped[:, 2:] - clipped[:, :2]) >= _MIN_SIDE_PX).all(axis=1))
    return replace(labels, boxes=clipped, sure=labels.sure & (share >= _MIN_INSIDE))[kept]


def _settled(labels: ClipLabels, groups: Ints, size: tuple[int, int], rules: Rules) -> ClipLabels:
    """Drop weak boxes of objects that are sure nowhere; of two sure objects on each other only one stays sure.

    What is ignored hides everything else, so it has to be worth it: a box over much of the frame must be stronger.
    """
    sure = labels.sure.copy()
    for rows in _by_frame(labels.frames):
        sure[rows] = _single(labels, groups, rows)
    labels = replace(labels, sure=sure)
    share: Floats = box_areas(labels.boxes) / (size[0] * size[1])
    min_score = np.where(share > _LARGE_SHARE, np.maximum(_LARGE_SCORE, rules.ignored), rules.ignored)
    of_sure = np.isin(labels.track_ids, np.unique(labels.track_ids[sure]))
    kept: NDArray[np.bool_] = sure | of_sure | (labels.scores >= min_score)
    return labels[kept]


def _single(labels: ClipLabels, groups: Ints, rows: slice) -> NDArray[np.bool_]:
    """(n,) which labels of one frame stay sure: of two of one group on each other, which may be two objects and a box
    around both, the one with the higher score."""
    sure, scores = labels.sure[rows], labels.scores[rows]
    rivals = _overlaps(labels, groups, rows) > _DOUBLE_IOU
    rivals &= sure & (
        (scores > scores[:, None]) | ((scores == scores[:, None]) & np.tri(len(scores), k=-1, dtype=bool))
    )
    stays: NDArray[np.bool_] = sure & ~rivals.any(axis=1)
    return stays
