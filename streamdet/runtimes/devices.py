"""Which device a name means. torch is asked, and loaded for that, only where there may be a GPU."""

import ctypes
import sys
from pathlib import Path


def is_gpu(device: str) -> bool:
    """Whether a device's name means a GPU here.

    Args:
        device: auto (a GPU where there is one), cpu, cuda or cuda:N.

    Raises:
        ConfigError: if it is not there.
    """
    if device == "cpu" or (device == "auto" and not _has_driver()):
        return False
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
