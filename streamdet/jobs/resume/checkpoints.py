"""Checkpoints as files: a hash, and safetensors. What is torn or changed is found; nothing is ever unpickled."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint, Place, StateSection
from streamdet.media.write.part_file import write_at_once
from streamdet.stages.registry import stage_entry

FORMAT = 2
_ABOUT = "about"
_DIGEST_BYTES = hashlib.sha256().digest_size
_MAX_BYTES = 2**30

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class SavedCheckpoint:
    """A checkpoint that was read.

    Attributes:
        checkpoint: with the sections of its stages.
        about: what was saved beside it.
    """

    checkpoint: Checkpoint
    about: dict[str, Any]


def write_checkpoint(path: Path, checkpoint: Checkpoint, about: Mapping[str, Any]) -> None:
    """Write a checkpoint; after a power cut the file is whole, or not there, or found to be torn.

    Args:
        path: the file, replaced where it exists.
        checkpoint: with the sections that the stages have added.
        about: any JSON values.

    Raises:
        SinkError: it cannot be written.
    """
    write_at_once(path, packed(checkpoint, about))


def packed(checkpoint: Checkpoint, about: Mapping[str, Any]) -> bytes:
    """What a file holds of a checkpoint; arguments are those of `write_checkpoint`."""
    tensors: Arrays = {}
    facts: dict[str, Any] = {}
    for stage, section in checkpoint.sections.items():
        facts[stage], arrays = _split(section)
        tensors |= {f"{stage}/{name}": np.asarray(array, order="C") for name, array in arrays.items()}
    described = {
        "format": FORMAT,
        "source": checkpoint.source,
        "frames": checkpoint.frames,
        "size": checkpoint.size,
        "last_s": checkpoint.last_s,
        "step_s": checkpoint.step_s,
        "sections": facts,
        "place": None if checkpoint.place is None else asdict(checkpoint.place),
        "about": dict(about),
    }
    tensors[_ABOUT] = np.frombuffer(json.dumps(described, allow_nan=False).encode(), np.uint8)
    data = save(tensors)
    return hashlib.sha256(data).digest() + data


def read_checkpoint(path: Path) -> SavedCheckpoint:
    """Read a checkpoint.

    Raises:
        ConfigError: it is not there, or it is torn, changed or of another format, or a stage is not installed.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path}: is too large for a checkpoint")
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    return unpacked(data, str(path))


def unpacked(data: bytes, path: str) -> SavedCheckpoint:
    """The checkpoint of `packed`.

    Args:
        data: whatever was read.
        path: where, for messages.

    Raises:
        ConfigError: as in `read_checkpoint`.
    """
    digest, data = data[:_DIGEST_BYTES], data[_DIGEST_BYTES:]
    if hashlib.sha256(data).digest() != digest:
        raise ConfigError(f"{path}: is damaged, or not a checkpoint of streamdet")
    try:
        tensors = load(data)
        described = json.loads(tensors.pop(_ABOUT).tobytes())
        if described["format"] != FORMAT:
            raise ConfigError(f"{path}: has format {described['format']}, expected {FORMAT}")
        width, height = described["size"]
        checkpoint = Checkpoint(
            str(described["source"]),
            int(described["frames"]),
            (width, height),
            described["last_s"],
            described["step_s"],
            sections={
                stage: _joined(stage, facts, _arrays_of(stage, tensors))
                for stage, facts in described["sections"].items()
            },
            place=None if described.get("place") is None else Place(**described["place"]),
        )
        return SavedCheckpoint(checkpoint, dict(described["about"]))
    except (SafetensorError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: is not a checkpoint of streamdet: {error}") from error


def _split(section: StateSection) -> tuple[dict[str, Any], Arrays]:
    """Its facts, and its arrays: of a mapping, `field/key`."""
    facts: dict[str, Any] = {}
    arrays: Arrays = {}
    for name in (field.name for field in fields(section)):
        value = getattr(section, name)
        if isinstance(value, np.ndarray):
            arrays[name] = value
        elif isinstance(value, Mapping) and any(isinstance(each, np.ndarray) for each in value.values()):
            arrays |= {f"{name}/{key}": array for key, array in value.items()}
        else:
            facts[name] = value
    return facts, arrays


def _arrays_of(stage: str, tensors: Arrays) -> Arrays:
    prefix = f"{stage}/"
    return {name.removeprefix(prefix): array for name, array in tensors.items() if name.startswith(prefix)}


def _joined(stage: str, facts: Mapping[str, Any], arrays: Arrays) -> StateSection:
    kind = stage_entry(stage).state
    if kind is None:
        raise ValueError(f"stage {stage} saves nothing")
    values: dict[str, Any] = dict(facts)
    for name, array in arrays.items():
        field, slash, key = name.partition("/")
        if slash:
            values.setdefault(field, {})[key] = array
        else:
            values[field] = array
    return kind(**values)
