"""The states of many streams, gathered for a step and scattered back; and the state of a detector that has none.

Shapes: B streams.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.models.contract import Memory


@dataclass(frozen=True, slots=True, eq=False)
class NoMemory:
    """The state of a per-frame detector: how many frames each stream has seen.

    Attributes:
        ages: (B,) int64.
    """

    ages: NDArray[np.int64]

    @classmethod
    def zeros(cls, streams: int) -> NoMemory:
        """At the start of streams."""
        return cls(np.zeros(streams, np.int64))

    @property
    def streams(self) -> int:
        """B."""
        return len(self.ages)

    @property
    def layout(self) -> str:
        """The same for images of any size."""
        return "no memory"

    def after(self, frames: int) -> NoMemory:
        """The state so many frames later."""
        return NoMemory(self.ages + frames)

    def rows(self, rows: Sequence[int]) -> NoMemory:
        """See contract.Memory."""
        return NoMemory(self.ages[list(rows)])

    @classmethod
    def merge(cls, states: Sequence[NoMemory]) -> NoMemory:
        """See contract.Memory."""
        return cls(np.concatenate([state.ages for state in states]))

    def finite(self) -> NDArray[np.bool_]:
        """See contract.Memory."""
        return np.ones(len(self.ages), bool)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """See contract.Memory."""
        return {"age": self.ages}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> NoMemory:
        """See contract.Detector.state_from_arrays."""
        if set(arrays) != {"age"}:
            raise ValueError(f"a detector without memory has the state age alone, got {', '.join(sorted(arrays))}")
        return cls(np.asarray(arrays["age"], np.int64))


class MemoryBank:
    """One state a stream, gathered for a batch of any streams and scattered back.

    Streams may come, stall, change their size and go in any order: a stream that the bank does not know, or whose
    model images have changed their size, starts from zeros.
    """

    def __init__(self) -> None:
        self._states: dict[str, Memory] = {}
        self.reset_counts: dict[str, int] = {}
        """Resets of a stream's state because it was not finite."""

    def __len__(self) -> int:
        return len(self._states)

    def __contains__(self, stream: str) -> bool:
        return stream in self._states

    def gather(self, streams: Sequence[str], zeros: Memory) -> Memory:
        """State of these streams as one batch.

        Args:
            streams: names, each once.
            zeros: state of one stream at its start.
        """
        known = [self._states.get(stream, zeros) for stream in streams]
        rows = [state if state.layout == zeros.layout else zeros for state in known]
        return rows[0] if len(rows) == 1 else zeros.merge(rows)

    def scatter(self, streams: Sequence[str], state: Memory) -> None:
        """Store the state of these streams; one that is not finite starts from zeros and is counted."""
        for row, (stream, ok) in enumerate(zip(streams, state.finite().tolist(), strict=True)):
            if ok:
                self._states[stream] = state if len(streams) == 1 else state.rows([row])
            else:
                self.drop(stream)
                self.reset_counts[stream] = self.reset_counts.get(stream, 0) + 1

    def drop(self, stream: str) -> None:
        """Forget a stream; it starts from zeros if it comes back."""
        self._states.pop(stream, None)

    def snapshot(self, stream: str) -> Memory | None:
        """State of one stream, copied; None before its first frame."""
        state = self._states.get(stream)
        return None if state is None else state.rows([0])

    def restore(self, stream: str, state: Memory) -> None:
        """Put a snapshot back.

        Raises:
            ValueError: if it is not the state of exactly one stream.
        """
        if state.streams != 1:
            raise ValueError(f"a snapshot is of one stream, this is of {state.streams}")
        self._states[stream] = state.rows([0])
