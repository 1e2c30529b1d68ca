import pytest
import torch
from torch import nn

from streamdet.models.compress.int8 import calibrate
from streamdet.models.recurrent.layout import int8_layers


def test_layers_are_those_that_mix_channels_but_the_first(detector):
    layers = int8_layers(detector.config)
    convolutions = {name: layer for name, layer in detector.named_modules() if isinstance(layer, nn.Conv2d)}
    left = {name for name in convolutions if name not in layers}
    assert "backbone.stem" in left
    assert all(convolutions[name].groups > 1 for name in left - {"backbone.stem"})
    assert {"neck.laterals.0", "memory.16.project", "head.groups", "backbone.blocks.16.reduce"} <= set(layers)


@torch.inference_mode()
def test_ranges_hold_what_goes_in(detector, images):
    calibrate(detector, [images])
    assert set(detector.int8_ranges) == set(int8_layers(detector.config))
    seen = []
    detector.neck.laterals[1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    detector.step(images)
    lowest, highest = detector.int8_ranges["neck.laterals.1"]
    inside = ((seen[0] >= lowest) & (seen[0] <= highest)).double().mean()
    assert inside >= 1 - 2.1e-4
    assert (lowest, highest) == pytest.approx((float(seen[0].min()), float(seen[0].max())), rel=0.3)


def test_a_spot_that_is_far_off_does_not_widen_a_range(detector, images):
    layer = detector.neck.laterals[0]

    def spot(_, inputs):
        x = inputs[0].clone()
        x[0, 0, 0, 0] = 1e6
        return x

    hook = layer.register_forward_pre_hook(spot)
    calibrate(detector, [torch.cat([images] * 4, dim=1)])
    hook.remove()
    assert detector.int8_ranges["neck.laterals.0"][1] < 1e3


def test_every_clip_counts(detector, images):
    bright, dark = images, images // 8
    ranges = []
    for clips in ([bright], [dark], [bright, dark]):
        calibrate(detector, clips)
        ranges.append(dict(detector.int8_ranges))
    for name, (lowest, highest) in ranges[2].items():
        assert lowest == min(ranges[0][name][0], ranges[1][name][0]) <= 0
        assert highest == max(ranges[0][name][1], ranges[1][name][1]) >= 0


def test_the_detector_is_left_as_it_was(detector, images):
    before = detector.step(images)[0].scores
    calibrate(detector, [images])
    assert not any(layer._forward_pre_hooks for layer in detector.modules())
    assert torch.equal(detector.step(images)[0].scores, before)


def test_no_clips_fail(detector):
    with pytest.raises(ValueError, match="at least one clip"):
        calibrate(detector, [])
    assert detector.int8_ranges == {}
