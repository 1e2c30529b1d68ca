import subprocess
import sys

import torch
from torch import nn
from torchvision.models import shufflenet_v2_x1_0

from streamdet.models.recurrent.backbone import ShuffleNetBackbone
from streamdet.models.recurrent.layout import BACKBONE_CHANNELS, BACKBONE_STRIDES


def test_maps_have_their_channels_and_strides():
    maps = ShuffleNetBackbone().eval()(torch.rand(2, 3, 64, 96))
    for x, channels, stride in zip(maps, BACKBONE_CHANNELS, BACKBONE_STRIDES, strict=True):
        assert x.shape == (2, channels, 64 // stride, 96 // stride)


def test_is_torchvisions_network_but_for_the_activations():
    torch.manual_seed(0)
    theirs = shufflenet_v2_x1_0(weights=None).eval()
    ours = ShuffleNetBackbone().eval()
    weights = {name: value for name, value in theirs.state_dict().items() if not name.startswith(("conv5", "fc"))}
    ours.load_state_dict(weights)
    for unit in ours.modules():
        if isinstance(unit, nn.LeakyReLU):
            unit.negative_slope = 0.0
    x = torch.rand(1, 3, 64, 64)
    expected = []
    with torch.inference_mode():
        y = theirs.maxpool(theirs.conv1(x))
        for stage in (theirs.stage2, theirs.stage3, theirs.stage4):
            y = stage(y)
            expected.append(y)
        for got, wanted in zip(ours(x), expected, strict=True):
            torch.testing.assert_close(got, wanted)


def test_models_start_without_torchvision():
    code = "import sys, streamdet.models.recurrent.checkpoint; print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
