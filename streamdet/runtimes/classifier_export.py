"""Write a classifier of clips as a file for other programs, and prove that it computes what torch does."""

import io
import os
import tempfile
import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from streamdet.errors import ModelError, SinkError
from streamdet.models.classify.network import ClipClassifier
from streamdet.models.classify.spec import CLIPS
from streamdet.models.safetensors_file import FORMAT
from streamdet.runtimes.openvino import OpenVINOEngine, import_openvino, openvino_core

_OPSET = 17
_FRAMES = 6
_MOST = 1e-3


class _Step(nn.Module):
    def __init__(self, model: ClipClassifier) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, hidden: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, (hidden, cell) = self.model(images[:, None], (hidden, cell))
        return logits[:, 0].softmax(1), hidden, cell


def export_classifier(model: ClipClassifier, form: Literal["onnx", "openvino"], path: Path) -> float:
    """Write one step of B streams, its state explicit inputs and outputs.

    images (B, 3, H, W) uint8 RGB, hidden and cell (B, hidden) to probabilities (B, K), next_hidden and next_cell.

    Args:
        model: the model.
        form: onnx, or openvino: an .xml with a .bin beside it.
        path: the file.

    Returns:
        the largest difference of a probability from torch's, over some frames of noise.

    Raises:
        ModelError: the file does not compute what torch does, or the backbone cannot be exported; it is not written.
        SinkError: it cannot be written.
    """
    graph = _graph(model)
    try:
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
            part = Path(folder) / path.name
            if form == "onnx":
                part.write_bytes(graph)
            else:
                import_openvino().save_model(openvino_core().read_model(graph), part, compress_to_fp16=False)
            difference = _difference(model, part)
            if not difference <= _MOST:
                raise ModelError(f"{path.name}: differs from torch: probabilities by {difference:.3f}")
            for file in sorted(Path(folder).iterdir()):
                os.replace(file, path.with_name(file.name))
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror or error}") from error
    return difference


def _graph(model: ClipClassifier) -> bytes:
    height, width = model.spec.size
    state = torch.zeros(1, model.spec.hidden)
    names = ["images", "hidden", "cell"], ["probabilities", "next_hidden", "next_cell"]
    file = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of the exporter, which is the one that takes every backbone
        try:
            torch.onnx.export(
                _Step(model).eval(),
                (torch.zeros(1, 3, height, width, dtype=torch.uint8), state, state),
                file,  # type: ignore[arg-type]  # the exporter takes one
                input_names=names[0],
                output_names=names[1],
                dynamic_axes={name: {0: "streams"} for name in (*names[0], *names[1])},
                opset_version=_OPSET,
                dynamo=False,
            )
        except Exception as error:  # the exporter's errors have no base of their own
            reason = str(error).splitlines()[0]
            raise ModelError(f"backbone {model.spec.backbone} cannot be exported: {reason}") from error
    graph = onnx.load_from_string(file.getvalue())
    onnx.helper.set_model_props(graph, {FORMAT: CLIPS, "model": model.spec.model_dump_json()})
    return bytes(graph.SerializeToString())


def _difference(model: ClipClassifier, path: Path) -> float:
    """Largest, over some frames of two streams; the state is carried on both sides."""
    execute = OpenVINOEngine("fp32").compile(path)
    height, width = model.spec.size
    rng = np.random.default_rng(0)
    expected = torch.zeros(2, model.spec.hidden), torch.zeros(2, model.spec.hidden)
    state = [part.numpy() for part in expected]
    largest = 0.0
    step = _Step(model).eval()
    for _ in range(_FRAMES):
        images = rng.integers(0, 256, (2, 3, height, width), np.uint8)
        with torch.no_grad():
            wanted, *expected = step(torch.from_numpy(images), *expected)
        got, *state = execute([images, *state])
        largest = max(largest, float(np.abs(got - wanted.numpy()).max()))
    return largest
