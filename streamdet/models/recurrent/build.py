"""A recurrent detector from its configuration: another backbone or head is a file and a line here."""

from collections.abc import Callable

from torch import nn

from streamdet.models.recurrent.backbone import MobileNetBackbone
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.fusion import RecurrentFusion
from streamdet.models.recurrent.head import AnchorHead
from streamdet.models.recurrent.layout import BACKBONE_CHANNELS, STRIDES
from streamdet.models.recurrent.neck import FeaturePyramid

_BACKBONES: dict[str, Callable[[], nn.Module]] = {"mobilenet_v2": MobileNetBackbone}


def build_detector(config: ModelConfig) -> RecurrentDetector:
    """A detector with random weights, on the CPU."""
    return RecurrentDetector(
        config,
        backbone=_BACKBONES[config.backbone](),
        neck=FeaturePyramid(BACKBONE_CHANNELS, config.channels, len(STRIDES)),
        memory={
            str(stride): RecurrentFusion(config.channels, config.recurrent_channels) for stride in config.memory_strides
        },
        head=AnchorHead(config.channels, len(config.members), len(config.names)),
    )
