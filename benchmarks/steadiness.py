"""What a viewer sees of a detector along objects: found and lost, boxes that tremble, classes that change.

All at one precision, that of the rival at its threshold: a detector that shows less must not look steadier for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_iou, covered_fraction

Floats = NDArray[np.float64]

_NEAR_FRAMES, _FAST_IOU = 10, 0.7  # of an object with itself, so far apart: fast is what moves out of itself
_OCCLUDED = (0.3, 0.9)  # share of an object that others in front of it cover


@dataclass(slots=True, eq=False)
class Truth:
    """Objects of one frame.

    Attributes:
        boxes, ids, class_ids: (G, 4), (G,), (G,).
        ignored, occluded, fast: (G,) bool.
        ignore: (M, 4) regions in which nothing counts.
    """

    boxes: Floats
    ids: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    ignored: NDArray[np.bool_]
    occluded: NDArray[np.bool_]
    fast: NDArray[np.bool_]
    ignore: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Output:
    """Boxes (N, 4), scores, classes and track ids (N,) of one frame."""

    boxes: Floats
    scores: Floats
    class_ids: NDArray[np.int64]
    ids: NDArray[np.int64]


def truth_of(
    boxes: Floats, ids: NDArray[np.int64], class_ids: NDArray[np.int64], ignore: Floats, min_px: float
) -> Truth:
    """What there is in a frame; smaller objects and those in ignore regions do not count."""
    ignored = covered_fraction(boxes, ignore) > 0.5
    ignored |= (boxes[:, 2:] - boxes[:, :2]).min(axis=1, initial=np.inf) < min_px
    low = np.maximum(boxes[:, None, :2], boxes[:, :2])
    shared = np.maximum(np.minimum(boxes[:, None, 2:], boxes[:, 2:]) - low, 0).prod(axis=2)
    share = shared / np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-9)[:, None]
    share[boxes[None, :, 3] <= boxes[:, None, 3]] = 0  # what stands lower in the picture is in front
    hidden = share.max(axis=1, initial=0.0)
    occluded = (hidden > _OCCLUDED[0]) & (hidden < _OCCLUDED[1])
    return Truth(boxes, ids, class_ids, ignored, occluded, np.zeros(len(boxes), bool), ignore)


def mark_fast(clip: Sequence[Truth | None]) -> None:
    """Set `fast` of a clip's objects from their tracks."""
    places: dict[int, list[tuple[Truth, int, int]]] = {}
    for frame, truth in enumerate(clip):
        for row, identity in enumerate(() if truth is None else truth.ids.tolist()):
            assert truth is not None
            if identity >= 0:
                places.setdefault(identity, []).append((truth, frame, row))
    for nodes in places.values():
        frames = np.array([frame for _, frame, _ in nodes])
        boxes = np.stack([truth.boxes[row] for truth, _, row in nodes])
        near = (np.abs(frames[:, None] - frames) <= _NEAR_FRAMES) & (frames[:, None] != frames)
        own = (box_iou(boxes, boxes) * near).sum(axis=1) / np.maximum(near.sum(axis=1), 1)
        for (truth, _, row), slow, known in zip(nodes, own >= _FAST_IOU, near.any(axis=1), strict=True):
            truth.fast[row] = known and not slow


class Matches:
    """Outputs of several clips matched to what is there, at one IoU."""

    def __init__(
        self, clips: Sequence[Sequence[Truth | None]], outputs: Sequence[Sequence[Output]], iou: float = 0.5
    ) -> None:
        found, objects, offset = [], [], 0
        for clip, (truths, frames) in enumerate(zip(clips, outputs, strict=True)):
            for frame, (truth, output) in enumerate(zip(truths, frames, strict=True)):
                if truth is None:
                    continue
                kept, hits = _match(truth, output, iou)
                place = np.full(len(kept), clip), np.full(len(kept), frame)
                hits = np.where(hits >= 0, hits + offset, hits)
                found.append((*place, output.scores[kept], hits, output.boxes[kept], output.class_ids[kept]))
                n = len(truth.boxes)
                state = (truth.ids, truth.ignored, truth.occluded, truth.fast, truth.boxes)
                objects.append((np.full(n, clip), np.full(n, frame), *state))
                offset += n
        columns = [np.concatenate(column) for column in zip(*found, strict=True)]
        self.clip, self.frame, self.scores, self.hits, self.boxes, self.class_ids = columns
        columns = [np.concatenate(column) for column in zip(*objects, strict=True)]
        self.of_clip, self.of_frame, self.ids, self.ignored, self.occluded, self.fast, self.places = columns

    def ap(self, chosen: NDArray[np.bool_] | None = None, weights: Floats | None = None) -> float:
        """Average precision over the objects chosen; weights (clips, pieces of 30 frames) for a bootstrap."""
        counts = ~self.ignored if chosen is None else ~self.ignored & chosen
        judged = (self.hits != -2) & np.where(self.hits >= 0, counts[np.maximum(self.hits, 0)], True)
        order = np.flatnonzero(judged)[np.argsort(-self.scores[judged], kind="stable")]
        each = np.ones(len(order)) if weights is None else weights[self.clip[order], self.frame[order] // 30]
        of_objects = counts if weights is None else counts * weights[self.of_clip, self.of_frame // 30]
        if not of_objects.sum():
            return float("nan")
        hit = np.cumsum(each * (self.hits[order] >= 0))
        precision = np.maximum.accumulate((hit / np.maximum(np.cumsum(each), 1e-9))[::-1])[::-1]
        at = np.searchsorted(hit / of_objects.sum(), np.linspace(0, 1, 101))
        return float(np.where(at < len(precision), np.append(precision, 0)[np.minimum(at, len(precision))], 0).mean())

    def threshold(self, precision: float) -> float:
        """Lowest score at which this precision is still reached."""
        judged = self.hits != -2
        order = np.argsort(-self.scores[judged], kind="stable")
        true = np.cumsum(self.hits[judged][order] >= 0)
        reached = np.flatnonzero(true / np.arange(1, len(order) + 1) >= precision)
        return float(self.scores[judged][order][reached[-1]]) if len(reached) else 1.0

    def precision_recall(self, score: float) -> tuple[float, float]:
        """From this score on."""
        judged = (self.hits != -2) & (self.scores >= score)
        true = int((self.hits[judged] >= 0).sum())
        return true / max(1, int(judged.sum())), true / max(1, int((~self.ignored).sum()))

    def steadiness(self, score: float) -> dict[str, float]:
        """Of steps of an object from frame to frame.

        Returns:
            flicker: share in which found turns to missed or back; jitter: sum of the deviations of the change of the
            box's error, in sizes; class_changes: share in which the class changes.
        """
        by = np.full(len(self.ids), -1)
        rows = np.flatnonzero((self.hits >= 0) & (self.scores >= score))
        by[self.hits[rows]] = rows
        order = np.lexsort((self.of_frame, self.ids, self.of_clip))
        a, b = order[:-1], order[1:]
        step = (self.of_clip[a] == self.of_clip[b]) & (self.ids[a] == self.ids[b]) & (self.ids[a] >= 0)
        step &= (self.of_frame[b] - self.of_frame[a] == 1) & ~self.ignored[a] & ~self.ignored[b]
        a, b = a[step], b[step]
        both = (by[a] >= 0) & (by[b] >= 0)
        one, other = by[a[both]], by[b[both]]
        change = self._error(b[both], other) - self._error(a[both], one)
        return {
            "flicker": float(((by[a] >= 0) != (by[b] >= 0)).mean()) if len(a) else float("nan"),
            "jitter": float(change.std(axis=0).sum()) if both.sum() > 10 else float("nan"),
            "class_changes": float((self.class_ids[one] != self.class_ids[other]).mean()) if both.any() else 0.0,
        }

    def _error(self, objects: NDArray[np.int64], rows: NDArray[np.int64]) -> Floats:
        x, y = self.boxes[rows], self.places[objects]
        size = y[:, 2:] - y[:, :2]
        off = (x[:, :2] + x[:, 2:] - y[:, :2] - y[:, 2:]) / 2 / size
        return np.column_stack([off, np.log(np.maximum((x[:, 2:] - x[:, :2]) / size, 1e-6))])


def _match(truth: Truth, output: Output, iou: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are judged, best first, and what each hits: an object, -1 nothing, -2 an ignored object."""
    order = np.argsort(-output.scores, kind="stable")[:100]
    overlap = box_iou(output.boxes[order], truth.boxes)
    near = ((overlap >= 0.5) & ~truth.ignored).any(axis=1)
    kept = near | (covered_fraction(output.boxes[order], truth.ignore) <= 0.5)
    order, overlap = order[kept], overlap[kept]
    hits, free = np.full(len(order), -1), np.ones(len(truth.boxes), bool)
    for row in np.flatnonzero(overlap.max(axis=1, initial=0.0) >= iou):
        real = np.where(free & ~truth.ignored, overlap[row], -1.0)
        if real.max() >= iou:
            hits[row] = real.argmax()
            free[hits[row]] = False
        elif (truth.ignored & (overlap[row] >= iou)).any():
            hits[row] = -2
    return order, hits
