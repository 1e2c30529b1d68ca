"""The file from which a stopped run continues: complete or absent, with tensors and plain values only."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ValidationError

from streamdet.errors import CheckpointError, ConfigError, SinkError

_NAME = "resume.pt"


def saved_run(folder: Path) -> Path:
    """The file in a run's folder."""
    return folder / _NAME


def write_run(folder: Path, state: dict[str, Any]) -> None:
    """Replace what was saved before.

    Raises:
        SinkError: if the disk is full or not to be written to; what was saved before is still there.
    """
    part = folder / f".{_NAME}.part"
    try:
        with part.open("wb") as file:
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        part.replace(saved_run(folder))
    except (OSError, RuntimeError) as error:  # torch's writer wraps a full disk
        raise SinkError(f"{saved_run(folder)}: the run cannot be saved: {str(error).splitlines()[0]}") from error
    finally:
        part.unlink(missing_ok=True)


def read_run(folder: Path, config: BaseModel, device: torch.device) -> dict[str, Any]:
    """Read what `write_run` wrote.

    Raises:
        CheckpointError: if the file is damaged.
        ConfigError: if the run has another recipe; names what differs.
    """
    path = saved_run(folder)
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
        saved = type(config).model_validate_json(state["config"])
    except ValidationError as error:
        raise ConfigError(f"{path}: was started by another version of streamdet: {error.errors()[0]['msg']}") from None
    except Exception as error:  # torch's unpickler raises almost anything on a damaged file
        raise CheckpointError(f"{path} is not a readable saved run: {type(error).__name__}") from error
    differences = list(_differences(saved.model_dump(mode="json"), config.model_dump(mode="json"), ""))
    if differences:
        raise ConfigError(
            f"{folder} holds a run of another recipe: {', '.join(differences[:3])} differ; "
            "resume with the same recipe and settings, or start another run in another folder"
        )
    return state


def _differences(saved: Any, wanted: Any, key: str) -> Iterator[str]:
    """Keys of values that are not the same."""
    if isinstance(saved, dict) and isinstance(wanted, dict):
        for name in sorted(saved.keys() | wanted.keys()):
            yield from _differences(saved.get(name), wanted.get(name), f"{key}.{name}".strip("."))
    elif isinstance(saved, list) and isinstance(wanted, list) and len(saved) == len(wanted):
        for index, (one, other) in enumerate(zip(saved, wanted, strict=True)):
            yield from _differences(one, other, f"{key}.{index}")
    elif saved != wanted:
        yield key
