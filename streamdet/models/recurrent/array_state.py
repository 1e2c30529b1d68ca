"""The recurrent state of streams as numpy arrays, for runtimes without torch.

Shapes: B streams, D recurrent channels, H_l, W_l cells of level l.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class ArrayState:
    """State of B streams; see contract.Memory.

    Attributes:
        hidden: a level with memory each (B, D, H_l, W_l) float32, h.
        cell: the same shapes, c.
        ages: (B,) int64, frames that each stream has seen.
    """

    hidden: tuple[Array, ...]
    cell: tuple[Array, ...]
    ages: NDArray[np.int64]

    @classmethod
    def zeros(cls, streams: int, layout: Sequence[tuple[int, ...]]) -> ArrayState:
        """At the start of streams; layout: (D, H_l, W_l) of every level with memory."""
        levels = tuple(np.zeros((streams, *shape), np.float32) for shape in layout)
        return cls(levels, levels, np.zeros(streams, np.int64))

    @property
    def streams(self) -> int:
        """B."""
        return len(self.ages)

    @property
    def layout(self) -> tuple[tuple[int, ...], ...]:
        """(D, H_l, W_l) of every level."""
        return tuple(h.shape[1:] for h in self.hidden)

    def rows(self, rows: Sequence[int]) -> ArrayState:
        """See contract.Memory."""
        picked = list(rows)
        return ArrayState(tuple(h[picked] for h in self.hidden), tuple(c[picked] for c in self.cell), self.ages[picked])

    @classmethod
    def merge(cls, states: Sequence[ArrayState]) -> ArrayState:
        """See contract.Memory."""
        return cls(
            tuple(np.concatenate(level) for level in zip(*(s.hidden for s in states), strict=True)),
            tuple(np.concatenate(level) for level in zip(*(s.cell for s in states), strict=True)),
            np.concatenate([s.ages for s in states]),
        )

    def finite(self) -> NDArray[np.bool_]:
        """See contract.Memory."""
        levels = [np.isfinite(x).all(axis=(1, 2, 3)) for x in (*self.hidden, *self.cell)]
        return np.logical_and.reduce(levels) if levels else np.ones(self.streams, bool)

    def to_arrays(self) -> dict[str, Array]:
        """Named arrays for saving: age, hidden.0, cell.0, hidden.1 ..."""
        return named(self.hidden, self.cell, self.ages)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> ArrayState:
        """See contract.Detector.state_from_arrays."""
        hidden, cell, ages = levels_of(arrays)
        return cls(hidden, cell, ages)


def named(hidden: Sequence[Array], cell: Sequence[Array], ages: Array) -> dict[str, Array]:
    """Arrays of a state by name: age, hidden.0, cell.0, hidden.1 ..."""
    levels = {f"hidden.{level}": h for level, h in enumerate(hidden)}
    return {"age": ages} | levels | {f"cell.{level}": c for level, c in enumerate(cell)}


def levels_of(arrays: Mapping[str, Array]) -> tuple[tuple[Array, ...], tuple[Array, ...], NDArray[np.int64]]:
    """hidden and cell of every level, and the ages, from `named`.

    Raises:
        ValueError: if levels are missing or their shapes do not fit together.
    """
    levels = len(arrays) // 2
    if set(arrays) != {"age"} | {f"{part}.{level}" for part in ("hidden", "cell") for level in range(levels)}:
        raise ValueError(f"a state needs age, and hidden.N and cell.N for every level, got {sorted(arrays)}")
    hidden, cell = (
        tuple(np.asarray(arrays[f"{part}.{level}"], np.float32) for level in range(levels))
        for part in ("hidden", "cell")
    )
    ages = np.asarray(arrays["age"], np.int64)
    if any(h.shape != c.shape or h.ndim != 4 or len(h) != len(ages) for h, c in zip(hidden, cell, strict=True)):
        raise ValueError("age, hidden and cell of a state differ in shape")
    return hidden, cell, ages
