"""HOTA and IDF1: how well identities hold, where the labels and the tracker have them.

Sources: Luiten et al. 2021 (HOTA: A Higher Order Metric for Evaluating Multi-Object Tracking), eqs. 5 to 11;
Ristani et al. 2016 (Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking), section 3.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from streamdet.boxes import box_iou
from streamdet.evaluation.judged import MATCH_IOU, JudgedFrame, JudgedSet, JudgedVideo
from streamdet.evaluation.stability import SHOWN_SCORE

_ALPHAS = np.arange(1, 20) / 20  # IoU 0.05 to 0.95


@dataclass(frozen=True, slots=True, eq=False)
class _Overlap:
    """One frame of one class: G objects, N detections.

    ids (G,) and found_ids (N,) int64 number the video's tracks from 0; iou is (G, N) float64.
    """

    ids: NDArray[np.int64]
    found_ids: NDArray[np.int64]
    iou: NDArray[np.float64]


@dataclass(slots=True)
class _Tally:
    """Sums over videos: per alpha (19,) for HOTA, single numbers for IDF1."""

    true: NDArray[np.float64]
    association: NDArray[np.float64]
    objects: int = 0
    found: int = 0
    identity_true: int = 0


def tracking_figures(judged: JudgedSet, score: float = SHOWN_SCORE) -> dict[str, Any] | None:
    """HOTA and IDF1 over the videos whose labels have identities.

    Args:
        judged: what judge() returned.
        score: least score of a detection; those without identity are left out.

    Returns:
        hota and idf1, 0 to 1, the means over the classes, and per_class: the same two by class name (None for a class
        without identities). None if the labels or the detections have no identities.
    """
    frames = [frame for video in judged.videos for frame in video.frames if frame is not None]
    if not any((f.track_ids >= 0).any() for f in frames) or not any((f.found_track_ids >= 0).any() for f in frames):
        return None
    per_class = {name: _class_figures(judged.videos, index, score) for index, name in enumerate(judged.classes)}
    defined = [figures for figures in per_class.values() if figures["hota"] is not None]
    means: dict[str, Any] = {name: float(np.mean([f[name] for f in defined])) for name in ("hota", "idf1")}
    return {**means, "per_class": per_class}


def _class_figures(videos: Sequence[JudgedVideo], class_id: int, score: float) -> dict[str, Any]:
    tally = _Tally(np.zeros(len(_ALPHAS)), np.zeros(len(_ALPHAS)))
    for video in videos:
        _add(tally, _overlaps(video, class_id, score))
    if tally.objects == 0:
        return {"hota": None, "idf1": None}
    # eqs. 6 and 8: |TP| + |FN| + |FP| = objects + found - |TP|; the association sums over |TP|.
    detection = tally.true / np.maximum(tally.objects + tally.found - tally.true, 1)
    association = tally.association / np.maximum(tally.true, 1)
    return {
        "hota": float(np.sqrt(detection * association).mean()),
        "idf1": 2 * tally.identity_true / (tally.objects + tally.found),
    }


def _overlaps(video: JudgedVideo, class_id: int, score: float) -> list[_Overlap]:
    """The frames of a video whose objects have identities; an empty list for a video without any."""
    frames = [frame for frame in video.frames if frame is not None]
    if not any((frame.track_ids >= 0).any() for frame in frames):
        return []
    numbers: dict[int, int] = {}
    found_numbers: dict[int, int] = {}
    overlaps = []
    for frame in frames:
        rows, columns, iou = _comparable(frame, class_id, score)
        ids = [numbers.setdefault(i, len(numbers)) for i in frame.track_ids[rows].tolist()]
        found_ids = [found_numbers.setdefault(i, len(found_numbers)) for i in frame.found_track_ids[columns].tolist()]
        overlaps.append(_Overlap(np.array(ids, np.int64), np.array(found_ids, np.int64), iou))
    return overlaps


def _comparable(
    frame: JudgedFrame, class_id: int, score: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Rows of objects and detections to compare, and their IoU."""
    of_class = frame.class_ids == class_id
    kept = (frame.track_ids >= 0) & ~frame.ignored
    rows = np.flatnonzero(of_class & kept)
    columns = np.flatnonzero(
        (frame.found_class_ids == class_id) & (frame.found_track_ids >= 0) & (frame.found_scores >= score)
    )
    iou = box_iou(frame.boxes[rows], frame.found_boxes[columns])
    # What follows an object that is ignored or has no identity is neither right nor wrong.
    beside = box_iou(frame.boxes[of_class & ~kept], frame.found_boxes[columns])
    judged = (iou.max(axis=0, initial=0.0) >= MATCH_IOU) | (beside.max(axis=0, initial=0.0) < MATCH_IOU)
    return rows, columns[judged], iou[:, judged]


def _add(tally: _Tally, overlaps: Sequence[_Overlap]) -> None:
    """Add one video's counts."""
    lengths = np.bincount(np.concatenate([o.ids for o in overlaps] or [np.zeros(0, np.int64)]))
    found_lengths = np.bincount(np.concatenate([o.found_ids for o in overlaps] or [np.zeros(0, np.int64)]))
    tally.objects += int(lengths.sum())
    tally.found += int(found_lengths.sum())
    if len(lengths) == 0 or len(found_lengths) == 0:
        return
    shape = (len(lengths), len(found_lengths))
    tally.identity_true += _identity_true(overlaps, shape)
    either = lengths[:, None] + found_lengths[None, :]
    alignment = _alignment(overlaps, either)
    pairs, hits = [], []
    for overlap in overlaps:
        rows, columns = linear_sum_assignment(
            alignment[np.ix_(overlap.ids, overlap.found_ids)] * overlap.iou, maximize=True
        )
        pairs.append(overlap.ids[rows] * len(found_lengths) + overlap.found_ids[columns])
        # The least float below alpha counts as alpha, as in the authors' TrackEval.
        hits.append(overlap.iou[rows, columns][:, None] >= _ALPHAS - np.finfo(np.float64).eps)
    pair, inverse = np.unique(np.concatenate(pairs), return_inverse=True)
    matched = np.zeros((len(pair), len(_ALPHAS)))
    np.add.at(matched, inverse, np.concatenate(hits))
    tally.true += matched.sum(axis=0)
    # eq. 9: every true positive of a pair of tracks has the same association score.
    tally.association += (matched * matched / np.maximum(either.reshape(-1, 1)[pair] - matched, 1)).sum(axis=0)


def _alignment(overlaps: Sequence[_Overlap], either: NDArray[np.int64]) -> NDArray[np.float64]:
    """How well each pair of tracks fits over the video: the weight by which HOTA prefers a match."""
    together = np.zeros(either.shape)
    for overlap in overlaps:
        competing = overlap.iou.sum(axis=0)[None, :] + overlap.iou.sum(axis=1)[:, None] - overlap.iou
        share = np.divide(overlap.iou, competing, out=np.zeros_like(overlap.iou), where=competing > 0)
        together[np.ix_(overlap.ids, overlap.found_ids)] += share
    return np.asarray(together / (either - together), np.float64)


def _identity_true(overlaps: Sequence[_Overlap], shape: tuple[int, int]) -> int:
    """Frames in which tracks agree, under the one-to-one pairing of tracks that makes them most."""
    together = np.zeros(shape)
    for overlap in overlaps:
        together[np.ix_(overlap.ids, overlap.found_ids)] += overlap.iou >= MATCH_IOU
    return int(together[linear_sum_assignment(together, maximize=True)].sum())
