"""The object memory at work: the boxes of one stream go in, steadier ones with identities come out. numpy only.

Shapes: N tracks, D boxes of one frame, K classes of the detector, E numbers of an embedding.
"""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from streamdet.tracking.memory.association import Association, Step
from streamdet.tracking.memory.features import COLUMN, features, logit
from streamdet.tracking.memory.network import (
    HIDDEN,
    KEEP,
    OUTPUTS,
    OWN,
    SCORE,
    TAKE,
    Floats32,
    Network,
    Weights,
    sigmoid,
)
from streamdet.tracking.memory.tracks import HITS, LAST_SEEN_S, SHORT_MEAN, Flags, Floats, Ints, Tracks

MIN_PROBABILITY = 0.01
"""Lowest probability of an object that is reported."""
_LOOSE_SHARE = 0.3  # of its score that a box without a track keeps
_NETWORK_SHARE = 0.5  # of the network's logit in the score; the rest is of half the own score and half its mean
_DETECTION_LOGIT = 1.5  # of the box that was found, against the two that were predicted
_MIN_CLASS_SCORE = 1e-3
_VOTES_WEIGHT = 3.0
_MIN_HITS = 2  # of a track that is carried
_TRUST_S, _NO_TRUST_S = 0.22, 0.36
"""Up to this usual time between frames the past is trusted in full; from the second on boxes and scores stay as found:
too much happens in between."""
_USUAL_FRAMES, _MAX_USUAL_S = 50, 1.0  # over how many frames the usual time is the mean, and the longest that counts


@dataclass(frozen=True, slots=True, eq=False)
class Refined:
    """What is there, in the light of what was there before.

    Attributes:
        boxes: (M, 4) float64, xyxy, pixels, clipped to the frame.
        scores: (M,) float64, 0 to 1.
        class_ids: (M,) int64, of the detector's classes.
        ids: (M,) int64, of the tracks; -1 for a box that no track took.
        rows: (M,) int64, of the box that it comes from; -1 for an object that was not found, but predicted.
        support: (M,) float64, 0 to 1, how much of it is due to earlier frames.
    """

    boxes: Floats
    scores: Floats
    class_ids: Ints
    ids: Ints
    rows: Ints
    support: Floats

    def joined(self, other: "Refined") -> "Refined":
        """These and others."""
        return Refined(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)))


class ObjectMemory:
    """The objects of one stream.

    Attributes:
        association: its tracks.
        lstm: (N, 128) float32, hidden and cell of each track.
        evidence: (N, K) float64, for each class.
        heads: (N, 12) float32, what the network said last.
        gates: (N, 4H) of each track in the last step, see `Network.gates`.
        usual_dt_s, counted: mean time between frames, and of how many; `clear` leaves them.
    """

    def __init__(self, weights: Weights, classes: int, *, carry_s: float = 1.0, forgetful: bool = False) -> None:
        """An empty memory.

        Args:
            weights: of the network.
            classes: K.
            carry_s: how long an object that is not found is kept and predicted, seconds.
            forgetful: clear the LSTM before every frame: a control.
        """
        self._weights, self._network, self._classes = weights, Network(weights), classes
        self._carry_s, self._forgetful = carry_s, forgetful
        self.association = Association(classes, weights.look_size, carry_s)
        self.usual_dt_s, self.counted = 0.0, 0
        self.clear()

    def clear(self) -> None:
        """Forget everything, as after a cut or a gap."""
        self.association.clear()
        self.lstm = np.zeros((0, 2 * HIDDEN), np.float32)
        self.evidence = np.zeros((0, self._classes))
        self.heads = np.zeros((0, OUTPUTS), np.float32)
        self.gates: NDArray[np.floating] = np.zeros((0, 4 * HIDDEN))

    def step(
        self,
        boxes: Floats,
        scores: Floats,
        class_scores: Floats,
        time_s: float,
        size: tuple[int, int],
        embeddings: Floats32 | None = None,
    ) -> Refined:
        """Take one frame.

        Args:
            boxes: (D, 4) float64, xyxy, pixels.
            scores: (D,) float64, 0 to 1.
            class_scores: (D, K) float64, 0 to 1.
            time_s: seconds; a time before the last one counts as the same time.
            size: width and height of the frame, pixels.
            embeddings: (D, E) float32, the detector's features of each box; None where it gives none.
        """
        association, w = self.association, self._weights
        looks = None if embeddings is None or w.looks is None or not w.reads(embeddings) else w.looks.looks(embeddings)
        likeness = None if w.looks is None else w.looks.likeness
        step = association.step(boxes, scores, class_scores, time_s, looks, likeness)
        trust = self._trust(step.dt_s)
        if not len(association.tracks):
            return _loose(boxes, scores, class_scores, np.arange(len(boxes)), size, trust)
        self._grow()
        matched = step.rows >= 0
        looked = None if looks is None else np.einsum("nl,nl->n", looks, looks) > 0
        x, place = features(association.tracks, step, boxes, scores, class_scores, association.time_s, size, looked)
        seen = None
        if looks is not None and embeddings is not None and len(embeddings):
            seen = embeddings[step.rows] * matched[:, None].astype(np.float32)
        self.heads = self._network.step(x, seen, self.lstm)
        self.gates = self._network.gates
        self._weigh(matched, class_scores, step)
        kept = association.alive()
        refined = self._refined(step, x, place, matched, scores, size, kept, trust)
        if kept is not None:
            association.tracks.keep(kept)
            self.lstm, self.evidence, self.heads = self.lstm[kept], self.evidence[kept], self.heads[kept]
            self.gates = self.gates[kept]
        loose = np.flatnonzero(step.owners < 0)
        if not len(loose):
            return refined
        return refined.joined(_loose(boxes, scores, class_scores, loose, size, trust))

    def _trust(self, dt_s: float) -> float:
        """0 to 1: how much the past says, at the usual time between frames."""
        if dt_s > 0:
            self.counted = min(self.counted + 1, _USUAL_FRAMES)
            self.usual_dt_s += (min(dt_s, _MAX_USUAL_S) - self.usual_dt_s) / self.counted
        return float(min(1.0, max(0.0, (_NO_TRUST_S - self.usual_dt_s) / (_NO_TRUST_S - _TRUST_S))))

    def _grow(self) -> None:
        """Make room for new tracks."""
        new = len(self.association.tracks) - len(self.lstm)
        if new:
            self.lstm = np.concatenate([self.lstm, np.zeros((new, 2 * HIDDEN), np.float32)])
            self.evidence = np.concatenate([self.evidence, np.zeros((new, self._classes))])
        if self._forgetful:
            self.lstm[:] = 0.0

    def _weigh(self, matched: Flags, class_scores: Floats, step: Step) -> None:
        """Take up what the boxes say about the class."""
        self.evidence *= sigmoid(self.heads[:, KEEP : KEEP + 1] + 2)
        if len(class_scores):
            logs = np.log(np.maximum(class_scores, _MIN_CLASS_SCORE))
            logs -= logs.mean(axis=1, keepdims=True)
            self.evidence += (sigmoid(self.heads[:, TAKE]) * matched)[:, None] * logs[step.rows]

    def _refined(
        self,
        step: Step,
        x: Floats32,
        place: Floats,
        matched: Flags,
        scores: Floats,
        size: tuple[int, int],
        alive: Flags | None,
        trust: float,
    ) -> Refined:
        tracks, heads = self.association.tracks, self.heads
        own = scores[step.rows] if len(scores) else np.zeros(len(tracks))
        logits = heads[:, SCORE] * 3.0
        logits += np.where(matched, x[:, COLUMN["logit"]] * 3.0 * sigmoid(heads[:, OWN]), -1.0)
        half = logit(0.5 * (own + tracks.history[:, SHORT_MEAN]))
        logits = np.where(matched, _NETWORK_SHARE * logits + (1 - _NETWORK_SHARE) * half, logits)
        boxes, share = _mixed(place, step.predicted, matched, heads)
        if trust < 1:
            logits = np.where(matched, logit(own) + trust * (logits - logit(own)), logits)
            boxes = place + trust * (boxes - place)
        probability = np.asarray(sigmoid(logits), np.float64) * np.where(matched, 1.0, trust)
        shown = self._shown(tracks, matched, probability, boxes)
        if alive is not None:
            shown &= alive
        fresh = (1 - trust * (1 - share)) * np.minimum(own / np.maximum(probability, 1e-6), 1.0) * matched
        support = np.where(tracks.history[:, HITS] > 1, 1 - fresh, 0.0)
        return Refined(
            _clipped(boxes[shown], size),
            probability[shown],
            class_of(self.evidence[shown], tracks.votes[shown]),
            tracks.ids[shown],
            step.rows[shown],
            support[shown],
        )

    def _shown(self, tracks: Tracks, matched: Flags, probability: Floats, boxes: Floats) -> Flags:
        unseen_s = self.association.time_s - tracks.history[:, LAST_SEEN_S]
        shown = matched | ((unseen_s <= self._carry_s + 1e-6) & (tracks.history[:, HITS] >= _MIN_HITS))
        shown &= probability >= MIN_PROBABILITY
        shown &= (boxes[:, 2:] - boxes[:, :2]).min(axis=1) > 1
        return shown


def class_of(evidence: Floats, votes: Floats) -> Ints:
    """(N,) the class that the network's evidence, and what the boxes of the last moments said, speak for."""
    best: Ints = (evidence + _VOTES_WEIGHT * np.log(np.maximum(votes, _MIN_CLASS_SCORE))).argmax(axis=1)
    return best


def _mixed(place: Floats, predicted: Floats, matched: Flags, heads: Floats32) -> tuple[Floats, Floats]:
    """A soft choice, for every coordinate, among the box that was found and the two that were predicted.

    Returns:
        (N, 4) xyxy, and (N,) the found box's share in it.
    """
    three = np.concatenate([place[:, None], predicted], axis=1)
    values = np.empty_like(three)
    values[..., :2] = (three[..., :2] + three[..., 2:]) * 0.5
    np.log(np.maximum(three[..., 2:] - three[..., :2], 1.0), out=values[..., 2:])
    weights = np.empty((len(place), 3, 4))
    weights[:, 0] = np.where(matched, _DETECTION_LOGIT, -30.0)[:, None]
    weights[:, 1:] = heads[:, 1:9].reshape(-1, 2, 4) * 3
    weights[:, 1] += 3
    weights -= weights.max(axis=1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=1, keepdims=True)
    middle = (weights * values).sum(axis=1)
    half = np.exp(middle[:, 2:]) * 0.5
    return np.concatenate([middle[:, :2] - half, middle[:, :2] + half], axis=1), weights[:, 0].mean(axis=1)


def _loose(
    boxes: Floats, scores: Floats, class_scores: Floats, rows: Ints, size: tuple[int, int], trust: float
) -> Refined:
    """Boxes that no track took: too weak to start one."""
    class_ids = class_scores[rows].argmax(axis=1) if len(rows) else np.zeros(0, np.int64)
    share = 1 - trust * (1 - _LOOSE_SHARE)
    return Refined(
        _clipped(boxes[rows], size), scores[rows] * share, class_ids, np.full(len(rows), -1), rows, np.zeros(len(rows))
    )


def _clipped(boxes: Floats, size: tuple[int, int]) -> Floats:
    inside: Floats = np.minimum(np.maximum(boxes, 0.0), [size[0], size[1], size[0], size[1]])
    return inside
