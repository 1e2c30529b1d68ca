"""Run detectors of other libraries in torch, an image at a time: alone and in a batch they find the same to the bit.

Shapes: B streams, T frames, H, W pixels of the model image.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from streamdet.errors import ConfigError, ModelError
from streamdet.models.contract import DetectorSpec, Memory, check_images, check_state
from streamdet.models.foreign.model import ForeignModel
from streamdet.models.options import Precision, Runtime
from streamdet.models.outputs import CandidateOutputs, Candidates
from streamdet.models.recurrent.state import State
from streamdet.runtimes.devices import is_gpu


def check_runtime(name: str, device: str, runtime: Runtime, precision: Precision) -> None:
    """Refuse with a ConfigError what detectors of other libraries do not run with, before they are loaded."""
    if runtime == "onnxruntime" or precision not in ("auto", "fp32"):
        raise ConfigError(f"{name} runs with runtime torch or openvino in fp32, not {runtime} {precision}")
    if runtime == "openvino" and device != "auto" and is_gpu(device):
        raise ConfigError("runtime openvino runs on the CPU only; use runtime torch, or device cpu")


def ready(model: ForeignModel, device: str, runtime: Runtime) -> "ForeignDetector":
    """Make a model ready to run in fp32.

    Args:
        model: on the CPU.
        device: auto, cpu, cuda or cuda:N.
        runtime: torch; openvino, for which the step is converted once for each size of images; or auto, which is
            openvino on the CPU where that was done before, and torch otherwise: converting takes longer than a clip.

    Raises:
        ConfigError: if the device or OpenVINO is not available.
    """
    from streamdet.runtimes.converted import ConvertedStep, is_converted

    on_gpu = is_gpu(device)
    if runtime == "openvino" or (runtime == "auto" and not on_gpu and is_converted(model)):
        return ForeignDetector(model, ConvertedStep(model))
    return ForeignDetector(model, TorchStep(model, device if on_gpu else "cpu"))


class Step(Protocol):
    """Looks at one image of one stream."""

    @property
    def runtime(self) -> str:
        """Such as "torch cpu fp32"."""
        ...

    @property
    def kind(self) -> type[Memory]:
        """Of its states."""
        ...

    def zero_state(self, streams: int, height: int, width: int) -> Memory:
        """See contract.Detector."""
        ...

    def state_from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Memory:
        """See contract.Detector."""
        ...

    def __call__(self, image_CHW: NDArray[np.uint8], state: Any, dt_s: float) -> tuple[dict[str, NDArray[Any]], Any]:
        """What the network says of an image, by name, and the state after it; raises what its library does."""
        ...


class ForeignDetector:
    """A detector of another library; see contract.Detector.

    Args:
        model: it in torch.
        step: runs it.
    """

    def __init__(self, model: ForeignModel, step: Step) -> None:
        self.model, self._step = model, step
        self._lock = Lock()

    @property
    def spec(self) -> DetectorSpec:
        """See contract.Detector."""
        return self.model.spec

    @property
    def runtime(self) -> str:
        """See contract.Detector."""
        return self._step.runtime

    def zero_state(self, streams: int, height: int, width: int) -> Memory:
        """See contract.Detector."""
        with self._lock, self._failing(height, width):
            return self._step.zero_state(streams, height, width)

    def state_from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Memory:
        """See contract.Detector."""
        state = self._step.state_from_arrays(arrays)
        if len(arrays) != 1 + 2 * len(self.model.memory.levels):
            raise ValueError(f"the state is not of {self.spec.name}: it has {', '.join(sorted(arrays))}")
        return state

    def step(
        self, images_BTCHW: ArrayLike, state: Memory | None = None, dt_s: ArrayLike | None = None
    ) -> tuple[CandidateOutputs, Memory]:
        """See contract.Detector."""
        images = np.asarray(images_BTCHW)
        check_images(images)
        B, T, _, H, W = images.shape
        if not isinstance(state, self._step.kind | None):
            raise TypeError(f"the state is a {type(state).__name__}, which {self.spec.name} does not know")
        zeros = self.zero_state(B, H, W)
        before = zeros if state is None else state
        check_state(before, B, zeros.layout)
        elapsed = np.full((B, T), self.spec.training_dt_s) if dt_s is None else np.asarray(dt_s)
        found: list[list[Candidates]] = []
        after = []
        for b in range(B):
            row, frames = before.rows([b]), []
            for t in range(T):
                frame, row = self._look(images[b, t], row, float(elapsed[b, t]))
                frames.append(frame)
            found.append(frames)
            after.append(row)
        return CandidateOutputs(found, self.spec.classes, self.spec.skeleton), after[0].merge(after)

    @contextmanager
    def _failing(self, height: int, width: int) -> Iterator[None]:
        """Whatever a library raises says which image it was raised for."""
        try:
            yield
        except (RuntimeError, ValueError, IndexError, AssertionError) as error:
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ModelError(
                f"{self.spec.name} failed on an image of {height}x{width} pixels: {reason}; --imgsz sets another size"
            ) from error

    def _look(self, image_CHW: NDArray[np.uint8], state: Memory, dt_s: float) -> tuple[Candidates, Memory]:
        with self._lock, self._failing(*image_CHW.shape[1:]):
            found, after = self._step(image_CHW, state, dt_s)
        return self.model.network.candidates(found, *image_CHW.shape[1:]), after


class TorchStep:
    """A model on a device, in fp32; see Step."""

    kind = State

    def __init__(self, model: ForeignModel, device: str) -> None:
        self._model = model.eval().to(device)
        self._device = device

    @property
    def runtime(self) -> str:
        """See Step."""
        return f"torch {self._device} fp32"

    def zero_state(self, streams: int, height: int, width: int) -> State:
        """See Step."""
        return self._model.zero_state(streams, height, width)

    def state_from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> State:
        """See Step."""
        return State.from_arrays(arrays).to(self._model.device)

    # Not inference mode: what some networks keep from their first call could not be trained with afterwards.
    @torch.no_grad()
    def __call__(
        self, image_CHW: NDArray[np.uint8], state: State, dt_s: float
    ) -> tuple[dict[str, NDArray[Any]], State]:
        """See Step."""
        image = torch.from_numpy(np.require(image_CHW, requirements=["C", "W"])).to(self._device)
        elapsed = torch.full((1, 1), dt_s, device=self._device)
        found, after = self._model.find(image, state.to(self._model.device), elapsed)
        arrays = {name: x.cpu().numpy() for name, x in zip(self._model.network.outputs, found, strict=True)}
        return arrays, after
