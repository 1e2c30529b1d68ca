"""Find a model by name or path and make it ready to run."""

from importlib.resources import as_file, files
from pathlib import Path

from streamdet.models.contract import Detector
from streamdet.models.options import Precision, Runtime
from streamdet.models.recurrent.weights import Weights, read_weights
from streamdet.models.registry import EMBEDDED_MODELS, find
from streamdet.runtimes.choice import ready


def load(
    name_or_path: str | Path, *, device: str = "auto", precision: Precision = "auto", runtime: Runtime = "auto"
) -> Detector:
    """Load a detector.

    Args:
        name_or_path: `street`, the model in the package, the path of a .safetensors file that streamdet wrote, or what
            another package offers, see models.registry.
        device: auto, cpu, cuda or cuda:N.
        precision: auto, fp32, bf16, fp16 or int8, which the model must be calibrated for.
        runtime: auto, torch, openvino or onnxruntime. auto is torch on a GPU; on the CPU it is the faster of OpenVINO
            and ONNX Runtime, measured once and remembered in the user's cache, or torch where neither works.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
        ConfigError: if device, precision or runtime are not available.
    """
    return find(str(name_or_path))(str(name_or_path), device=device, precision=precision, runtime=runtime)


def open_recurrent(name: str, *, device: str, runtime: Runtime, precision: Precision) -> Detector:
    """A detector of our own; see registry.Builder."""
    return ready(load_weights(name), device=device, precision=precision, runtime=runtime)


def load_weights(name_or_path: str | Path) -> Weights:
    """A model of our own: the name of one in the package, or the path of a file.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
    """
    if str(name_or_path) in EMBEDDED_MODELS:
        with as_file(files("streamdet") / "weights" / f"{name_or_path}.safetensors") as path:
            return read_weights(path)
    path = Path(name_or_path)
    if not path.is_file() and path.suffix == "":
        find(str(name_or_path))
    return read_weights(path)
