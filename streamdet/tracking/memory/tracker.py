"""The default tracker: the object memory, with the ids and the threshold that a viewer sees."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.tracking.memory import filters
from streamdet.tracking.memory.association import MIN_SCORE
from streamdet.tracking.memory.memory import ObjectMemory, Refined, class_of
from streamdet.tracking.memory.network import HIDDEN, Weights, load_weights
from streamdet.tracking.memory.shapes import NAMES, Shapes
from streamdet.tracking.memory.tracks import Floats, Ints, Tracks
from streamdet.tracking.options import TrackOptions

PACKAGED = Path(__file__).parents[2] / "weights" / "object_memory.safetensors"
_HYSTERESIS = 1.5
"""Logits below the threshold to which the score of an object that is shown may fall before it is hidden."""
_ANY_SIZE = (1920, 1080)
_TRACK_COLUMNS = ("ids", "filters", "history", "votes", "looks")
_COLUMNS = (*_TRACK_COLUMNS, "lstm", "evidence", "heads", "numbers", "shown", "scores")


def packaged_weights() -> Weights:
    """Those of the package."""
    return _weights(str(PACKAGED))


@lru_cache(maxsize=4)
def _weights(path: str) -> Weights:
    return load_weights(Path(path))


def lowest_score(conf: float) -> float:
    """Lowest score of the boxes that the memory makes use of, if it is to show objects from `conf` on."""
    return min(conf, MIN_SCORE)


class TrackGates(NamedTuple):
    """How the LSTM of one track works: means over its 64 cells.

    Attributes:
        input, forget, output: how far each gate is open, 0 to 1.
        cell: size of what is remembered, 0 to 1.
    """

    input: float
    forget: float
    output: float
    cell: float


class MemoryTracker:
    """The objects of one stream; see Tracker.

    Boxes, scores and classes that it returns are refined, best first; objects that were not found but are held are
    among them (`carried`, with the mask and the keypoints that they had last), and `support` says how much is due to
    earlier frames. It needs boxes of low scores, see
    `lowest_score`.

    Args:
        options: weights and carry_s are used.
        conf: an object is shown, and gets a track id, when its score reaches this; it is hidden when its score has
            fallen 1.5 logits below it, and until then `conf` stands for its score.
        class_conf: the same of single classes, by their names, in place of conf.
        floor: boxes that are not shown are returned as well from this score on, as average precision needs them.
    """

    def __init__(
        self,
        options: TrackOptions,
        conf: float,
        class_conf: Mapping[str, float] | None = None,
        *,
        floor: float | None = None,
    ) -> None:
        self._weights = packaged_weights() if options.weights is None else _weights(options.weights)
        self._carry_s, self._floor = options.carry_s, floor
        self._conf, self._class_conf = conf, dict(class_conf or {})
        self._memory: ObjectMemory | None = None  # until the number of classes is known
        self._next_number = 1
        self._classes: tuple[str, ...] = ()
        self.reset()

    def update(self, detections: Detections, time_s: float, size: tuple[int, int] = _ANY_SIZE) -> Detections:
        """See Tracker."""
        memory = self._memory_for(detections.classes)
        usable = np.flatnonzero(
            np.isfinite(detections.boxes).all(axis=1)
            & np.isfinite(detections.scores)
            & (detections.boxes[:, 2:] > detections.boxes[:, :2]).all(axis=1)
        )
        given = detections if len(usable) == len(detections) else detections[usable]
        before = memory.association.tracks.ids
        refined = memory.step(
            given.boxes.astype(np.float64),
            given.scores.astype(np.float64),
            _class_scores(given),
            time_s,
            size,
            given.embeddings,
        )
        owners = self._follow(before, memory.association.tracks, refined, given)
        return self._told(refined, given, owners)

    def carry(self, time_s: float, size: tuple[int, int] = _ANY_SIZE) -> Detections:
        """See CarryingTracker."""
        rows = np.flatnonzero(self._shown)
        if self._memory is None or not len(rows):
            return Detections.empty(self._classes)
        tracks = self._memory.association.tracks
        ahead_s = max(time_s - self._memory.association.time_s, 0.0)
        fast, slow = filters.extrapolated(tracks.filters[rows], ahead_s).transpose(1, 0, 2)
        boxes = _between(fast, slow, self._memory.heads[rows])
        order = np.argsort(-self._scores[rows], kind="stable")
        rows, boxes = rows[order], boxes[order]
        inside = np.minimum(np.maximum(boxes, 0.0), [size[0], size[1], size[0], size[1]])
        visible = ((inside[:, 2:] - inside[:, :2]) > 1).all(axis=1)
        rows, inside = rows[visible], inside[visible]
        return Detections.of(
            inside,
            self._scores[rows],
            class_of(self._memory.evidence[rows], tracks.votes[rows]),
            self._classes,
            self._numbers[rows],
            support=np.ones(len(rows)),
            carried=np.ones(len(rows), bool),
            **self._shapes.at(rows, inside),
        )

    def gates(self) -> dict[int, TrackGates]:
        """What the LSTM of each object that is shown did in the last step, by track id."""
        if self._memory is None or len(self._memory.gates) != len(self._numbers):
            return {}
        i, f, _, o = self._memory.gates.reshape(len(self._numbers), 4, HIDDEN).mean(axis=2).T
        cell = np.abs(np.tanh(self._memory.lstm[:, HIDDEN:])).mean(axis=1)
        rows = np.flatnonzero(self._shown & (self._numbers >= 0))
        return {int(self._numbers[row]): TrackGates(*(float(part[row]) for part in (i, f, o, cell))) for row in rows}

    def reset(self) -> None:
        """See Tracker."""
        if self._memory is not None:
            self._memory.clear()
        self._numbers = np.zeros(0, np.int64)  # the ids that users see; -1 before a track is shown
        self._shown = np.zeros(0, bool)
        self._scores = np.zeros(0)
        self._shapes = Shapes()

    def continue_at(self, time_s: float) -> None:
        """See SavableTracker."""
        if self._memory is not None and len(self._memory.association.tracks):
            self._memory.association.move_to(time_s)

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """See SavableTracker."""
        memory = self._memory or ObjectMemory(self._weights, len(self._classes))
        association = memory.association
        own = {"lstm": memory.lstm, "evidence": memory.evidence, "heads": memory.heads}
        shown = {"numbers": self._numbers, "shown": self._shown, "scores": self._scores}
        columns = {name: getattr(association.tracks, name) for name in _TRACK_COLUMNS} | own | shown
        return {
            "classes": np.frombuffer("\n".join(self._classes).encode(), np.uint8),
            "counts": np.array([association.next_id, self._next_number, memory.counted]),
            "times_s": np.array([association.time_s, memory.usual_dt_s]),
            **{name: column.copy() for name, column in (columns | self._shapes.columns).items()},
        }

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """See SavableTracker."""
        expected = {"classes", "counts", "times_s", *_COLUMNS}
        if not expected <= set(state) <= {*expected, *NAMES}:
            raise ValueError(f"the state of an object memory has the entries {sorted(expected)}, got {sorted(state)}")
        self._memory = None
        memory = self._memory_for(tuple(np.asarray(state["classes"], np.uint8).tobytes().decode().split("\n")))
        empty = self.state_dict()
        count = len(state["ids"])
        for name in _COLUMNS:
            shape = (count, *empty[name].shape[1:])
            if state[name].shape != shape:
                raise ValueError(f"'{name}' of an object memory's state must be {shape}, got {state[name].shape}")
        columns = {name: np.array(state[name], empty[name].dtype) for name in _COLUMNS}
        memory.association.tracks = Tracks(*(columns[name] for name in _TRACK_COLUMNS))
        memory.association.time_s, memory.usual_dt_s = map(float, state["times_s"])
        memory.association.next_id, self._next_number, memory.counted = map(int, state["counts"])
        memory.lstm, memory.evidence, memory.heads = (columns[name] for name in ("lstm", "evidence", "heads"))
        self._numbers, self._shown, self._scores = (columns[name] for name in ("numbers", "shown", "scores"))
        self._shapes = Shapes({name: np.array(state[name]) for name in NAMES if name in state})

    def _memory_for(self, classes: tuple[str, ...]) -> ObjectMemory:
        if self._memory is None:
            self._memory, self._classes = ObjectMemory(self._weights, len(classes), carry_s=self._carry_s), classes
            # (K,) where an object of each class is shown, and where it is hidden again.
            self._on = np.array([self._class_conf.get(name, self._conf) for name in classes])
            limit = np.clip(self._on, 1e-6, 1 - 1e-6)
            self._off = 1 / (1 + np.exp(_HYSTERESIS - np.log(limit / (1 - limit))))
        elif classes != self._classes:
            raise ValueError(f"a stream has detections of one list of classes: {self._classes}, got {classes}")
        return self._memory

    def _follow(self, before: NDArray[np.int64], tracks: Tracks, refined: Refined, given: Detections) -> Ints:
        """Bring what is known of the tracks that are shown to those of now; scores and ids of `refined` are changed.

        Returns:
            (M,) the row of each object's track; -1 of a box that no track took.
        """
        old = np.searchsorted(before, tracks.ids)
        stayed = np.append(before, -1)[old] == tracks.ids
        numbers = np.where(stayed, np.append(self._numbers, -1)[old], -1)
        shown = stayed & np.append(self._shown, False)[old]
        told = np.flatnonzero(refined.ids >= 0)
        rows = np.searchsorted(tracks.ids, refined.ids[told])
        self._shapes.follow(old, stayed)
        seen = refined.rows[told] >= 0
        self._shapes.see(len(tracks), rows[seen], given, refined.rows[told][seen])
        scores, on, off = np.zeros(len(tracks)), np.ones(len(tracks)), np.ones(len(tracks))
        scores[rows], class_ids = refined.scores[told], refined.class_ids[told]
        on[rows], off[rows] = self._on[class_ids], self._off[class_ids]
        held = shown & (scores >= off)
        scores[held] = np.maximum(scores, on)[held]
        shown = scores >= on
        new = np.flatnonzero(shown & (numbers < 0))
        numbers[new] = self._next_number + np.arange(len(new))
        self._next_number += len(new)
        refined.scores[told], refined.ids[told] = scores[rows], numbers[rows]
        self._numbers, self._shown, self._scores = numbers, shown, scores
        owners = np.full(len(refined.ids), -1)
        owners[told] = rows
        return owners

    def _told(self, refined: Refined, given: Detections, owners: Ints) -> Detections:
        """What is reported, best first; a carried object has its last mask and keypoints, and embeddings of 0."""
        order = np.argsort(-refined.scores, kind="stable")
        if self._floor is None:
            order = order[refined.scores[order] >= self._on[refined.class_ids[order]]]
        else:
            order = order[refined.scores[order] >= self._floor]
        rows = refined.rows[order]
        carried = rows < 0
        more = self._shapes.told(given, rows, owners[order], refined.boxes[order])
        if given.embeddings is not None:
            more["embeddings"] = _rows(given.embeddings, rows)
        return Detections.of(
            refined.boxes[order],
            refined.scores[order],
            refined.class_ids[order],
            given.classes,
            refined.ids[order],
            given.skeleton,
            support=refined.support[order],
            carried=carried,
            **more,
        )


def _rows(column: NDArray[Any], rows: NDArray[np.int64]) -> NDArray[Any]:
    """Rows of a column; 0 where the row is -1."""
    return np.concatenate([column, np.zeros((1, *column.shape[1:]), column.dtype)])[rows]


def _class_scores(found: Detections) -> Floats:
    """(D, K) the detector's class scores; where it gives none, the score at the class that was found."""
    if found.class_scores is not None:
        return found.class_scores.astype(np.float64)
    scores = np.zeros((len(found), len(found.classes)))
    scores[np.arange(len(found)), found.class_ids] = found.scores
    return scores


def _between(fast: Floats, slow: Floats, heads: NDArray[np.float32]) -> Floats:
    """(N, 4) xyxy between two predictions, by the weights that the network gave them last."""
    weight = 1 / (1 + np.exp(-(heads[:, 1:5] * 3.0 + 3 - heads[:, 5:9] * 3.0)))
    first, second = filters.centres_and_sizes(fast), filters.centres_and_sizes(slow)
    return filters.boxes_of(second + weight * (first - second))
