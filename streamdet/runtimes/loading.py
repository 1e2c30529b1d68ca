"""Find a model by name or path and make it ready to run."""

from importlib.resources import as_file, files
from pathlib import Path

from streamdet.errors import CheckpointError
from streamdet.models.checkpoint import load_checkpoint
from streamdet.runtimes.torch import Precision, TorchDetector

EMBEDDED_MODELS = ("street",)


def load(name_or_path: str | Path, *, device: str = "auto", precision: Precision = "auto") -> TorchDetector:
    """Load a detector.

    Args:
        name_or_path: `street`, the model in the package, or the path of a .safetensors file that streamdet wrote.
        device: auto, cpu, cuda or cuda:N.
        precision: auto, fp32, bf16 or fp16.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
        ConfigError: if device or precision are not to be had.
    """
    if str(name_or_path) in EMBEDDED_MODELS:
        with as_file(files("streamdet") / "weights" / f"{name_or_path}.safetensors") as path:
            model, _ = load_checkpoint(path)
    else:
        path = Path(name_or_path)
        if not path.is_file() and path.suffix == "":
            known = ", ".join(EMBEDDED_MODELS)
            raise CheckpointError(f"unknown model {name_or_path}: expected {known} or the path of a .safetensors file")
        model, _ = load_checkpoint(path)
    return TorchDetector(model, device, precision)
