"""Find a model by name or path and make it ready to run."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from streamdet.errors import CheckpointError
from streamdet.models.contract import Detector
from streamdet.models.options import Precision, Runtime
from streamdet.models.recurrent.checkpoint import load_checkpoint
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.runtimes.choice import ready

EMBEDDED_MODELS = ("street",)


def load(
    name_or_path: str | Path, *, device: str = "auto", precision: Precision = "auto", runtime: Runtime = "auto"
) -> Detector:
    """Load a detector.

    Args:
        name_or_path: `street`, the model in the package, or the path of a .safetensors file that streamdet wrote.
        device: auto, cpu, cuda or cuda:N.
        precision: auto, fp32, bf16, fp16 or int8, which the model must be calibrated for.
        runtime: auto, torch, openvino or onnxruntime. auto is torch on a GPU; on the CPU it is the fastest that is
            installed and works, measured once and remembered in the user's cache.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
        ConfigError: if device, precision or runtime are not to be had.
    """
    return ready(load_model(name_or_path), device=device, precision=precision, runtime=runtime)


def load_model(name_or_path: str | Path) -> RecurrentDetector:
    """Load a model as torch has it.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
    """
    return read_model(name_or_path)[0]


def read_model(name_or_path: str | Path) -> tuple[RecurrentDetector, dict[str, Any]]:
    """A model as torch has it, and what its file says about its training.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
    """
    if str(name_or_path) in EMBEDDED_MODELS:
        with as_file(files("streamdet") / "weights" / f"{name_or_path}.safetensors") as path:
            return load_checkpoint(path)
    path = Path(name_or_path)
    if not path.is_file() and path.suffix == "":
        known = ", ".join(EMBEDDED_MODELS)
        raise CheckpointError(f"unknown model {name_or_path}: expected {known} or the path of a .safetensors file")
    return load_checkpoint(path)
