"""Memory of a network's feature maps: one `RecurrentFusion` a level, whatever the network is.

Shapes: B streams, T frames, N = B T images, C channels of a level, H, W cells of it.
"""

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from streamdet.models.recurrent.fusion import RecurrentFusion
from streamdet.models.recurrent.state import State


class LevelMemory(nn.Module):
    """The memories of some levels; those of others pass by.

    Args:
        channels: of each level with memory, by its name.
        recurrent_channels: most of a level's channels that pass through memory.
    """

    def __init__(self, channels: Mapping[str, int], recurrent_channels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleDict(
            {name: RecurrentFusion(count, min(recurrent_channels, count)) for name, count in channels.items()}
        )

    def of(self, name: str) -> RecurrentFusion | None:
        """The memory of a level, if it has one."""
        return cast(RecurrentFusion, self.levels[name]) if name in self.levels else None

    def set_alpha(self, alpha: float) -> None:
        """How much memory may replace of what is seen, 0 (per frame) to 1."""
        for fusion in self.levels.values():
            cast(RecurrentFusion, fusion).alpha.fill_(alpha)

    def layout(self, shapes: Mapping[str, tuple[int, int, int]]) -> tuple[tuple[int, int, int], ...]:
        """(D, H, W) of every level with memory, for maps of these shapes (C, H, W) by name."""
        return tuple(
            (cast(RecurrentFusion, fusion).recurrent_channels, *shapes[name][1:])
            for name, fusion in self.levels.items()
        )


class Passage:
    """One clip on its way through the memory: levels come one by one, in any order.

    Args:
        memory: of the levels.
        state: of the B streams before the clip.
        dt_ratio: (B, T) float32, time since the frame before over the training's.
    """

    def __init__(self, memory: LevelMemory, state: State, dt_ratio: Tensor) -> None:
        self._memory, self._dt_ratio = memory, dt_ratio.clamp(1 / 16, 16)
        self._places = {name: place for place, name in enumerate(memory.levels)}
        self._new, self._age = state.age == 0, state.age + dt_ratio.shape[1]
        self._hidden, self._cell = list(state.hidden), list(state.cell)

    def __call__(self, name: str, x_NCHW: Tensor) -> Tensor:
        """A level with what is remembered in the place of some of it, (N, C, H, W)."""
        fusion = self._memory.of(name)
        if fusion is None:
            return x_NCHW
        place = self._places[name]
        x_BTCHW = x_NCHW.view(*self._dt_ratio.shape, *x_NCHW.shape[1:])
        remembered, self._hidden[place], self._cell[place] = fusion.remember(
            x_BTCHW, self._hidden[place], self._cell[place], self._dt_ratio, self._new
        )
        return fusion.blend(x_BTCHW, remembered).flatten(0, 1)

    @property
    def state(self) -> State:
        """After the clip."""
        return State(tuple(self._hidden), tuple(self._cell), self._age)
