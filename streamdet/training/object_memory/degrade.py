"""Detections as a worse detector or a shaken camera would give them, in ways that last a while."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_iou
from streamdet.datasets.labels import Labels
from streamdet.training.object_memory.clips import Floats, Found

MIN_SCORE = 0.02


@dataclass(frozen=True, slots=True)
class Degrading:
    """How much worse.

    Attributes:
        shift: deviation of one offset of all logits of a clip.
        drift: how fast a common offset of the logits wanders.
        burst: chance in a frame that one object's scores fall for a while.
        jitter: deviation of the boxes' edges, sizes.
        shake: whether the camera shakes and pans.
    """

    shift: float = 0.5
    drift: float = 0.0
    burst: float = 0.0
    jitter: float = 0.0
    shake: bool = False

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> "Degrading":
        """One of many."""
        return cls(
            0.5,
            float(rng.choice([0.0, 0.6, 1.2])),
            float(rng.choice([0.0, 0.05, 0.15])),
            float(rng.choice([0.0, 0.0, 0.02])),
            bool(rng.random() < 0.5),
        )


def degraded(
    frames: Sequence[Found], truth: Sequence[Labels | None], how: Degrading, rng: np.random.Generator
) -> list[Found]:
    """The frames with scores and boxes made worse."""
    offset, drift = rng.normal(0, 1) * how.shift, 0.0
    bursts: list[tuple[int, int, float]] = []
    out = []
    for found, there in zip(frames, truth, strict=True):
        drift = 0.9 * drift + rng.normal(0, 0.25) * how.drift
        if there is not None and len(there.boxes) and rng.random() < how.burst:
            bursts.append((int(rng.choice(there.track_ids)), int(rng.integers(1, 12)), rng.uniform(0.5, 4.0)))
        fall = np.full(len(found), offset + drift)
        for identity, _, depth in bursts:
            fall -= depth * _on(found, there, identity)
        bursts = [(identity, left - 1, depth) for identity, left, depth in bursts if left > 1]
        worse = _with_logits(found, fall)
        if how.jitter and len(worse):
            worse = replace(worse, boxes=_jittered(worse.boxes, how.jitter, rng))
        out.append(worse.rows(worse.scores >= MIN_SCORE))
    return out


def shaken(
    frames: Sequence[Found], truth: Sequence[Labels | None], times_s: Floats, width: int, rng: np.random.Generator
) -> tuple[list[Found], list[Labels | None]]:
    """The frames as a shaken, perhaps panning camera sees them."""
    t = (times_s - times_s[0])[:, None]
    offset = np.zeros((len(times_s), 2))
    for _ in range(4):
        phase = 2 * np.pi * t * rng.uniform(0.3, 3.0) + rng.uniform(0, 2 * np.pi, 2)
        offset += rng.normal(0, 1, 2) * [1, 0.6] * np.sin(phase) / 2
    offset *= width * 10 ** rng.uniform(-2.6, -1.4)
    if rng.random() < 0.5:
        offset += rng.normal(0, 1, (1, 2)) * [1, 0.1] * width * 0.04 * t
    moves = np.tile(offset, 2)
    found = [each.moved(move) for each, move in zip(frames, moves, strict=True)]
    return found, [None if each is None else _moved(each, move) for each, move in zip(truth, moves, strict=True)]


def _on(found: Found, there: Labels | None, identity: int) -> NDArray[np.bool_]:
    """(D,) which boxes are on an object."""
    rows = np.zeros(0, np.int64) if there is None else np.flatnonzero(there.track_ids == identity)
    if there is None or not len(rows) or not len(found):
        return np.zeros(len(found), bool)
    on: NDArray[np.bool_] = box_iou(found.boxes, there.boxes[rows[:1]])[:, 0] > 0.3
    return on


def _with_logits(found: Found, offset: Floats) -> Found:
    """With scores whose logits are moved; class scores fall with them."""
    p = np.clip(found.scores, 1e-4, 1 - 1e-4)
    worse = 1 / (1 + np.exp(-(np.log(p / (1 - p)) + offset)))
    return replace(found, scores=worse, class_scores=found.class_scores * (worse / p)[:, None])


def _jittered(boxes: Floats, deviation: float, rng: np.random.Generator) -> Floats:
    sides = np.tile(np.maximum(boxes[:, 2:] - boxes[:, :2], 1), 2)
    moved: Floats = boxes + rng.normal(0, deviation, boxes.shape) * sides
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2] + 1)
    return moved


def _moved(labels: Labels, move: Floats) -> Labels:
    step = move.astype(np.float32)
    return replace(labels, boxes=labels.boxes + step, ignore=labels.ignore + step)
