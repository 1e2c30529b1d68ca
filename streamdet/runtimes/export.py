"""Write a detector's step as a file for other programs, and prove that it computes what torch does.

Shapes: B streams, T frames, H, W pixels.
"""

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from streamdet.errors import ConfigError, ModelError, SinkError
from streamdet.models.recurrent.checkpoint import weights_of
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.runtimes.graph.detector import Execute
from streamdet.runtimes.graph.step import StepShape, step_graph
from streamdet.runtimes.openvino import OpenVINOEngine, import_openvino, openvino_core
from streamdet.runtimes.parity import Parity, compare
from streamdet.version import __version__

Format = Literal["onnx", "openvino"]


def export(
    model: RecurrentDetector,
    shape: StepShape,
    form: Format,
    path: Path,
    frames: Sequence[NDArray[np.uint8]],
    *,
    int8: bool = False,
) -> Parity:
    """Write a file, and compare what it finds in some frames with what torch finds.

    Args:
        model: the model.
        shape: what one step takes.
        form: onnx, or openvino: an .xml with a .bin beside it.
        path: the file.
        frames: (H, W, 3) uint8 RGB each, of one stream; 8 or 2 T of them, whichever is more, are enough.
        int8: in eight bits, for which the model must be calibrated.

    Raises:
        ConfigError: if the package for the format is missing.
        ModelError: if the file does not compute what torch does, see parity.compare; it is not written then.
        SinkError: if it cannot be written.
    """
    graph = step_graph(weights_of(model), shape, int8=int8)
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
            try:
                parity = compare(model, shape, *_engine(part, int8=int8), frames, int8=int8)
            except ModelError as error:
                raise ModelError(f"{path.name}: {error}") from error
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


def _engine(path: Path, *, int8: bool) -> tuple[Execute, str]:
    """Execute the file as its users would: ONNX in ONNX Runtime where it is installed, and else in OpenVINO."""
    if path.suffix == ".onnx":
        from streamdet.runtimes.onnxruntime import OnnxRuntimeEngine

        try:
            engine = OnnxRuntimeEngine()
        except ConfigError:
            pass
        else:
            return engine.compile(path), engine.runtime
    openvino = OpenVINOEngine("int8" if int8 else "fp32")
    return openvino.compile(path), openvino.runtime
