import pytest
import torch

from streamdet.models.compress.pruning import parameters, prune
from streamdet.models.recurrent.backbone import ShuffleUnit
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.layout import INNER_WIDTHS


def _units(detector):
    return [module for module in detector.modules() if isinstance(module, ShuffleUnit)]


def _silence(detector, widths):
    """Let so many channels of each unit do something; which ones, is drawn."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for number, (unit, width) in enumerate(zip(_units(detector), widths, strict=True)):
            norm, conv = unit.branch2[4], unit.branch2[5]
            silent = torch.randperm(len(norm.weight), generator=generator)[width:]
            if number % 2:  # nobody reads them
                conv.weight[:, silent] = 0
            else:  # they say nothing
                norm.weight[silent] = norm.bias[silent] = 0


def test_without_channels_that_are_zero_it_sees_the_same(detector, images):
    widths = (32, 48, 16, 58, 112, 64, 64, 80, 96, 116, 32, 64, 16, 128, 192, 224)
    _silence(detector, widths)
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    pruned = prune(detector, 1 - sum(widths) / sum(INNER_WIDTHS))
    assert pruned.config.inner_widths == widths
    expected, state = detector.step(images)
    outputs, own = pruned.step(images)
    torch.testing.assert_close(outputs.scores, expected.scores, atol=1e-4, rtol=0)
    torch.testing.assert_close(outputs.boxes, expected.boxes, atol=0.01, rtol=0)
    torch.testing.assert_close(own.cell[2], state.cell[2], atol=1e-4, rtol=0)
    assert expected.scores.std() > 0.1
    # The detector that was given is as it was.
    assert detector.config.inner_widths is None
    assert all(torch.equal(tensor, before[name]) for name, tensor in detector.state_dict().items())


@pytest.mark.parametrize("share", [0.2, 0.5, 0.7])
def test_share_is_taken_and_widths_are_multiples_of_16_or_stay(detector, share):
    pruned = prune(detector, share)
    widths = pruned.config.inner_widths
    assert 1 - sum(widths) / sum(INNER_WIDTHS) == pytest.approx(share, abs=0.05)
    assert all(width % 16 == 0 or width == full for width, full in zip(widths, INNER_WIDTHS, strict=True))
    assert [unit.branch2[5].in_channels for unit in _units(pruned)] == list(widths)
    assert parameters(pruned) < parameters(detector)


def test_everything_but_the_insides_of_units_stays(detector):
    pruned = prune(detector, 0.5).state_dict()
    for name, tensor in detector.state_dict().items():
        if ".branch2." not in name:
            assert torch.equal(pruned[name], tensor), name


def test_units_that_need_few_channels_lose_most(detector):
    with torch.no_grad():
        for unit in _units(detector)[:4]:
            unit.branch2[4].weight[8:] *= 0.01
            unit.branch2[4].bias[8:] *= 0.01
    assert prune(detector, 0.085).config.inner_widths == (16,) * 4 + INNER_WIDTHS[4:]


def test_pruned_detector_is_pruned_further(detector, images):
    once = prune(detector, 0.3)
    twice = prune(once, 0.3)
    assert sum(twice.config.inner_widths) < sum(once.config.inner_widths)
    assert twice.step(images)[0].scores.isfinite().all()


@pytest.mark.parametrize("share", [-0.1, 0, 1, float("nan")])
def test_share_that_is_none_fails(detector, share):
    with pytest.raises(ValueError, match="share must be above 0 and below 1"):
        prune(detector, share)


def test_detector_is_built_as_wide_as_its_config_says():
    widths = tuple(range(1, 17))
    built = build_detector(ModelConfig(name="x", classes=("car",), inner_widths=widths))
    assert tuple(unit.branch2[0].out_channels for unit in _units(built)) == widths
