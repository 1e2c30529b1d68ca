"""Track ids of the parts of one video as those of a whole: where parts overlap, equal boxes are one object."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from streamdet.boxes import box_iou

Line = dict[str, Any]

_SAME = 0.5  # mean IoU in the frames that two tracks share
_AGREES = 0.9  # IoU of a box with that of the part before
_MOST_OVERLAP = 256  # frames
_COMPARED = 8  # last frames of an overlap: there the part that starts in it is warm


@dataclass(slots=True)
class Agreement:
    """How far parts agree where both have looked, and the later one is warm.

    Attributes:
        boxes: of the earlier parts.
        agreeing: of these, boxes of which the later part has one of the same class and an IoU of at least 0.9.
        extra: boxes of the later parts that the earlier ones do not have.
        cuts: how many there were.
    """

    boxes: int = 0
    agreeing: int = 0
    extra: int = 0
    cuts: int = 0


def stitched(parts: Sequence[Iterable[Line]], cuts_s: Sequence[float], agreement: Agreement) -> Iterator[Line]:
    """The frames of all parts, each once, with track ids that go through.

    Args:
        parts: lines of type frame of each part, in order of time; a part starts before its cut.
        cuts_s: where the second part and all later ones start to count, seconds.
        agreement: is counted up.
    """
    overlap: list[Line] = []
    next_id = 1
    for number, part in enumerate(parts):
        start_s = cuts_s[number - 1] if number else float("-inf")
        end_s = cuts_s[number] if number < len(cuts_s) else float("inf")
        warming: list[Line] = []
        ids: dict[int, int] | None = None
        before, overlap = overlap, []
        tail: list[Line] = []
        for line in part:
            if line["time_s"] < start_s:
                warming.append(line)
                continue
            if ids is None:
                ids = _matches(before, warming)
                _compare(before, warming, agreement)
            for row in _tracked(line["detections"]):
                if row["track"] not in ids:  # of the first part as they are
                    ids[row["track"]] = next_id if number else row["track"]
                next_id = max(next_id, ids[row["track"]] + 1)
                row["track"] = ids[row["track"]]
            tail.append(line)
            del tail[:-_MOST_OVERLAP]
            if line["time_s"] < end_s:
                yield line
        overlap = tail


def _matches(before: Sequence[Line], after: Sequence[Line]) -> dict[int, int]:
    """Of track ids of the later part, those of the earlier one."""
    earlier = {line["frame"]: line["detections"] for line in before}
    sums: dict[tuple[int, int], list[float]] = defaultdict(list)
    for line in after:
        rows, others = _tracked(line["detections"]), _tracked(earlier.get(line["frame"], ()))
        if rows and others:
            overlaps = box_iou(_boxes(rows), _boxes(others))
            for place, other in zip(*np.nonzero(overlaps > 0), strict=True):
                sums[rows[place]["track"], others[other]["track"]].append(float(overlaps[place, other]))
    new, old = sorted({key[0] for key in sums}), sorted({key[1] for key in sums})
    if not new:
        return {}
    means = np.zeros((len(new), len(old)))
    weights = np.zeros_like(means)
    for (mine, theirs), found in sums.items():
        means[new.index(mine), old.index(theirs)] = np.mean(found)
        weights[new.index(mine), old.index(theirs)] = np.sum(found)
    rows_taken, columns = linear_sum_assignment(-weights)
    return {
        new[row]: old[column] for row, column in zip(rows_taken, columns, strict=True) if means[row, column] >= _SAME
    }


def _compare(before: Sequence[Line], after: Sequence[Line], agreement: Agreement) -> None:
    earlier = {line["frame"]: line["detections"] for line in before}
    agreement.cuts += 1 if before else 0
    for line in after[-_COMPARED:]:
        rows, others = line["detections"], earlier.get(line["frame"])
        if others is None:
            continue
        overlaps = box_iou(_boxes(rows), _boxes(others))
        same = np.array([[a["class"] == b["class"] for b in others] for a in rows], bool).reshape(overlaps.shape)
        pairs = linear_sum_assignment(-np.where(same, overlaps, 0.0))
        agreeing = int(np.sum(np.where(same, overlaps, 0.0)[pairs] >= _AGREES))
        agreement.boxes += len(others)
        agreement.agreeing += agreeing
        agreement.extra += len(rows) - agreeing


def _tracked(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row.get("track") is not None]


def _boxes(rows: Sequence[Mapping[str, Any]]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([row["box"] for row in rows], np.float32).reshape(-1, 4)
