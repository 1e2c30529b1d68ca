"""The backbone: MobileNetV2 up to stride 32.

Shapes: N images, C channels, H, W pixels.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from streamdet.models.recurrent.layout import BLOCKS, PIXEL_SCALE, STEM_CHANNELS, Block


class MobileNetBackbone(nn.Module):
    """Feature maps of strides 8, 16 and 32: MobileNetV2 whose batch norms are folded into its convolutions.

    Source: Sandler et al. 2018 (MobileNetV2).
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM_CHANNELS, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(map(InvertedResidual, BLOCKS))

    def forward(self, x_NCHW: Tensor) -> list[Tensor]:
        """Extract features.

        Args:
            x_NCHW: (N, 3, H, W) float32, RGB, 0 to 255; H and W multiples of 32.

        Returns:
            (N, 32, H/8, W/8), (N, 96, H/16, W/16), (N, 320, H/32, W/32).
        """
        x = F.relu6(self.stem(x_NCHW * PIXEL_SCALE))
        maps = []
        for block, shape in zip(self.blocks, BLOCKS, strict=True):
            x = block(x)
            if shape.tapped:
                maps.append(x)
        return maps


class InvertedResidual(nn.Module):
    """Widens, looks at the cells around, narrows.

    Source: Sandler et al. 2018, figure 4 (d).
    """

    def __init__(self, block: Block) -> None:
        super().__init__()
        self.adds = block.adds
        self.expand = nn.Conv2d(block.channels_in, block.inner, 1)
        self.depthwise = nn.Conv2d(block.inner, block.inner, 3, block.stride, padding=1, groups=block.inner)
        self.reduce = nn.Conv2d(block.inner, block.channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C_in, H, W) to (N, C, H / stride, W / stride)."""
        y: Tensor = self.reduce(F.relu6(self.depthwise(F.relu6(self.expand(x)))))
        return x + y if self.adds else y
