"""How far what executes a detector's step is from torch.

Shapes: B streams, T frames, H, W pixels, P cells, K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from streamdet.errors import ModelError
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.state import State
from streamdet.runtimes.graph.detector import Execute
from streamdet.runtimes.graph.step import StepShape

Differences = NDArray[np.float32]
_MOST = 0.5, 0.01
_MOST_INT8 = 2.0, 0.05
"""Pixels of a side of a box, and of a score."""
_FOUND = 0.25
_LEAST_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a graph is from torch: at most; in eight bits on average, of the boxes with a score of 0.25 or more.

    Attributes:
        frames: of every stream that were compared, the memory carried from each step to the next.
        box_px: of a side of a box, pixels.
        score: of a score.
        memory: of a value of the memory after the last frame, at most.
        runtime: what executed the graph.
    """

    frames: int
    box_px: float
    score: float
    memory: float
    runtime: str


def compare(
    model: RecurrentDetector,
    shape: StepShape,
    execute: Execute,
    runtime: str,
    frames: Sequence[NDArray[np.uint8]],
    *,
    int8: bool = False,
) -> Parity:
    """Run a graph of a model beside torch.

    Args:
        model: the model.
        shape: what one step takes.
        execute: runs the graph.
        runtime: what does.
        frames: (H, W, 3) uint8 RGB each, of one stream; 8 or 2 T of them, whichever is more, are enough.
        int8: the graph computes in eight bits, so that boxes and scores may differ.

    Raises:
        ModelError: if the graph does not compute what torch does, or in eight bits something far from it; or if these
            frames do not tell, as nothing is found in them.
    """
    T = shape.frames
    steps = max(2, -(-_LEAST_FRAMES // T), len(frames) // T if int8 else 0)
    if len(frames) < steps * T:
        raise ValueError(f"{steps * T} frames are needed, got {len(frames)}")
    boxes_px, scores, memory = _differences(model, shape, execute, np.stack(frames[: steps * T]), found_only=int8)
    if not len(scores):
        raise ModelError("nothing was detected in these frames, so int8 cannot be checked; choose another clip")
    middle = np.mean if int8 else np.max
    parity = Parity(steps * T, float(middle(boxes_px)), float(middle(scores)), memory, runtime)
    most_box_px, most_score = _MOST_INT8 if int8 else _MOST
    if not (parity.box_px <= most_box_px and parity.score <= most_score):
        raise ModelError(f"differs from torch: boxes by {parity.box_px:.2f} px, scores by {parity.score:.3f}")
    return parity


def _differences(
    model: RecurrentDetector, shape: StepShape, execute: Execute, images: NDArray[np.uint8], *, found_only: bool
) -> tuple[Differences, Differences, float]:
    """Of boxes, (N, 4), and of scores, (N, K), of all cells or those where torch finds something; and of the memory."""
    B, T = shape.streams or 2, shape.frames
    # Every stream its own pictures and its own time.
    streams = np.stack([np.roll(images, b, axis=0) for b in range(B)])
    dt_s = np.random.default_rng(0).uniform(0.5, 2.0, (B, len(images))).astype(np.float32) * model.config.training_dt_s
    state: State | None = None
    memory: Sequence[NDArray[Any]] = _in_graph_order(model.zero_state(B, shape.height, shape.width))
    of_boxes, of_scores = [], []
    for start in range(0, len(images), T):
        now = slice(start, start + T)
        boxes, scores, *memory = execute([np.ascontiguousarray(streams[:, now]), dt_s[:, now].copy(), *memory])
        expected, state = model.step(
            torch.from_numpy(streams[:, now]).permute(0, 1, 4, 2, 3), state, torch.from_numpy(dt_s[:, now])
        )
        told = expected.scores.amax(-1).numpy() >= (_FOUND if found_only else 0)
        of_boxes.append(np.abs(boxes - expected.boxes.numpy())[told])
        of_scores.append(np.abs(scores - expected.scores.numpy())[told])
    differences = [np.abs(a - b).max() for a, b in zip(memory, _in_graph_order(state), strict=True)] if state else []
    return np.concatenate(of_boxes), np.concatenate(of_scores), float(max(differences, default=0.0))


def _in_graph_order(state: State) -> list[NDArray[Any]]:
    levels = [x.numpy() for level in zip(state.hidden, state.cell, strict=True) for x in level]
    return [state.ages, *levels] if levels else []
