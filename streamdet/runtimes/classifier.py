"""Classifiers of clips, ready to run: a model file in torch, an exported one in OpenVINO or ONNX Runtime."""

import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.classify.spec import CLIPS, Classifier, spec_of
from streamdet.models.safetensors_file import FORMAT
from streamdet.runtimes.cpu import inference_threads
from streamdet.runtimes.devices import is_gpu, require_torch
from streamdet.runtimes.graph.detector import Execute

Floats32 = NDArray[np.float32]


def open_classifier(name: str, device: str = "auto") -> Classifier:
    """Load a classifier of clips.

    Args:
        name: a .safetensors file of `streamdet train --task classify`, or an .onnx of `streamdet export` made from one.
        device: auto, cpu, cuda or cuda:N; an .onnx runs on the CPU.

    Raises:
        CheckpointError: it is missing, damaged or something else.
        ConfigError: what runs it is not available.
    """
    path = Path(name)
    return _Graph(path) if path.suffix == ".onnx" else _Torch(path, device)


class _Torch:
    """See Classifier."""

    def __init__(self, path: Path, device: str) -> None:
        require_torch("a classifier from a .safetensors file")
        import torch

        from streamdet.models.classify.network import load_classifier

        place = ("cuda" if device == "auto" else device) if is_gpu(device) else "cpu"
        if place == "cpu" and torch.get_num_threads() != inference_threads():
            torch.set_num_threads(inference_threads())
        model, self.sha256 = load_classifier(path)
        self.spec, self.runtime = model.spec, f"torch {place} fp32"
        self._torch, self._model, self._place = torch, model.to(place), place

    def step(self, image: NDArray[np.uint8], state: Floats32) -> tuple[Floats32, Floats32]:
        """See Classifier."""
        torch = self._torch
        with torch.inference_mode():
            pixels = torch.from_numpy(np.ascontiguousarray(image)).to(self._place).permute(2, 0, 1)[None, None]
            hidden, cell = torch.from_numpy(state).to(self._place)[:, None]
            logits, (hidden, cell) = self._model(pixels, (hidden, cell))
            probabilities = logits[0, 0].softmax(0).cpu().numpy()
            return probabilities, torch.cat([hidden, cell]).cpu().numpy()


class _Graph:
    """See Classifier."""

    def __init__(self, path: Path) -> None:
        import onnx

        try:
            data = path.read_bytes()
            header = {entry.key: entry.value for entry in onnx.load_from_string(data).metadata_props}
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read: {error.strerror}") from error
        except Exception as error:  # protobuf's errors have no base of their own
            raise CheckpointError(f"{path} is not a readable ONNX file: {str(error).splitlines()[0]}") from error
        if header.get(FORMAT) != CLIPS:
            raise CheckpointError(f"{path} is no classifier of clips; expected one that streamdet export has written")
        self.spec, self.sha256 = spec_of(header, path), hashlib.sha256(data).hexdigest()
        self._execute, self.runtime = _engine(data)

    def step(self, image: NDArray[np.uint8], state: Floats32) -> tuple[Floats32, Floats32]:
        """See Classifier."""
        pixels = np.ascontiguousarray(image.transpose(2, 0, 1))[None]
        probabilities, hidden, cell = self._execute([pixels, state[0:1], state[1:2]])
        return probabilities[0], np.concatenate([hidden, cell])


def _engine(graph: bytes) -> tuple[Execute, str]:
    """OpenVINO, which is faster, or ONNX Runtime where that is not installed."""
    from streamdet.runtimes.onnxruntime import OnnxRuntimeEngine
    from streamdet.runtimes.openvino import OpenVINOEngine

    try:
        openvino = OpenVINOEngine("fp32")
        return openvino.compile(graph), openvino.runtime
    except ConfigError:
        engine = OnnxRuntimeEngine()
        return engine.compile(graph), engine.runtime
