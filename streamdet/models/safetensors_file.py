"""Files of tensors with a header of text; nothing in them is ever unpickled, so that a file cannot run code."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from streamdet.errors import CheckpointError

FORMAT = "streamdet_format"
"""Key of the header that says what the rest of it means."""


def read_header(path: Path) -> dict[str, str]:
    """The header of a file.

    Raises:
        CheckpointError: if it is missing or damaged.
    """
    return _read(path, with_tensors=False)[0]


def read_file(path: Path) -> tuple[dict[str, str], dict[str, NDArray[np.float32]]]:
    """Header and tensors by name, in float32.

    Raises:
        CheckpointError: if the file is missing or damaged.
    """
    return _read(path, with_tensors=True)


def _read(path: Path, *, with_tensors: bool) -> tuple[dict[str, str], dict[str, NDArray[np.float32]]]:
    if not path.is_file():
        raise CheckpointError(f"model file not found: {path}")
    try:
        with safe_open(path, framework="np") as file:
            names = list(file.keys()) if with_tensors else []
            arrays = {name: np.asarray(file.get_tensor(name), np.float32) for name in names}
            return file.metadata() or {}, arrays
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error


def write_file(path: Path, data: bytes) -> str:
    """Write what safetensors made of tensors; it appears under its name only when whole.

    Returns:
        the file's SHA-256.
    """
    data = _in_fixed_order(data)
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
    header += b" " * (-len(header) % 8)  # tensors start at multiples of 8
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
