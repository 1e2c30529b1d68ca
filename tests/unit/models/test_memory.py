"""A bank of states: every stream its own, whatever the detector remembers."""

from typing import Any

import numpy as np
import pytest

from streamdet.models.memory import MemoryBank, NoMemory
from streamdet.models.recurrent.array_state import ArrayState


def _state(*values: float, size: int = 2) -> ArrayState:
    x = np.stack([np.full((3, size, size), v, np.float32) for v in values])
    return ArrayState((x, x + 0.5), (x * 2, x * 3), np.arange(1, len(values) + 1))


def _hidden(state):
    return state.hidden[0][:, 0, 0, 0].tolist()


def test_bank_returns_each_stream_its_own_state_in_any_order():
    bank, zeros = MemoryBank(), ArrayState.zeros(1, [(3, 2, 2)] * 2)
    bank.scatter(["a", "b", "c"], _state(1.0, 2.0, 3.0))
    gathered: Any = bank.gather(["c", "new", "a"], zeros)
    assert _hidden(gathered) == [3.0, 0.0, 1.0]
    assert gathered.cell[1][:, 0, 0, 0].tolist() == [9.0, 0.0, 3.0]
    assert gathered.ages.tolist() == [3, 0, 1]


def test_streams_join_stall_and_leave():
    """Ten streams in random batches hold what each would hold alone."""
    bank, zeros = MemoryBank(), ArrayState.zeros(1, [(3, 2, 2)])
    alone: dict[str, float] = {}
    dice = np.random.default_rng(0)
    for _ in range(200):
        names = [f"cam{i}" for i in dice.permutation(10)[: dice.integers(1, 6)]]
        state: Any = bank.gather(names, zeros)
        bank.scatter(names, ArrayState(tuple(h + 1 for h in state.hidden), state.cell, state.ages + 1))
        for name in names:
            alone[name] = alone.get(name, 0.0) + 1
        if dice.random() < 0.2:
            bank.drop(names[0])
            alone.pop(names[0])
    assert len(bank) == len(alone)
    for name, value in alone.items():
        state = bank.gather([name], zeros)
        assert (state.hidden[0].max(), state.ages.tolist()) == (value, [value])


def test_a_detector_without_memory_has_streams_and_ages():
    bank, zeros = MemoryBank(), NoMemory.zeros(1)
    for names in (["a", "b"], ["b"]):
        state: Any = bank.gather(names, zeros)
        bank.scatter(names, state.after(5))
    assert bank.gather(["new", "b", "a"], zeros).ages.tolist() == [0, 10, 5]
    assert bank.snapshot("b").to_arrays()["age"].tolist() == [10]
    with pytest.raises(ValueError, match=r"without memory has the state age alone, got age, hidden\.0"):
        NoMemory.from_arrays({"age": np.zeros(1), "hidden.0": np.zeros(1)})


def test_a_stream_that_changes_its_size_starts_from_zeros():
    bank = MemoryBank()
    bank.scatter(["a"], _state(4.0, size=2))
    state: Any = bank.gather(["a"], ArrayState.zeros(1, [(3, 3, 3)] * 2))
    assert state.hidden[0].max() == 0
    assert state.ages.tolist() == [0]


def test_a_state_that_is_not_finite_starts_from_zeros_and_is_counted():
    bank = MemoryBank()
    bank.scatter(["good", "bad"], _state(1.0, float("nan")))
    assert bank.reset_counts == {"bad": 1}
    assert "bad" not in bank
    assert _hidden(bank.gather(["good", "bad"], ArrayState.zeros(1, [(3, 2, 2)] * 2))) == [1.0, 0.0]


def test_snapshot_is_a_copy():
    bank = MemoryBank()
    bank.scatter(["a"], _state(1.0))
    snapshot: Any = bank.snapshot("a")
    gathered: Any = bank.gather(["a"], _state(0.0))
    gathered.hidden[0].fill(7.0)
    assert snapshot.hidden[0].max() == 1.0
    assert bank.snapshot("unknown") is None


def test_restore_fails_for_several_streams():
    with pytest.raises(ValueError, match="one stream, this is of 2"):
        MemoryBank().restore("a", _state(1.0, 2.0))
