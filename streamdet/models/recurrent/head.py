"""The head: what is at every anchor of every level, and where exactly.

Shapes: N images, C channels, A anchors of a cell, P anchors of all levels, G groups of classes, M names.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streamdet.models.recurrent.layout import ANCHOR_SIDES, NAME_CHANNELS, NORM_EPSILON, STRIDES, TOWER_BLOCKS

_ANCHORS = len(ANCHOR_SIDES)


@dataclass(frozen=True, slots=True, eq=False)
class HeadMaps:
    """What the head says of N images.

    Attributes:
        groups: (N, P, G) float32 logits of groups of classes.
        names: (N, P, M) float32 logits of the classes within groups of several; M may be 0.
        centred: (N, P) float32 logits: how near an anchor is to the middle of its object.
        deltas: (N, P, 4) float32: x, y, width, height against the anchor's.
    """

    groups: Tensor
    names: Tensor
    centred: Tensor
    deltas: Tensor


class AnchorHead(nn.Module):
    """Two towers with the same weights on all levels: one for what, one for where.

    Sources: Lin et al. 2017 (RetinaNet); Tian et al. 2019 (FCOS, centredness); Zhang et al. 2020 (ATSS).
    """

    def __init__(self, channels: int, groups: int, names: int) -> None:
        super().__init__()
        self.class_tower = nn.Sequential(*(TowerBlock(channels) for _ in range(TOWER_BLOCKS)))
        self.box_tower = nn.Sequential(*(TowerBlock(channels) for _ in range(TOWER_BLOCKS)))
        self.groups = nn.Conv2d(channels, _ANCHORS * groups, 3, padding=1)
        # Every score starts at 0.01: Lin et al. 2017 (focal loss), section 4.1.
        self.groups.bias = nn.Parameter(torch.full((_ANCHORS * groups,), -math.log(99.0)))
        self.centred = nn.Conv2d(channels, _ANCHORS, 3, padding=1)
        self.deltas = nn.Conv2d(channels, 4 * _ANCHORS, 3, padding=1)
        self.delta_scales = nn.Parameter(torch.ones(len(STRIDES)))
        self.names = NameBranch(channels, names) if names else None

    def forward(self, levels: Sequence[Tensor]) -> HeadMaps:
        """Read the maps, (N, C, H_l, W_l) float32, finest first."""
        rows: tuple[list[Tensor], ...] = ([], [], [], [])
        for x, scale in zip(levels, self.delta_scales, strict=True):
            what, where = self.class_tower(x), self.box_tower(x)
            names = x[:, :0] if self.names is None else self.names(x, what)
            parts = self.groups(what), names, self.centred(where), self.deltas(where) * scale
            for row, part in zip(rows, parts, strict=True):
                row.append(part.permute(0, 2, 3, 1).reshape(len(x), x.shape[2] * x.shape[3] * _ANCHORS, -1))
        groups, names, centred, deltas = (torch.cat(row, dim=1) for row in rows)
        return HeadMaps(groups, names, centred[..., 0], deltas)


class TowerBlock(nn.Module):
    """A convolution whose result is brought to mean 0 and deviation 1 in every image and channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.norm = MapNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return F.relu(self.norm(self.conv(x)))


class MapNorm(nn.Module):
    """Instance norm, which torch's refuses for maps of one cell. Source: Ulyanov et al. 2016."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same, float32."""
        variance, mean = torch.var_mean(x.float(), dim=(2, 3), keepdim=True, correction=0)
        scale = self.weight[:, None, None] * (variance + NORM_EPSILON).rsqrt()
        return (x.float() - mean) * scale + self.bias[:, None, None]


class NameBranch(nn.Module):
    """Tells the classes of a group apart, from a level's features and those of the tower for what."""

    def __init__(self, channels: int, names: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(2 * channels, NAME_CHANNELS, 3, padding=1)
        self.depthwise = nn.Conv2d(NAME_CHANNELS, NAME_CHANNELS, 3, padding=1, groups=NAME_CHANNELS)
        self.out = nn.Conv2d(NAME_CHANNELS, _ANCHORS * names, 1)

    def forward(self, x: Tensor, tower: Tensor) -> Tensor:
        """(N, C, H, W) twice to logits, (N, A M, H, W)."""
        y = F.relu(self.mix(torch.cat((x, tower), dim=1)))
        logits: Tensor = self.out(F.relu(y + self.depthwise(y)))
        return logits
