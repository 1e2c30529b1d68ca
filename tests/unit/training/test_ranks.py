"""One process; two of them are in tests/e2e/test_training_stops.py."""

import pytest
import torch
from torch import nn

from streamdet.errors import ConfigError
from streamdet.training.ranks import Ranks, joined


def test_one_process_is_its_own_sum_and_mean():
    parameter = nn.Parameter(torch.ones(3))
    parameter.grad = torch.full((3,), 2.0)
    values = torch.tensor([1.0, 4.0])
    assert Ranks().sum_gradients([parameter], values) is values
    assert parameter.grad.tolist() == [2.0] * 3
    assert Ranks().sum(values) is values
    Ranks().mean([values])
    assert values.tolist() == [1.0, 4.0]
    with Ranks().first_alone():
        pass


def test_without_a_launcher_there_is_one_process(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with joined(torch.device("cpu")) as (ranks, device):
        assert ranks == Ranks(0, 1)
        assert device == torch.device("cpu")


def test_more_processes_than_gpus_fail(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with (
        pytest.raises(ConfigError, match="process 2 of this machine has no GPU: torch sees 2"),
        joined(torch.device("cuda")),
    ):
        pass
