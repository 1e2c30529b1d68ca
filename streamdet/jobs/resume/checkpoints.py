"""Checkpoints as files: a hash, and safetensors. What is torn or changed is found; nothing is ever unpickled."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint
from streamdet.media.write.part_file import write_at_once

FORMAT = 1
_ABOUT = "about"
_DIGEST_BYTES = hashlib.sha256().digest_size
_MOST_BYTES = 2**30


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint that was read.

    Attributes:
        checkpoint: what the stages have added.
        about: what was saved beside it.
    """

    checkpoint: Checkpoint
    about: dict[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint, about: Mapping[str, Any]) -> None:
    """Write a checkpoint; after a power cut the file is whole, or not there, or found to be torn.

    Args:
        path: the file, replaced where it exists.
        checkpoint: with what the stages have added.
        about: whatever JSON holds.

    Raises:
        SinkError: it cannot be written.
    """
    facts = {
        "format": FORMAT,
        "source": checkpoint.source,
        "frames": checkpoint.frames,
        "facts": checkpoint.facts,
        "about": dict(about),
    }
    tensors = {
        f"{stage}/{name}": np.asarray(value, order="C")
        for stage, arrays in checkpoint.arrays.items()
        for name, value in arrays.items()
    }
    tensors[_ABOUT] = np.frombuffer(json.dumps(facts, allow_nan=False).encode(), np.uint8)
    data = save(tensors)
    write_at_once(path, hashlib.sha256(data).digest() + data)


def read_checkpoint(path: Path) -> SavedCheckpoint:
    """Read a checkpoint.

    Raises:
        ConfigError: it is not there, or it is torn, changed or of another format.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ConfigError(f"{path}: is too large for a checkpoint")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    digest, data = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        raise ConfigError(f"{path}: is torn, or no checkpoint of streamdet")
    try:
        tensors = load(data)
        facts = json.loads(tensors.pop(_ABOUT).tobytes())
        if facts["format"] != FORMAT:
            raise ConfigError(f"{path}: has format {facts['format']}, expected {FORMAT}")
        arrays: dict[str, dict[str, Any]] = {}
        for key, value in tensors.items():
            stage, _, name = key.partition("/")
            arrays.setdefault(stage, {})[name] = value
        checkpoint = Checkpoint(str(facts["source"]), int(facts["frames"]), facts=facts["facts"], arrays=arrays)
        return SavedCheckpoint(checkpoint, dict(facts["about"]))
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: is no checkpoint of streamdet: {error}") from error
