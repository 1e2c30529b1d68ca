"""Which device a name means. torch is asked, and loaded for that, only where there may be a GPU.

torch may be missing: files and cameras are processed on the CPU without it.
"""

import ctypes
import sys
from importlib.util import find_spec
from pathlib import Path

from streamdet.errors import ConfigError


def has_torch() -> bool:
    """Whether torch and torchvision are installed; neither is loaded."""
    return find_spec("torch") is not None and find_spec("torchvision") is not None


def require_torch(what: str) -> None:
    """Say that torch is missing before any work is done.

    Args:
        what: needs it, such as `training`.

    Raises:
        ConfigError: if torch or torchvision is not installed.
    """
    if not has_torch():
        raise ConfigError(f"{what} needs torch, which is not installed: pip install torch torchvision")


def is_gpu(device: str) -> bool:
    """Whether a device's name means a GPU here.

    Args:
        device: auto (a GPU where there is one and torch is installed), cpu, cuda or cuda:N.

    Raises:
        ConfigError: if it is not there.
    """
    if device == "cpu" or (device == "auto" and not (has_torch() and _has_driver())):
        return False
    require_torch(f"device {device}")
    from streamdet.runtimes.torch import resolve_device

    return resolve_device(device).type == "cuda"


def _has_driver() -> bool:
    """Whether a driver of NVIDIA's or AMD's GPUs is there; torch finds no GPU without one."""
    if Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    return True
