"""Detectors that `streamdet eval` and the benchmarks judge: ours by name or file, and NanoDet-m as a yardstick."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.runtimes.contract import Detector
    from streamdet.runtimes.predict import Memory


@dataclass(frozen=True, slots=True)
class Contender:
    """A model and what is done with its memory.

    Attributes:
        model: its name or file.
        memory: carry, reset or shuffle.
    """

    model: str
    memory: "Memory"

    @property
    def label(self) -> str:
        """For a table."""
        return f"{Path(self.model).stem} {self.memory}"


def parse_contender(text: str, memory: str) -> Contender:
    """Read MODEL or MODEL:MEMORY, such as `street:reset`.

    Args:
        memory: where the text has none.

    Raises:
        ConfigError: if the memory is none of carry, reset and shuffle.
    """
    from streamdet.runtimes.predict import Memory

    model, _, named = text.rpartition(":")
    # A colon may belong to a path.
    if not model or "/" in named or Path(text).exists():
        model, named = text, memory
    for known in get_args(Memory):
        if known == named:
            return Contender(model, known)
    raise ConfigError(f"{text}: memory {named!r}, expected {', '.join(get_args(Memory))}")


def open_contender(model: str, device: str) -> "Detector":
    """Make a model ready to run; a .ckpt is NanoDet-m, with those of its 80 classes that are of the street.

    Raises:
        CheckpointError: if there is no such model or its file is damaged.
        ConfigError: if the device is not there.
    """
    from streamdet.runtimes.loading import load

    path = Path(model)
    if path.suffix != ".ckpt":
        return load(model, device=device)

    from streamdet.models.config import ModelConfig
    from streamdet.models.detector import RecurrentDetector
    from streamdet.runtimes.torch import TorchDetector
    from streamdet.training.nanodet import COCO_INDEX, initialise_from_nanodet

    config = ModelConfig(name="nanodet-m", classes=tuple(COCO_INDEX), recurrent_channels=0)
    detector = RecurrentDetector(config)
    initialise_from_nanodet(detector, path)
    detector.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return TorchDetector(detector, device)
