"""What every runtime offers: one detector's step, with the state as an argument.

Shapes: B streams, T frames, H, W pixels.
"""

from typing import Protocol

from torch import Tensor

from streamdet.models.recurrent.detector import Outputs
from streamdet.models.recurrent.state import State


class Detector(Protocol):
    """A detector that is ready to run.

    Attributes:
        name: the model's name.
        classes: names of the classes it finds.
        sha256: hash of the model file, empty if it did not come from one.
        image_size: longer side of the model image in pixels that it was made for.
        training_dt_s: time between frames that it was trained at, seconds.
        runtime: what runs it and how, such as "torch cpu fp32".
    """

    @property
    def name(self) -> str: ...

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def sha256(self) -> str: ...

    @property
    def image_size(self) -> int: ...

    @property
    def training_dt_s(self) -> float: ...

    @property
    def runtime(self) -> str: ...

    def zero_state(self, streams: int, height: int, width: int) -> State:
        """Memory at a stream's start, for model images of this size in pixels."""
        ...

    def step(
        self, images_BTCHW: Tensor, state: State | None = None, dt_s: Tensor | None = None
    ) -> tuple[Outputs, State]:
        """Look at the next T frames of B streams.

        Args:
            images_BTCHW: (B, T, 3, H, W) uint8 RGB.
            state: what the step before returned; None at the start of a stream.
            dt_s: (B, T) float32, seconds since the frame before, > 0; training_dt_s when None.

        Returns:
            outputs in pixels of the given images, and the memory for the next step.

        Raises:
            ValueError: if the images have another shape or type.
            ModelError: if the device fails, for example for want of memory.
        """
        ...
