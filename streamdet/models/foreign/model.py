"""A detector of another library with a memory of its feature maps.

Shapes: B streams, T frames, H, W pixels of the model image.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamdet.models.contract import DetectorSpec
from streamdet.models.foreign.memory import LevelMemory, Passage
from streamdet.models.foreign.tap import tapped
from streamdet.models.outputs import Candidates
from streamdet.models.recurrent.state import State

Shapes = Mapping[str, tuple[int, int, int]]


class Network(nn.Module, ABC):
    """A detector of another library, a frame at a time; its weights keep their names in `model`.

    Attributes:
        model: the library's own.
        spec: what it is and which images it takes.
        outputs: names of what `find` gives, in its order.
    """

    model: Any
    spec: DetectorSpec
    outputs: tuple[str, ...]

    @property
    def facts(self) -> Mapping[str, Any]:
        """What it is built from beside its weights, as JSON can hold it."""
        return {"kind": type(self.model).__name__}

    @property
    @abstractmethod
    def taps(self) -> Mapping[str, nn.Module]:
        """Modules that give the feature maps which the heads read, see tap.tapped; empty where there are none."""

    @abstractmethod
    def find(self, image_CHW: Tensor) -> tuple[Tensor, ...]:
        """What it says of one image, (3, H, W) uint8 RGB; in evaluation mode, and traceable."""

    @property
    @abstractmethod
    def backbone(self) -> nn.Module:
        """What sees the picture before any head does."""

    @abstractmethod
    def look(self, images_NCHW: Tensor) -> None:
        """Compute the feature maps of images, (N, 3, H, W) float32 RGB, 0 to 255, which pass through the taps."""

    @abstractmethod
    def candidates(self, found: Mapping[str, NDArray[Any]], height: int, width: int) -> Candidates:
        """Boxes in pixels of an image of this size, from what `find` said, by name."""

    @abstractmethod
    def losses(self, images: Tensor, targets: Sequence[Mapping[str, Tensor]], rows: Sequence[int]) -> dict[str, Tensor]:
        """Its own losses.

        Args:
            images: (N, 3, H, W) float32, 0 to 255, whose features are computed.
            targets: of the frames `rows`: boxes (M, 4) float32 xyxy in pixels, and class_ids (M,) int64 of the
                spec's classes.
            rows: the frames with targets, one at least, ascending; the others add nothing to the loss.
        """

    def train(self, mode: bool = True) -> Self:
        """As of every module, but for the norms of batches: consecutive frames are one scene, and no sample of many."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()
        return self


class ForeignModel(nn.Module):
    """A network, and the memory that is put into it from outside.

    Args:
        network: of another library.
        memory: of some of its feature maps, or of none.
    """

    def __init__(self, network: Network, memory: LevelMemory) -> None:
        super().__init__()
        self.network, self.memory = network, memory
        self._shapes: dict[tuple[int, int], Shapes] = {}

    @property
    def spec(self) -> DetectorSpec:
        """What it is and which images it takes."""
        return self.network.spec

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.network.parameters()).device

    def zero_state(self, streams: int, height: int, width: int) -> State:
        """State at the start of streams, for images of this size in pixels."""
        if not len(self.memory.levels):
            return State.zeros(streams, (), self.device)
        size = height, width
        if size not in self._shapes:
            self._shapes[size] = map_shapes(self.network, height, width)
        return State.zeros(streams, self.memory.layout(self._shapes[size]), self.device)

    def find(self, image_CHW: Tensor, state: State, dt_s: Tensor) -> tuple[tuple[Tensor, ...], State]:
        """Look at the next frame of one stream.

        Args:
            image_CHW: (3, H, W) uint8 RGB.
            state: of one stream.
            dt_s: (1, 1) float32, seconds since the frame before, > 0.

        Returns:
            what Network.find gives, and the state after the frame.
        """
        passage = self._passage(state, dt_s)
        with tapped(self._taps, passage):
            found = self.network.find(image_CHW)
        return found, passage.state

    def losses(
        self,
        images_BTCHW: Tensor,
        targets: Sequence[Mapping[str, Tensor]],
        rows: Sequence[int],
        state: State,
        dt_s: Tensor,
    ) -> tuple[dict[str, Tensor], State]:
        """Losses of the frames `rows` of a clip, all of which pass through memory; see Network.losses."""
        passage = self._passage(state, dt_s)
        chosen = torch.tensor(list(rows), device=images_BTCHW.device)

        def change(name: str, x: Tensor) -> Tensor:
            return passage(name, x)[chosen]

        with tapped(self.network.taps, change):
            losses = self.network.losses(images_BTCHW.flatten(0, 1).float(), targets, rows)
        return losses, passage.state

    def watch(self, images_BTCHW: Tensor, state: State, dt_s: Tensor) -> State:
        """The state after a clip of which nothing is asked; arguments as in `losses`."""
        passage = self._passage(state, dt_s)
        with tapped(self._taps, passage):
            self.network.look(images_BTCHW.flatten(0, 1).float())
        return passage.state

    def set_alpha(self, alpha: float) -> None:
        """How much memory may replace of what is seen, 0 (per frame) to 1."""
        self.memory.set_alpha(alpha)

    @property
    def _taps(self) -> Mapping[str, nn.Module]:
        return self.network.taps if len(self.memory.levels) else {}

    def _passage(self, state: State, dt_s: Tensor) -> Passage:
        return Passage(self.memory, state, dt_s / self.spec.training_dt_s)


@torch.no_grad()
def feature_maps(network: Network, images_NCHW: Tensor) -> dict[str, Tensor]:
    """The feature maps of images, (N, 3, H, W) RGB, 0 to 255, each (N, C, H_l, W_l) by name."""
    maps: dict[str, Tensor] = {}

    def note(name: str, x: Tensor) -> Tensor:
        maps[name] = x
        return x

    with tapped(network.taps, note):
        network.look(images_NCHW.float())
    return maps


def map_shapes(network: Network, height: int, width: int) -> Shapes:
    """(C, H_l, W_l) of every feature map by name, for images of this size in pixels."""
    device = next(network.parameters()).device
    maps = feature_maps(network, torch.zeros(1, 3, height, width, device=device))
    return {name: (x.shape[1], x.shape[2], x.shape[3]) for name, x in maps.items()}
