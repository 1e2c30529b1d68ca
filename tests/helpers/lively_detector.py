"""An untrained detector whose scores depend on what it remembers."""

import torch

from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector


def lively_detector(classes: tuple[str, ...] = ("person", "car"), **config: int) -> RecurrentDetector:
    """Small, of 96 pixels, with random weights large enough that memory matters.

    Args:
        classes: that it "finds".
        config: of `ModelConfig`.
    """
    torch.manual_seed(1)
    model = build_detector(
        ModelConfig(name="lively", classes=classes, image_size=96, **{"recurrent_channels": 16} | config)
    ).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "memory" in name:
                parameter.normal_(0, 0.4)
            elif "head.groups" in name:
                parameter.normal_(0, 30.0) if parameter.ndim > 1 else parameter.zero_()
    model.set_alpha(1.0)
    return model
