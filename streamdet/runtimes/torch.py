"""Run a detector with torch, on the CPU or a GPU."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from streamdet.errors import ConfigError, ModelError
from streamdet.models.contract import DetectorSpec, Memory
from streamdet.models.options import Precision
from streamdet.models.recurrent.detector import Outputs, RecurrentDetector
from streamdet.models.recurrent.state import State
from streamdet.runtimes.cuda import CudaStep, step_in

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class TorchDetector:
    """A RecurrentDetector on a device; see contract.Detector."""

    def __init__(self, model: RecurrentDetector, device: str = "auto", precision: Precision = "auto") -> None:
        """Move a model to a device.

        Args:
            device: auto (a GPU where there is one), cpu, cuda or cuda:N.
            precision: auto is fp32 on the CPU and bf16 on a GPU that computes in it; memory stays fp32 in all of them.

        Raises:
            ConfigError: if the device is not there or cannot do the precision.
        """
        self._device = resolve_device(device)
        on_gpu = self._device.type == "cuda"
        self._precision: str = _precision_of(self._device) if precision == "auto" else precision
        if self._precision == "int8":
            raise ConfigError("precision int8 needs the CPU and runtime openvino; use device cpu, or another precision")
        if self._precision == "fp16" and not on_gpu:
            raise ConfigError("precision fp16 needs a GPU; on the CPU use fp32 or bf16")
        self.model = model.eval().to(self._device)
        self.model.to(memory_format=torch.channels_last)
        dtype = _DTYPES.get(self._precision)
        self._step = CudaStep(self.model, dtype) if on_gpu else partial(step_in, dtype, self.model)

    @property
    def spec(self) -> DetectorSpec:
        """See contract.Detector."""
        return self.model.spec

    @property
    def runtime(self) -> str:
        """Such as "torch cpu fp32"."""
        return f"torch {self._device} {self._precision}"

    def zero_state(self, streams: int, height: int, width: int) -> State:
        """See contract.Detector."""
        return self.model.zero_state(streams, height, width)

    def state_from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """See contract.Detector."""
        return State.from_arrays(arrays).to(self._device)

    def step(
        self, images_BTCHW: ArrayLike, state: Memory | None = None, dt_s: ArrayLike | None = None
    ) -> tuple[Outputs, State]:
        """See contract.Detector; images, times and state may be torch tensors on any device."""
        if not isinstance(state, State | None):
            raise TypeError(
                f"the state is a {type(state).__name__}, which runtime torch cannot use; see state_from_arrays"
            )
        try:
            return self._step(_tensor(images_BTCHW), state, None if dt_s is None else _tensor(dt_s))
        except (torch.OutOfMemoryError, torch.AcceleratorError) as error:
            raise ModelError(f"{self._device} failed: {str(error).splitlines()[0]}") from error


def _tensor(x: ArrayLike) -> Tensor:
    """A tensor of the same values, which are copied only if nobody may write to them."""
    return x if isinstance(x, Tensor) else torch.from_numpy(np.require(x, requirements="W"))


def _precision_of(device: torch.device) -> str:
    """What a device computes in where nothing else is wished for; GPUs before Ampere only imitate bf16, slowly."""
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        return "bf16"
    return "fp32"


def resolve_device(device: str) -> torch.device:
    """What a device's name means here.

    Args:
        device: auto (a GPU where there is one), cpu, cuda or cuda:N.

    Raises:
        ConfigError: if it is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise ConfigError(f"device {device} is unknown; expected auto, cpu, cuda or cuda:N") from error
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {device} does not exist: torch sees {torch.cuda.device_count()} GPUs; use cpu or auto"
        )
    return resolved
