"""The neck: a feature pyramid.

Shapes: N images, C channels, H, W cells.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class FeaturePyramid(nn.Module):
    """Brings the backbone's maps to one width, adds the coarse ones to the finer ones, and makes coarser ones.

    Source: Lin et al. 2017 (Feature Pyramid Networks); two more levels as in Lin et al. 2017 (RetinaNet).
    """

    def __init__(self, in_channels: Sequence[int], channels: int, levels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)
        strides = [1] * len(in_channels) + [2] * (levels - len(in_channels))
        self.outputs = nn.ModuleList(nn.Conv2d(channels, channels, 3, stride, padding=1) for stride in strides)

    def project(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Bring all maps to one width.

        Args:
            features: (N, C_l, H/s_l, W/s_l) float32, finest first, each half the size of the one before.

        Returns:
            As many maps of the same sizes, all with `channels` channels.
        """
        return [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]

    def aggregate(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """All levels, finest first, from maps as `project` gives them."""
        summed = list(maps)
        for level in range(len(summed) - 1, 0, -1):
            summed[level - 1] = summed[level - 1] + F.interpolate(summed[level], scale_factor=2.0, mode="nearest")
        levels: list[Tensor] = []
        for number, output in enumerate(self.outputs):
            levels.append(output(summed[number] if number < len(summed) else levels[-1]))
        return levels
