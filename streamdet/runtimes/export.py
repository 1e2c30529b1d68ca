"""Write a detector's step as a file for other programs, and prove that it computes what torch does.

Shapes: B streams, T frames, H, W pixels.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from streamdet.errors import ConfigError, ModelError, SinkError
from streamdet.models.detector import RecurrentDetector
from streamdet.models.state import State
from streamdet.runtimes.graph import StepShape, step_graph
from streamdet.runtimes.graph_detector import Execute
from streamdet.runtimes.openvino import OpenVINOEngine, import_openvino, openvino_core
from streamdet.version import __version__

Format = Literal["onnx", "openvino"]
MOST_BOX_DIFFERENCE_PX = 0.5
MOST_SCORE_DIFFERENCE = 0.01
_LEAST_FRAMES = 8


@dataclass(frozen=True, slots=True)
class Parity:
    """How far a file is from torch at most.

    Attributes:
        frames: of every stream that were compared, the memory carried from each step to the next.
        box_px: of a side of a box, pixels.
        score: of a score.
        memory: of a value of the memory after the last frame.
        runtime: what executed the file.
    """

    frames: int
    box_px: float
    score: float
    memory: float
    runtime: str


def export(
    model: RecurrentDetector, shape: StepShape, form: Format, path: Path, frames: Sequence[NDArray[np.uint8]]
) -> Parity:
    """Write a file, and compare what it finds in some frames with what torch finds.

    Args:
        model: the model.
        shape: what one step takes.
        form: onnx, or openvino: an .xml with a .bin beside it.
        path: the file.
        frames: (H, W, 3) uint8 RGB each, of one stream; 8 or 2 T of them, whichever is more, are enough.

    Raises:
        ConfigError: if the package for the format is missing.
        ModelError: if the file does not compute what torch does; it is not written then.
        SinkError: if it cannot be written.
    """
    graph = step_graph(model, shape)
    facts = {
        "streamdet": __version__,
        "model": model.name,
        "model_sha256": model.sha256,
        "classes": json.dumps(model.classes),
        "training_dt_s": str(model.config.training_dt_s),
    }
    onnx.helper.set_model_props(graph, facts)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            part = Path(folder) / path.name
            _write(graph, facts, form, part)
            parity = _compare(model, shape, part, frames)
            for file in sorted(Path(folder).iterdir()):
                os.replace(file, path.with_name(file.name))
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error
    return parity


def _write(graph: onnx.ModelProto, facts: dict[str, str], form: Format, path: Path) -> None:
    if form == "onnx":
        path.write_bytes(graph.SerializeToString())
        return
    openvino = import_openvino()
    model = openvino_core().read_model(graph.SerializeToString())
    for name, value in facts.items():
        model.set_rt_info(value, ["streamdet", name])
    try:
        openvino.save_model(model, path, compress_to_fp16=False)
    except RuntimeError as error:
        raise OSError(str(error).splitlines()[-1]) from error


def _compare(model: RecurrentDetector, shape: StepShape, path: Path, frames: Sequence[NDArray[np.uint8]]) -> Parity:
    execute, runtime = _engine(path)
    B, T = shape.streams or 2, shape.frames
    steps = max(2, -(-_LEAST_FRAMES // T))
    if len(frames) < steps * T:
        raise ValueError(f"{steps * T} frames are needed, got {len(frames)}")
    images = np.stack(frames[: steps * T])
    # Every stream its own pictures and its own time.
    streams = np.stack([np.roll(images, b, axis=0) for b in range(B)])
    dt_s = np.random.default_rng(0).uniform(0.5, 2.0, (B, steps * T)).astype(np.float32) * model.config.training_dt_s
    state: State | None = None
    memory = _in_graph_order(model.zero_state(B, shape.height, shape.width))
    box_px = score = 0.0
    for start in range(0, steps * T, T):
        now = slice(start, start + T)
        boxes, scores, *memory = execute([np.ascontiguousarray(streams[:, now]), dt_s[:, now].copy(), *memory])
        expected, state = model.step(
            torch.from_numpy(streams[:, now]).permute(0, 1, 4, 2, 3), state, torch.from_numpy(dt_s[:, now])
        )
        box_px = max(box_px, float(np.abs(boxes - expected.boxes.numpy()).max()))
        score = max(score, float(np.abs(scores - expected.scores.numpy()).max()))
    differences = [np.abs(a - b).max() for a, b in zip(memory, _in_graph_order(state), strict=True)] if state else []
    parity = Parity(steps * T, box_px, score, float(max(differences, default=0.0)), runtime)
    if not (box_px <= MOST_BOX_DIFFERENCE_PX and score <= MOST_SCORE_DIFFERENCE):
        raise ModelError(f"{path.name} differs from torch: boxes by {box_px:.2f} px, scores by {score:.3f}")
    return parity


def _engine(path: Path) -> tuple[Execute, str]:
    """Execute the file as its users would: ONNX in ONNX Runtime where it is installed, and else in OpenVINO."""
    if path.suffix == ".onnx":
        from streamdet.runtimes.onnx import OnnxRuntimeEngine

        try:
            engine = OnnxRuntimeEngine()
        except ConfigError:
            pass
        else:
            return engine.compile(path), engine.runtime
    openvino = OpenVINOEngine("fp32")
    return openvino.compile(path), openvino.runtime


def _in_graph_order(state: State) -> list[NDArray[np.float32]]:
    return [x.numpy() for level in zip(state.hidden, state.cell, strict=True) for x in level]
