"""The backbone: torchvision's ShuffleNetV2 up to stride 32.

Shapes: N images, C channels, H, W pixels.
"""

from torch import Tensor, nn
from torchvision.models import shufflenet_v2_x1_0

BACKBONE_CHANNELS = (116, 232, 464)
BACKBONE_STRIDES = (8, 16, 32)


class ShuffleNetBackbone(nn.Module):
    """Feature maps of strides 8, 16 and 32.

    Activations are LeakyReLU 0.1, as in the NanoDet-m weights that initialise it.

    Source: Ma et al. 2018 (ShuffleNetV2); layers of torchvision.
    """

    def __init__(self) -> None:
        super().__init__()
        network = shufflenet_v2_x1_0(weights=None)
        self.conv1 = network.conv1
        self.maxpool = network.maxpool
        self.stage2 = network.stage2
        self.stage3 = network.stage3
        self.stage4 = network.stage4
        _use_leaky_relu(self)

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


def _use_leaky_relu(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.LeakyReLU(0.1, inplace=True))
        else:
            _use_leaky_relu(child)
