"""The recurrent state of streams as torch tensors.

Shapes: B streams, D recurrent channels, H_l, W_l cells of level l.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdet.models.recurrent.array_state import levels_of, named


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """State of B streams; see contract.Memory.

    Attributes:
        hidden: a level with memory each (B, D, H_l, W_l) float32, h.
        cell: the same shapes, c.
        age: (B,) int64, frames that each stream has seen.
    """

    hidden: tuple[Tensor, ...]
    cell: tuple[Tensor, ...]
    age: Tensor

    @classmethod
    def zeros(cls, streams: int, layout: Sequence[tuple[int, ...]], device: torch.device) -> State:
        """At the start of streams; layout: (D, H_l, W_l) of every level with memory."""
        levels = tuple(torch.zeros((streams, *shape), device=device) for shape in layout)
        return cls(levels, levels, torch.zeros(streams, dtype=torch.int64, device=device))

    @property
    def streams(self) -> int:
        """B."""
        return len(self.age)

    @property
    def ages(self) -> NDArray[np.int64]:
        """See contract.Memory."""
        return np.asarray(self.age.cpu().numpy(), np.int64)

    @property
    def layout(self) -> tuple[tuple[int, ...], ...]:
        """(D, H_l, W_l) of every level."""
        return tuple(tuple(h.shape[1:]) for h in self.hidden)

    def each(self, change: Callable[[Tensor], Tensor]) -> State:
        """Every tensor changed."""
        return State(tuple(map(change, self.hidden)), tuple(map(change, self.cell)), change(self.age))

    def detach(self) -> State:
        """The same values without their history; ends back-propagation through time."""
        return self.each(Tensor.detach)

    def to(self, device: torch.device) -> State:
        """The same values on a device; what already exists is not copied."""
        return self.each(lambda x: x.to(device))

    def rows(self, rows: Sequence[int]) -> State:
        """See contract.Memory."""
        # An index tensor would be uploaded, for which a GPU's queue must run empty.
        return self.each(lambda x: torch.stack([x[row] for row in rows]))

    @classmethod
    def merge(cls, states: Sequence[State]) -> State:
        """See contract.Memory."""
        return cls(
            tuple(torch.cat(level) for level in zip(*(s.hidden for s in states), strict=True)),
            tuple(torch.cat(level) for level in zip(*(s.cell for s in states), strict=True)),
            torch.cat([s.age for s in states]),
        )

    def keep_where(self, kept: Tensor) -> State:
        """Back to the start where `kept`, (B,) bool, is False."""

        def masked(x: Tensor) -> Tensor:
            return torch.where(kept.to(x.device).view(-1, *[1] * (x.ndim - 1)), x, torch.zeros_like(x))

        return self.each(masked)

    def finite(self) -> NDArray[np.bool_]:
        """See contract.Memory."""
        levels = [torch.isfinite(x).flatten(1).all(dim=1) for x in (*self.hidden, *self.cell)]
        return torch.stack(levels).all(dim=0).cpu().numpy() if levels else np.ones(self.streams, bool)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Named arrays for saving: age, hidden.0, cell.0, hidden.1 ..."""
        hidden, cell = ([x.detach().cpu().numpy() for x in part] for part in (self.hidden, self.cell))
        return named(hidden, cell, self.ages)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> State:
        """See contract.Detector.state_from_arrays; on the CPU."""
        hidden, cell, ages = levels_of(arrays)
        return cls(tuple(map(torch.tensor, hidden)), tuple(map(torch.tensor, cell)), torch.tensor(ages))
