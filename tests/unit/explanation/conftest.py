import pytest
import torch

from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.runtimes.torch import TorchDetector


@pytest.fixture
def recurrent() -> TorchDetector:
    """A detector of random weights, its memory fully on."""
    torch.manual_seed(3)
    config = ModelConfig(name="small", classes=("person", "car"), channels=16, recurrent_channels=8, image_size=96)
    model = build_detector(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "memory" in name:
                parameter.normal_(0, 0.3)
    model.set_alpha(1.0)
    return TorchDetector(model, "cpu", "fp32")
