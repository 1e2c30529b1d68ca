"""What every detector offers, whatever it is made of and whatever runs it: one step, the recurrent state an argument.

Only numpy is in the signatures; torch tensors stay inside the runtimes that use torch. A detector of another library is
an adapter that offers this, see `models.outputs`, `models.per_frame` and `models.registry`.

Shapes: B streams, T frames, H, W pixels of the model image.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamdet.boxes import Letterbox
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.models.options import KEEP, DetectOptions
from streamdet.skeleton import Skeleton


@dataclass(frozen=True, slots=True)
class InputSpec:
    """Which images a detector takes.

    Attributes:
        size: longer side of the model image in pixels, unless a run asks for another.
        multiple: the model image's sides are multiples of this many pixels.
        fit: how a frame becomes a model image. pad: scaled with its proportions, then filled up at the right and the
            bottom as far as `multiple` needs; square: filled up to a square; stretch: scaled to the square, its
            proportions lost.
        padding: value of the pixels that only fill up, 0 to 255.
        fixed: (height, width) where the detector takes no other model image.
        channel_order: of the network's input; model images are RGB in any case.
        scale: what a pixel's value, 0 to 255, is multiplied by for the network.
        mean, std: of each channel of the network's input: after scaling, the mean is subtracted, and the rest divided
            by std.
    """

    size: int
    multiple: int = 32
    fit: Literal["pad", "stretch", "square"] = "pad"
    padding: int = 114
    fixed: tuple[int, int] | None = None
    channel_order: Literal["rgb", "bgr"] = "rgb"
    scale: float = 1.0
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)

    def check_size(self, image_size: int | tuple[int, int] | None) -> None:
        """Make sure that the detector takes images of a size; see letterbox.

        Raises:
            ConfigError: it does not.
        """
        if self.fixed is not None and image_size not in (None, self.fixed, max(self.fixed)):
            raise ConfigError("the model takes images of {}x{} pixels only: leave the size out".format(*self.fixed))

    def letterbox(
        self,
        width: int,
        height: int,
        image_size: int | tuple[int, int] | None = None,
        pixel_aspect: Fraction = Fraction(1),
    ) -> Letterbox:
        """How frames of a size become model images.

        Args:
            width, height: pixels of the frame.
            image_size: the longer side in pixels, or (height, width) that the frame must fit into; `size` when None.
            pixel_aspect: width of a pixel of the frame over its height.

        Raises:
            ConfigError: if the detector does not take images of this size.
        """
        self.check_size(image_size)
        size = self.fixed or image_size or self.size
        fitted = Letterbox.fit(width, height, size, self.multiple, pixel_aspect)
        if self.fit == "pad" and self.fixed is None:
            return fitted
        box = (size, size) if isinstance(size, int) else size
        model_height, model_width = (-(-side // self.multiple) * self.multiple for side in box)
        fitted = replace(fitted, model_width=model_width, model_height=model_height)
        return (
            fitted if self.fit != "stretch" else replace(fitted, scaled_width=model_width, scaled_height=model_height)
        )

    def to_network(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Model images, (..., 3, H, W) uint8 RGB, as float32 of the same shape, in this order and scale."""
        ordered = images if self.channel_order == "rgb" else images[..., ::-1, :, :]
        mean, std = (np.array(values, np.float32)[:, None, None] for values in (self.mean, self.std))
        values = np.ascontiguousarray(ordered, np.float32)
        values *= self.scale / std
        values -= mean / std
        return values


@dataclass(frozen=True, slots=True)
class DetectorSpec:
    """What is known of a detector before it runs.

    Attributes:
        name: the model's name.
        classes: names of the classes that it finds.
        sha256: hash of the model file, empty if it did not come from one.
        input: which images it takes.
        training_dt_s: time between frames that it was trained at, seconds, > 0.
        embedding_size: numbers in a row of `Detections.embeddings`; 0 where its detections have none.
        skeleton: of the keypoints that its detections have; None where they have none.
    """

    name: str
    classes: tuple[str, ...]
    sha256: str
    input: InputSpec
    training_dt_s: float = 0.1
    embedding_size: int = 0
    skeleton: Skeleton | None = None


class Outputs(Protocol):
    """What a step found in T frames of each of B streams."""

    def detections(self, options: DetectOptions = KEEP) -> list[list[Detections]]:
        """The boxes worth showing, best first, in pixels of the model images: a list of T for each of the B streams."""
        ...

    def regroup(self, streams: int, frames: int) -> Self:
        """The same frames, in their order, as streams x frames; as many as there are."""
        ...


class Memory(Protocol):
    """The recurrent state of B streams, as a value: nothing changes one that was given or returned."""

    @property
    def streams(self) -> int:
        """B, also of a detector that remembers nothing."""
        ...

    @property
    def ages(self) -> NDArray[np.int64]:
        """(B,) int64: how many frames each stream has seen; 0 at its start."""
        ...

    @property
    def layout(self) -> Hashable:
        """Equal where states can be merged: those of one detector and one size of model images."""
        ...

    def rows(self, rows: Sequence[int]) -> Self:
        """The state of some of the streams, one at least, copied."""
        ...

    @classmethod
    def merge(cls, states: Sequence[Self]) -> Self:
        """The state of all the streams of several states of one layout, in order."""
        ...

    def finite(self) -> NDArray[np.bool_]:
        """(B,) bool: which streams' state holds no NaN or infinity."""
        ...

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for saving; `Detector.state_from_arrays` reads them."""
        ...


class Detector(Protocol):
    """A detector that is ready to run."""

    @property
    def spec(self) -> DetectorSpec:
        """What it is and which images it takes."""
        ...

    @property
    def runtime(self) -> str:
        """What runs it and how, such as "torch cpu fp32"."""
        ...

    def zero_state(self, streams: int, height: int, width: int) -> Memory:
        """State at the start of streams, for model images of this size in pixels."""
        ...

    def state_from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> Memory:
        """What `Memory.to_arrays` gave, also of another runtime.

        Raises:
            ValueError: if it is not the state of such a detector.
        """
        ...

    def step(
        self, images_BTCHW: ArrayLike, state: Memory | None = None, dt_s: ArrayLike | None = None
    ) -> tuple[Outputs, Memory]:
        """Look at the next T frames of B streams.

        Args:
            images_BTCHW: (B, T, 3, H, W) uint8 RGB, in anything that numpy can view, such as a torch tensor.
            state: what the step before returned; None at the start of the streams.
            dt_s: (B, T) float32, seconds since the frame before, > 0; the training's when None.

        Returns:
            outputs in pixels of the given images, and the state for the next step.

        Raises:
            ValueError: if the images have another shape or type, or the state is of other streams or images.
            TypeError: if the state is of another kind of detector.
            ModelError: if the device fails, for example for want of memory.
        """
        ...


def check_images(images_BTCHW: Any) -> None:
    """Refuse with a ValueError what is not (B, T, 3, H, W) uint8 with a stream and a frame at least."""
    shape, kind = tuple(images_BTCHW.shape), str(images_BTCHW.dtype).removeprefix("torch.")
    if len(shape) != 5 or shape[2] != 3 or kind != "uint8":
        raise ValueError(f"images must be (B, T, 3, H, W) uint8, got {shape} {kind}")
    if not shape[0] or not shape[1]:
        raise ValueError(
            f"images must hold at least one stream and one frame, got {shape[0]} streams of {shape[1]} frames"
        )


def check_state(state: Memory, streams: int, layout: Hashable) -> None:
    """Refuse with a ValueError a state that is not of so many streams and this layout."""
    if (state.streams, state.layout) != (streams, layout):
        raise ValueError(
            f"the state belongs to other streams or images: expected {streams} streams of {layout}, "
            f"got {state.streams} of {state.layout}"
        )
