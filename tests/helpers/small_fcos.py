"""A detector of torchvision's making that is small enough to be trained and converted within a test."""

from collections import OrderedDict
from itertools import pairwise

import torch
from torch import Tensor, nn
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator

from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.foreign.memory import LevelMemory
from streamdet.models.foreign.model import ForeignModel
from streamdet.runtimes.torchvision import TorchvisionNetwork


class Backbone(nn.Module):
    """Three layers, to one map of a stride of 8."""

    out_channels = 32

    def __init__(self) -> None:
        super().__init__()
        layers = [
            nn.Sequential(nn.Conv2d(a, b, 3, stride=2, padding=1), nn.BatchNorm2d(b), nn.ReLU())
            for a, b in pairwise((3, 16, 32, 32))
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """One map."""
        return OrderedDict([("0", self.layers(x))])


def small_fcos(side: int = 64, recurrent_channels: int = 32, classes: tuple[str, ...] = ("square",)) -> ForeignModel:
    """With random weights, for images of this longer side."""
    torch.manual_seed(0)
    anchors = AnchorGenerator(((8,),), ((1.0,),))
    fcos = FCOS(Backbone(), 1 + len(classes), anchor_generator=anchors, score_thresh=0.0)
    spec = DetectorSpec("squares", classes, "", InputSpec(side))
    return ForeignModel(TorchvisionNetwork(fcos, spec, ("-", *classes)), LevelMemory({"0": 32}, recurrent_channels))
