"""The memory of streams, as a value: what goes into a step and comes out of it.

Shapes: B streams, D recurrent channels, H_l, W_l cells of level l.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """Memory of B streams.

    Attributes:
        hidden: a level each (B, D, H_l, W_l) float32, h.
        cell: the same shapes, c.
    """

    hidden: tuple[Tensor, ...]
    cell: tuple[Tensor, ...]

    @property
    def streams(self) -> int:
        """B."""
        return len(self.hidden[0]) if self.hidden else 0

    @property
    def device(self) -> torch.device:
        """Where it is; the CPU without levels."""
        return self.hidden[0].device if self.hidden else torch.device("cpu")

    def detach(self) -> State:
        """The same values without their history; ends back-propagation through time."""
        return State(tuple(h.detach() for h in self.hidden), tuple(c.detach() for c in self.cell))

    def to(self, device: torch.device) -> State:
        """The same values on a device; what is there already is not copied."""
        return State(tuple(h.to(device) for h in self.hidden), tuple(c.to(device) for c in self.cell))

    def rows(self, rows: Sequence[int]) -> State:
        """The memory of some of the streams, one at least, copied."""

        def picked(x: Tensor) -> Tensor:
            # An index tensor would be uploaded, for which a GPU's queue must run empty.
            return torch.stack([x[row] for row in rows])

        return State(tuple(picked(h) for h in self.hidden), tuple(picked(c) for c in self.cell))

    def keep_where(self, kept: Tensor) -> State:
        """Zero the memory of streams where `kept`, (B,) bool, is False."""

        def masked(x: Tensor) -> Tensor:
            return torch.where(kept.to(x.device)[:, None, None, None], x, torch.zeros_like(x))

        return State(tuple(masked(h) for h in self.hidden), tuple(masked(c) for c in self.cell))

    def finite(self) -> list[bool]:
        """Which streams' memory holds no NaN or infinity."""
        levels = [torch.isfinite(x).flatten(1).all(dim=1) for x in (*self.hidden, *self.cell)]
        finite: list[bool] = torch.stack(levels).all(dim=0).tolist() if levels else []
        return finite

    def tensors(self) -> dict[str, Tensor]:
        """Named tensors for saving: hidden.0, cell.0, hidden.1 ..."""
        named = {f"hidden.{level}": h for level, h in enumerate(self.hidden)}
        return named | {f"cell.{level}": c for level, c in enumerate(self.cell)}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, Tensor]) -> State:
        """Rebuild from `tensors()`.

        Raises:
            ValueError: if levels are missing or their shapes do not fit together.
        """
        levels = len(tensors) // 2
        names = {f"{part}.{level}" for part in ("hidden", "cell") for level in range(levels)}
        if names != set(tensors):
            raise ValueError(f"a state needs hidden.N and cell.N for every level, got {sorted(tensors)}")
        hidden = tuple(tensors[f"hidden.{level}"] for level in range(levels))
        cell = tuple(tensors[f"cell.{level}"] for level in range(levels))
        if any(h.shape != c.shape for h, c in zip(hidden, cell, strict=True)):
            raise ValueError("hidden and cell differ in shape")
        return cls(hidden, cell)


def concatenate(states: Sequence[State]) -> State:
    """Memory of all the streams of several states, in order."""
    return State(
        tuple(torch.cat(level) for level in zip(*(s.hidden for s in states), strict=True)),
        tuple(torch.cat(level) for level in zip(*(s.cell for s in states), strict=True)),
    )


class StateBank:
    """One memory a stream, gathered for a batch of any streams and scattered back.

    Streams may come, stall, change their size and go in any order: a stream that the bank does not know, or whose
    picture has changed its size, starts from zeros.
    """

    def __init__(self) -> None:
        self._states: dict[str, State] = {}
        self.reset_counts: dict[str, int] = {}
        """Resets of a stream's memory because it was not finite."""

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, stream: str) -> bool:
        return stream in self._states

    def gather(self, streams: Sequence[str], zeros: State) -> State:
        """Memory of these streams as one batch.

        Args:
            streams: names, each once.
            zeros: memory of one stream at its start; gives the shapes and the device.
        """
        shapes = [h.shape for h in zeros.hidden]
        rows = []
        for stream in streams:
            state = self._states.get(stream)
            fits = state is not None and [h.shape for h in state.hidden] == shapes
            rows.append(state if state is not None and fits else zeros)
        # One that was saved comes back on the CPU.
        rows = [row.to(zeros.device) for row in rows]
        return rows[0] if len(rows) == 1 else concatenate(rows)

    def scatter(self, streams: Sequence[str], state: State) -> None:
        """Store the memory of these streams; one that is not finite starts anew and is counted."""
        for row, (stream, ok) in enumerate(zip(streams, state.finite(), strict=True)):
            if ok:
                self._states[stream] = state if len(streams) == 1 else state.rows([row])
            else:
                self.drop(stream)
                self.reset_counts[stream] = self.reset_counts.get(stream, 0) + 1

    def drop(self, stream: str) -> None:
        """Forget a stream; it starts anew if it comes back."""
        self._states.pop(stream, None)

    def snapshot(self, stream: str) -> State | None:
        """Memory of one stream, copied; None before its first frame."""
        state = self._states.get(stream)
        return None if state is None else state.rows([0])

    def restore(self, stream: str, state: State) -> None:
        """Put a snapshot back.

        Raises:
            ValueError: if it is not the memory of exactly one stream.
        """
        if state.streams != 1:
            raise ValueError(f"a snapshot is of one stream, this is of {state.streams}")
        self._states[stream] = state.rows([0])
