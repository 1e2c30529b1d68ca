"""Model files: safetensors with the architecture and the training's facts in the header.

Nothing is ever unpickled: a model file cannot run code.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from streamdet.errors import CheckpointError
from streamdet.models.compress.int8 import check_ranges
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector

CHECKPOINT_FORMAT = 1
_RANGES = TypeAdapter(dict[str, tuple[float, float]])


def save_checkpoint(path: Path, detector: RecurrentDetector, training: Mapping[str, Any]) -> str:
    """Write a model file; it appears under its name only when whole.

    Args:
        path: the file, usually *.safetensors.
        detector: the model.
        training: facts about how it came to be (data, steps, figures); anything JSON can hold.

    Returns:
        the file's SHA-256.
    """
    header = {
        "streamdet_format": str(CHECKPOINT_FORMAT),
        "model": detector.config.model_dump_json(exclude_none=True),
        "training": json.dumps(dict(training), sort_keys=True),
    }
    if detector.int8_ranges:
        header["int8_ranges"] = json.dumps(detector.int8_ranges)
    tensors = {
        name: value.detach().cpu().contiguous()
        for name, value in detector.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    data = _in_fixed_order(save(tensors, metadata=header))
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(data)
    part.replace(path)
    return hashlib.sha256(data).hexdigest()


def _in_fixed_order(data: bytes) -> bytes:
    """The same file with its header sorted: safetensors writes it in random order, and the hash would change with it.

    Source: https://github.com/huggingface/safetensors, "Format".
    """
    (length,) = struct.unpack_from("<Q", data)
    header = json.dumps(json.loads(data[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)  # tensors begin at multiples of 8
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def load_checkpoint(path: Path) -> tuple[RecurrentDetector, dict[str, Any]]:
    """Read a model file.

    Returns:
        the detector on the CPU in evaluation mode, and its training facts.

    Raises:
        CheckpointError: if the file is missing, damaged, of another format or holds other tensors than its
            architecture needs.
    """
    if not path.is_file():
        raise CheckpointError(f"model file not found: {path}")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    if header.get("streamdet_format") != str(CHECKPOINT_FORMAT):
        raise CheckpointError(
            f"{path} has format {header.get('streamdet_format', 'none')}, expected {CHECKPOINT_FORMAT}: "
            "it was not written by this version of streamdet"
        )
    try:
        config = ModelConfig.model_validate_json(header.get("model", ""))
        training = json.loads(header.get("training", "{}"))
        ranges = _RANGES.validate_json(header.get("int8_ranges", "{}"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise CheckpointError(f"{path} describes its model wrongly: {where}: {first['msg']}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} describes its model wrongly: {error}") from error
    detector = RecurrentDetector(config)
    _fill(detector, tensors, path)
    if ranges:
        try:
            check_ranges(detector, ranges)
        except ValueError as error:
            raise CheckpointError(f"{path} describes its model wrongly: int8_ranges: {error}") from error
        detector.int8_ranges = ranges
    detector.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    return detector.eval(), training


def _fill(detector: RecurrentDetector, tensors: dict[str, torch.Tensor], path: Path) -> None:
    expected = {k: v for k, v in detector.state_dict().items() if not k.endswith("num_batches_tracked")}
    wrong = sorted(set(expected) ^ set(tensors))
    wrong += [name for name in expected if name in tensors and expected[name].shape != tensors[name].shape]
    if wrong:
        raise CheckpointError(f"{path} does not hold the tensors of its model: {', '.join(wrong[:3])} differ")
    detector.load_state_dict(tensors, strict=False)
