"""A recurrent detector from its configuration: another backbone or head is a file and a line here."""

from collections.abc import Callable

from torch import nn

from streamdet.models.recurrent.backbone import ShuffleNetBackbone
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.fusion import RecurrentFusion
from streamdet.models.recurrent.head import AnchorFreeHead
from streamdet.models.recurrent.layout import BACKBONE_CHANNELS, INNER_WIDTHS
from streamdet.models.recurrent.neck import AdditivePAN

_BACKBONES: dict[str, Callable[[ModelConfig], nn.Module]] = {
    "shufflenet_v2_x1_0": lambda config: ShuffleNetBackbone(config.inner_widths or INNER_WIDTHS),
}


def build_detector(config: ModelConfig) -> RecurrentDetector:
    """A detector with random weights, on the CPU."""
    return RecurrentDetector(
        config,
        backbone=_BACKBONES[config.backbone](config),
        neck=AdditivePAN(BACKBONE_CHANNELS, config.channels),
        memory={
            str(stride): RecurrentFusion(config.channels, config.recurrent_channels) for stride in config.memory_strides
        },
        head=AnchorFreeHead(config.channels, len(config.classes), config.distance_bins, levels=len(BACKBONE_CHANNELS)),
    )
