"""The neck: a light path aggregation network that adds instead of concatenating.

Shapes: N images, C channels, H, W cells.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn


class AdditivePAN(nn.Module):
    """Brings all levels to one width, then adds top-down and bottom-up.

    Source: Liu et al. 2018 (PANet), with additions of resized maps instead of convolutions (NanoDet).
    """

    def __init__(self, in_channels: Sequence[int], channels: int) -> None:
        super().__init__()
        self.laterals = nn.ModuleList(nn.Conv2d(width, channels, 1) for width in in_channels)

    def project(self, features: Sequence[Tensor]) -> list[Tensor]:
        """Bring all levels to one width.

        Args:
            features: (N, C_l, H/s_l, W/s_l) float32, finest first, each half the size of the one before.

        Returns:
            As many maps of the same sizes, all with `channels` channels.
        """
        return [lateral(x) for lateral, x in zip(self.laterals, features, strict=True)]

    @staticmethod
    def aggregate(maps: Sequence[Tensor]) -> list[Tensor]:
        """Add top-down, then bottom-up, so that each level sees the others; maps as from `project`."""
        summed = list(maps)
        for level in range(len(summed) - 1, 0, -1):
            coarse = F.interpolate(summed[level], scale_factor=2.0, mode="bilinear", align_corners=False)
            summed[level - 1] = summed[level - 1] + coarse
        for level in range(len(summed) - 1):
            # Halving by bilinear sampling at cell centres is a 2 x 2 mean.
            summed[level + 1] = summed[level + 1] + F.avg_pool2d(summed[level], 2)
        return summed
