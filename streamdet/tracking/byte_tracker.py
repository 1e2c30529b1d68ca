"""Track ids for boxes as they are: after ByteTrack (Zhang et al. 2022), with true time between frames."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import buffered_iou
from streamdet.detections import Detections
from streamdet.tracking import kalman
from streamdet.tracking.association import assign
from streamdet.tracking.options import TrackOptions

_TRACK = np.dtype(
    [
        ("id", np.int64),  # -1 until confirmed
        ("class_id", np.int64),
        ("mean", np.float64, (4, 2)),
        ("covariance", np.float64, (4, 3)),
        ("last_seen_s", np.float64),
        ("evidence", np.float64),  # sum of the scores of its boxes
    ]
)
_NAMES: tuple[str, ...] = _TRACK.names or ()

_OTHER_CLASS_IOU = 0.6  # a box of another class continues a track only in place: a car that is taken for a truck
_MOST_MARGIN = 0.75  # widths and heights; how much an uncertain track is grown by at most


class ByteTracker:
    """The tracks of one stream.

    Args:
        options: its thresholds.
        conf: lowest score of the boxes that it will get, 0 to 1.
    """

    def __init__(self, options: TrackOptions, conf: float) -> None:
        self._options = options
        self._thresholds = options.thresholds(conf)
        self._next_id = 1
        self._time_s = np.nan
        self._tracks = np.zeros(0, _TRACK)

    def update(self, detections: Detections, time_s: float, size: tuple[int, int] | None = None) -> Detections:
        """See Tracker; a box whose track is not confirmed yet, or that cannot start one, has -1."""
        usable = np.isfinite(detections.boxes).all(axis=1) & (detections.boxes[:, 2:] > detections.boxes[:, :2]).all(1)
        boxes = detections.boxes[usable].astype(np.float64)
        scores = detections.scores[usable].astype(np.float64)
        class_ids = detections.class_ids[usable]

        seen_before = self._tracks["last_seen_s"] >= self._time_s
        self._advance(time_s)
        owners = self._associate(boxes, scores, class_ids, seen_before)
        self._correct(owners, boxes, scores, class_ids)
        owners = self._start(owners, boxes, scores, class_ids)
        self._confirm()

        track_ids = np.full(len(detections), -1, np.int64)
        track_ids[usable] = np.append(self._tracks["id"], -1)[owners]
        self._forget()
        return detections.with_track_ids(track_ids)

    def reset(self) -> None:
        """See Tracker."""
        self._time_s = np.nan
        self._tracks = np.zeros(0, _TRACK)

    def continue_at(self, time_s: float) -> None:
        """See SavableTracker."""
        tracks, moved_s = self._tracks, time_s - self._time_s
        seen_now = tracks["last_seen_s"] == self._time_s
        tracks["last_seen_s"] = np.where(seen_now, time_s, tracks["last_seen_s"] + moved_s)
        self._time_s = time_s

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See SavableTracker."""
        columns = {name: self._tracks[name].copy() for name in _NAMES}
        return {"next_id": np.array(self._next_id), "time_s": np.array(self._time_s), **columns}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See SavableTracker."""
        expected = {"next_id", "time_s", *_NAMES}
        if set(state) != expected:
            raise ValueError(f"a tracker's state has the entries {sorted(expected)}, got {sorted(state)}")
        columns = [np.asarray(state[name]) for name in _NAMES]
        tracks = np.zeros(len(columns[0]), _TRACK)
        for name, column in zip(_NAMES, columns, strict=True):
            if column.shape != tracks[name].shape:
                raise ValueError(f"'{name}' of a tracker's state must be {tracks[name].shape}, got {column.shape}")
            tracks[name] = column
        self._next_id, self._time_s, self._tracks = int(state["next_id"]), float(state["time_s"]), tracks

    def _advance(self, time_s: float) -> None:
        """Predict where all tracks are now."""
        dt_s = max(time_s - self._time_s, 0.0) if np.isfinite(self._time_s) else 0.0
        tracks = self._tracks
        tracks["mean"], tracks["covariance"] = kalman.predict(tracks["mean"], tracks["covariance"], dt_s)
        self._time_s = time_s if np.isnan(self._time_s) else self._time_s + dt_s

    def _associate(
        self, boxes: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any], seen_before: NDArray[np.bool_]
    ) -> NDArray[np.int64]:
        """(M,) index of the track that each box continues, -1 for none.

        Steps one and two are Zhang et al. 2022, algorithm 1: sure boxes with all confirmed tracks, then unsure
        boxes with those that were seen in the frame before (one that was lost would be revived by background).
        But a box that could start a track revives a lost one first, and tracks not confirmed yet come last.
        """
        tracks = self._tracks
        owners = np.full(len(boxes), -1, np.int64)
        if len(tracks) == 0 or len(boxes) == 0:
            return owners
        overlap = buffered_iou(kalman.boxes_of(tracks["mean"]), boxes, _margins(tracks))
        same_class = tracks["class_id"][:, None] == class_ids[None, :]
        similarity = np.where(same_class, overlap, np.where(overlap >= _OTHER_CLASS_IOU, 0.8 * overlap, 0.0))
        least = self._options.min_iou
        confirmed, high = tracks["id"] >= 0, scores >= self._thresholds.high_score
        steps = (
            (confirmed, high, least),
            (confirmed & seen_before, ~high, self._options.min_iou_unsure),
            (confirmed, scores >= self._thresholds.start_score, least),
            (~confirmed, np.ones_like(high), least),
        )
        free = np.ones(len(tracks), bool)
        for of_tracks, of_boxes, at_least in steps:
            rows, columns = np.flatnonzero(of_tracks & free), np.flatnonzero(of_boxes & (owners < 0))
            if len(rows) and len(columns):
                i, j = assign(similarity[np.ix_(rows, columns)], at_least)
                owners[columns[j]] = rows[i]
                free[rows[i]] = False
        return owners

    def _correct(
        self, owners: NDArray[np.int64], boxes: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any]
    ) -> None:
        """Put the boxes into the tracks that they continue."""
        tracks = self._tracks
        seen = owners >= 0
        rows = owners[seen]
        means, covariances = kalman.update(tracks["mean"][rows], tracks["covariance"][rows], boxes[seen])
        tracks["mean"][rows], tracks["covariance"][rows] = means, covariances
        tracks["class_id"][rows] = class_ids[seen]
        tracks["last_seen_s"][rows] = self._time_s
        tracks["evidence"][rows] += scores[seen]
        # What is out of sight moves on but does not grow: a size extrapolated for seconds swallows its neighbours.
        tracks["mean"][tracks["last_seen_s"] < self._time_s, 2:, 1] = 0.0

    def _start(
        self, owners: NDArray[np.int64], boxes: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any]
    ) -> NDArray[np.int64]:
        """Start a track for every box that continues none; returns owners with the new ones."""
        rows = np.flatnonzero((owners < 0) & (scores >= self._thresholds.start_score))
        new = np.zeros(len(rows), _TRACK)
        new["id"] = -1
        new["class_id"] = class_ids[rows]
        new["mean"], new["covariance"] = kalman.initiate(boxes[rows])
        new["last_seen_s"] = self._time_s
        new["evidence"] = scores[rows]
        owners = owners.copy()
        owners[rows] = len(self._tracks) + np.arange(len(rows))
        self._tracks = np.concatenate([self._tracks, new])
        return owners

    def _confirm(self) -> None:
        ready = np.flatnonzero((self._tracks["id"] < 0) & (self._tracks["evidence"] >= self._thresholds.confirm_score))
        self._tracks["id"][ready] = self._next_id + np.arange(len(ready))
        self._next_id += len(ready)

    def _forget(self) -> None:
        """Drop tracks out of sight for too long; one that is not confirmed at its first miss."""
        unseen_s = self._time_s - self._tracks["last_seen_s"]
        patience_s = np.where(self._tracks["id"] >= 0, self._options.lost_s, 0.0)
        self._tracks = self._tracks[unseen_s <= patience_s]


def _margins(tracks: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 2) pixels in x and y: one standard deviation of the predicted centre, at most a fraction of the box."""
    std: NDArray[np.float64] = np.sqrt(tracks["covariance"][:, :2, 0])
    most: NDArray[np.float64] = _MOST_MARGIN * np.maximum(tracks["mean"][:, 2:, 0], 1.0)
    return np.minimum(std, most)
