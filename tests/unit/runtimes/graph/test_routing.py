import pytest
import torch

from streamdet.runtimes.graph.routing import routes


@pytest.mark.parametrize(("units", "width"), [(1, 4), (4, 58), (8, 116), (4, 232), (3, 3), (5, 1)])
def test_channels_end_up_where_shuffling_brings_them(units, width):
    """Every channel carries a number of its own through units as they are defined: halve, work, join, shuffle."""

    def branch(number):
        return torch.arange(width) + 1000 * number

    def shuffle(one, other):
        return torch.stack((one, other), dim=1).flatten()

    takes = [torch.tensor([1000 * source + channel for source, channel in take]) for take in routes(units, width)]
    x = shuffle(branch(0), branch(1))
    for unit in range(1, units):
        passed, worked_on = x.split(width)
        assert takes[unit - 1].tolist() == worked_on.tolist()
        x = shuffle(passed, branch(unit + 1))
    assert takes[-1].tolist() == x.tolist()
    assert len(takes) == units


@pytest.mark.parametrize(("units", "width"), [(4, 58), (8, 116)])
def test_every_channel_is_taken_once(units, width):
    taken = [channel for take in routes(units, width) for channel in take]
    assert sorted(taken) == [(source, channel) for source in range(units + 1) for channel in range(width)]
