"""The backbone: ShuffleNetV2 up to stride 32.

Shapes: N images, C channels, H, W pixels.
"""

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor, nn

from streamdet.models.recurrent.layout import BACKBONE_CHANNELS, INNER_WIDTHS, STAGE_UNITS, STEM_CHANNELS


class ShuffleNetBackbone(nn.Module):
    """Feature maps of strides 8, 16 and 32: ShuffleNetV2 x1.0.

    Layers have torchvision's names, so that its weights and those of NanoDet-m fit, but are not torchvision's: that
    takes a second to import. Activations are LeakyReLU 0.1, as in the NanoDet-m weights that initialise it.

    Args:
        inner_widths: channels inside each of the units, first to last.

    Source: Ma et al. 2018 (ShuffleNetV2).
    """

    def __init__(self, inner_widths: Sequence[int] = INNER_WIDTHS) -> None:
        super().__init__()
        self.conv1 = nn.Sequential(
            nn.Conv2d(3, STEM_CHANNELS, 3, stride=2, padding=1, bias=False), *_norm_and_activation(STEM_CHANNELS)
        )
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        widths = (STEM_CHANNELS, *BACKBONE_CHANNELS)
        inner = iter(inner_widths)
        self.stage2, self.stage3, self.stage4 = (
            _stage(before, channels, list(islice(inner, units)))
            for before, channels, units in zip(widths[:-1], widths[1:], STAGE_UNITS, strict=True)
        )

    def forward(self, x_NCHW: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Extract features.

        Args:
            x_NCHW: (N, 3, H, W) float32, normalised RGB; H and W multiples of 32.

        Returns:
            (N, 116, H/8, W/8), (N, 232, H/16, W/16), (N, 464, H/32, W/32).
        """
        x = self.maxpool(self.conv1(x_NCHW))
        x8 = self.stage2(x)
        x16 = self.stage3(x8)
        x32 = self.stage4(x16)
        return x8, x16, x32


class ShuffleUnit(nn.Module):
    """Works on one half of the channels and mixes both; the first unit of a stage works on all and halves the map.

    Its branch2 has `inner` channels up to the last convolution, which makes half of the unit's channels from them.

    Source: Ma et al. 2018, figure 3 (c) and (d).
    """

    def __init__(self, in_channels: int, channels: int, stride: int, inner: int) -> None:
        super().__init__()
        half = channels // 2
        self.halves = stride == 2
        self.branch1 = nn.Sequential()
        if self.halves:
            self.branch1 = nn.Sequential(
                nn.Conv2d(in_channels, in_channels, 3, stride, padding=1, groups=in_channels, bias=False),
                nn.BatchNorm2d(in_channels),
                nn.Conv2d(in_channels, half, 1, bias=False),
                *_norm_and_activation(half),
            )
        self.branch2 = nn.Sequential(
            nn.Conv2d(in_channels if self.halves else half, inner, 1, bias=False),
            *_norm_and_activation(inner),
            nn.Conv2d(inner, inner, 3, stride, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.Conv2d(inner, half, 1, bias=False),
            *_norm_and_activation(half),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(N, in_channels, H, W) to (N, channels, H / stride, W / stride)."""
        passed, worked_on = (x, x) if self.halves else x.chunk(2, dim=1)
        both = torch.stack((self.branch1(passed), self.branch2(worked_on)), dim=2)
        return both.flatten(1, 2)  # channels of the two alternate


def _stage(in_channels: int, channels: int, inner_widths: Sequence[int]) -> nn.Sequential:
    first, *others = inner_widths
    later = (ShuffleUnit(channels, channels, 1, inner) for inner in others)
    return nn.Sequential(ShuffleUnit(in_channels, channels, 2, first), *later)


def _norm_and_activation(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.LeakyReLU(0.1, inplace=True)
