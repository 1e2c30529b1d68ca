import subprocess
import sys

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import mobilenet_v2

from streamdet.models.recurrent.backbone import MobileNetBackbone
from streamdet.models.recurrent.layout import BACKBONE_CHANNELS, BACKBONE_STRIDES

TAPS = (6, 13, 17)


def test_maps_have_their_channels_and_strides():
    maps = MobileNetBackbone().eval()(torch.rand(2, 3, 64, 96))
    for x, channels, stride in zip(maps, BACKBONE_CHANNELS, BACKBONE_STRIDES, strict=True):
        assert x.shape == (2, channels, 64 // stride, 96 // stride)


def _folded(layers):
    """The convolutions of torchvision's layers, each with the batch norm behind it folded into it."""
    modules = [module for module in layers.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    return [fuse_conv_bn_eval(conv, norm) for conv, norm in zip(modules[::2], modules[1::2], strict=True)]


@torch.inference_mode()
def test_is_torchvisions_network_with_folded_norms():
    torch.manual_seed(0)
    theirs = mobilenet_v2(weights=None).eval()
    for module in theirs.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.2, 0.2)
            module.running_var.uniform_(0.5, 2.0)
    ours = MobileNetBackbone().eval()
    layers = _folded(theirs.features[:18])
    convolutions = [module for module in ours.modules() if isinstance(module, nn.Conv2d)]
    # Its first block has no convolution that widens, ours has one that leaves as it is.
    same = convolutions[1]
    same.weight.copy_(torch.eye(32)[:, :, None, None])
    same.bias.zero_()
    for conv, layer in zip([convolutions[0], *convolutions[2:]], layers, strict=True):
        conv.weight.copy_(layer.weight)
        conv.bias.copy_(layer.bias)
    x = torch.rand(1, 3, 64, 64)
    y, expected = x, []
    for number, layer in enumerate(theirs.features[:18]):
        y = layer(y)
        if number in TAPS:
            expected.append(y)
    for got, wanted in zip(ours(255 * x), expected, strict=True):
        torch.testing.assert_close(got, wanted, atol=1e-5, rtol=1e-4)


def test_models_start_without_torchvision():
    code = "import sys, streamdet.models.recurrent.checkpoint; print('torchvision' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
