"""Detectors that `streamdet eval` and the benchmarks judge: by name or file."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.evaluation.trial import Memory
    from streamdet.models.contract import Detector
    from streamdet.models.options import Precision


@dataclass(frozen=True, slots=True)
class Contender:
    """A model, what is done with its memory, and how exactly it computes.

    Attributes:
        model: its name or file.
        memory: see streamdet.evaluation.trial.Memory.
        precision: auto, fp32, bf16, fp16 or int8.
    """

    model: str
    memory: "Memory"
    precision: "Precision" = "auto"

    @property
    def label(self) -> str:
        """For a table."""
        label = f"{Path(self.model).stem} {self.memory}"
        return label if self.precision == "auto" else f"{label} {self.precision}"


def parse_contender(text: str, memory: str) -> Contender:
    """Read MODEL, MODEL:MEMORY, MODEL:PRECISION or both, such as `street:reset:int8`.

    Args:
        memory: where the text has none.

    Raises:
        ConfigError: if what follows the model is neither.
    """
    from streamdet.evaluation.trial import Memory
    from streamdet.models.options import Precision

    memories: dict[str, Memory] = {known: known for known in get_args(Memory)}
    precisions: dict[str, Precision] = {known: known for known in get_args(Precision)}
    model, precision = text, "auto"
    # A colon may belong to a path.
    while not Path(model).exists():
        before, _, word = model.rpartition(":")
        weights = before.startswith("torchvision/") and word not in (*precisions, *memories)
        if not before or "/" in word or weights or before == "hf":
            break
        if word in precisions:
            precision = word
        else:
            memory = word
        model = before
    if memory not in memories:
        wanted = f"expected {', '.join(memories)}, or a precision: {', '.join(precisions)}"
        raise ConfigError(f"{text}: memory {memory!r}, {wanted}")
    return Contender(model, memories[memory], precisions[precision])


def open_contender(
    model: str,
    device: str,
    precision: "Precision" = "auto",
    layout: str | None = None,
    class_names: str | None = None,
) -> "Detector":
    """Make a model ready to run.

    Args:
        model: name or file.
        device, precision, layout, class_names: as in streamdet.load; the last two for .onnx files alone.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
        ConfigError: if the device is not there, or cannot do the precision.
    """
    from streamdet.runtimes.loading import load

    if Path(model).suffix == ".onnx":
        return load(model, device=device, precision=precision, layout=layout, class_names=class_names)
    return load(model, device=device, precision=precision)
