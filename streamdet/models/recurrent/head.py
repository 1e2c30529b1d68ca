"""The head: scores and side distances at every cell of every level.

Shapes: N images, C channels, K classes, Q distance bins, P cells of all levels, finest level first, row by row.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


class AnchorFreeHead(nn.Module):
    """Two depthwise-separable convolutions a level, then class logits and distance distributions.

    A distance is the mean of a distribution over Q bins (in strides): it says how sure a side is, and trains well
    with few boxes.

    Source: Li et al. 2020 (Generalized Focal Loss).
    """

    def __init__(self, channels: int, classes: int, distance_bins: int, levels: int) -> None:
        super().__init__()
        self.classes = classes
        self.distance_bins = distance_bins
        self.towers = nn.ModuleList(nn.Sequential(_separable(channels), _separable(channels)) for _ in range(levels))
        self.score_convs = nn.ModuleList(_score_conv(channels, classes) for _ in range(levels))
        self.distance_convs = nn.ModuleList(nn.Conv2d(channels, 4 * distance_bins, 1) for _ in range(levels))

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Read the maps.

        Args:
            features: (N, C, H_l, W_l) float32, finest first.

        Returns:
            class logits (N, P, K) float32 and distance logits (N, P, 4, Q) float32, sides left top right bottom.
        """
        scores, distances = [], []
        for level, feature in enumerate(features):
            x = self.towers[level](feature)
            scores.append(self.score_convs[level](x).flatten(2))
            distances.append(self.distance_convs[level](x).flatten(2))
        score_logits = torch.cat(scores, dim=2).transpose(1, 2)
        distance_logits = torch.cat(distances, dim=2).transpose(1, 2)
        return score_logits, distance_logits.reshape(*distance_logits.shape[:2], 4, self.distance_bins)


def _score_conv(channels: int, classes: int) -> nn.Conv2d:
    conv = nn.Conv2d(channels, classes, 1)
    # Every score starts at 0.01: Lin et al. 2017 (focal loss), section 4.1.
    conv.bias = nn.Parameter(torch.full((classes,), -math.log(99.0)))
    return conv


def _separable(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False),
        nn.BatchNorm2d(channels),
        nn.LeakyReLU(0.1, inplace=True),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
        nn.LeakyReLU(0.1, inplace=True),
    )
