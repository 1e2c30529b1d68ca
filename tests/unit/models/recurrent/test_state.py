import pytest
import torch

from streamdet.models.recurrent.state import State, StateBank


def _state(*values: float, size: int = 2) -> State:
    x = torch.stack([torch.full((3, size, size), v) for v in values])
    return State((x, x + 0.5), (x * 2, x * 3))


def test_bank_returns_each_stream_its_own_memory_in_any_order():
    bank, zeros = StateBank(), _state(0.0)
    bank.scatter(["a", "b", "c"], _state(1.0, 2.0, 3.0))
    gathered = bank.gather(["c", "new", "a"], zeros)
    assert gathered.hidden[0][:, 0, 0, 0].tolist() == [3.0, 0.0, 1.0]
    assert gathered.cell[1][:, 0, 0, 0].tolist() == [9.0, 0.0, 3.0]


def test_bank_streams_join_stall_and_leave():
    """Ten streams in random batches hold what each would hold alone."""
    bank, zeros = StateBank(), _state(0.0)
    alone: dict[str, float] = {}
    generator = torch.Generator().manual_seed(0)
    for _ in range(200):
        count = int(torch.randint(1, 6, (), generator=generator))
        names = [f"cam{i}" for i in torch.randperm(10, generator=generator)[:count].tolist()]
        state = bank.gather(names, zeros)
        bank.scatter(names, State(tuple(h + 1 for h in state.hidden), state.cell))
        for name in names:
            alone[name] = alone.get(name, 0.0) + 1
        if torch.rand((), generator=generator) < 0.2:
            bank.drop(names[0])
            alone.pop(names[0])
    assert len(bank) == len(alone)
    for name, value in alone.items():
        assert bank.gather([name], zeros).hidden[0].max() == value


def test_bank_starts_anew_after_a_change_of_size():
    bank = StateBank()
    bank.scatter(["a"], _state(4.0, size=2))
    assert bank.gather(["a"], _state(0.0, size=3)).hidden[0].abs().max() == 0


def test_bank_brings_a_saved_memory_to_where_the_others_are():
    """What --resume and --state-in restore is on the CPU; `meta` stands for a GPU."""
    bank, there = StateBank(), torch.device("meta")
    bank.restore("saved", _state(4.0))
    for names in (["saved"], ["saved", "new"]):
        gathered = bank.gather(names, _state(0.0).to(there))
        assert {x.device for x in gathered.tensors().values()} == {there}
        assert gathered.streams == len(names)


def test_bank_resets_and_counts_a_state_that_is_not_finite():
    bank, zeros = StateBank(), _state(0.0)
    bank.scatter(["good", "bad"], _state(1.0, float("nan")))
    assert bank.reset_counts == {"bad": 1}
    assert bank.gather(["good", "bad"], zeros).hidden[0][:, 0, 0, 0].tolist() == [1.0, 0.0]


def test_snapshot_restores_bit_equal(detector, images):
    """A stream that is stopped, saved and restored goes on exactly as if nothing had happened."""
    _, state = detector.step(images[:1, :3])
    bank = StateBank()
    bank.scatter(["a"], state)
    saved = {name: tensor.clone() for name, tensor in bank.snapshot("a").tensors().items()}
    expected, _ = detector.step(images[:1, 3:4], state)
    bank.scatter(["a"], _state(9.0))
    bank.restore("a", State.of_tensors(saved))
    outputs, _ = detector.step(images[:1, 3:4], bank.gather(["a"], detector.zero_state(1, 64, 96)))
    assert torch.equal(outputs.scores, expected.scores)
    assert torch.equal(outputs.boxes, expected.boxes)


def test_snapshot_is_a_copy():
    bank = StateBank()
    bank.scatter(["a"], _state(1.0))
    snapshot = bank.snapshot("a")
    bank.gather(["a"], _state(0.0)).hidden[0].fill_(7.0)
    assert snapshot.hidden[0].max() == 1.0
    assert bank.snapshot("unknown") is None


def test_keep_where_zeroes_the_others():
    kept = _state(1.0, 2.0).keep_where(torch.tensor([False, True]))
    assert kept.hidden[0][:, 0, 0, 0].tolist() == [0.0, 2.0]
    # A NaN must not survive a reset: 0 * NaN would be NaN.
    assert torch.isfinite(_state(float("nan")).keep_where(torch.tensor([False])).hidden[0]).all()


def test_restore_fails_for_several_streams():
    with pytest.raises(ValueError, match="one stream, this is of 2"):
        StateBank().restore("a", _state(1.0, 2.0))


@pytest.mark.parametrize(
    "broken", [{"hidden.0": torch.zeros(1)}, {"hidden.0": torch.zeros(1), "cell.1": torch.zeros(1)}]
)
def test_of_tensors_fails_when_levels_are_missing(broken):
    with pytest.raises(ValueError, match="state needs"):
        State.of_tensors(broken)
