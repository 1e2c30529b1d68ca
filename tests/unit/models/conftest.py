import copy

import pytest
import torch

from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector

CONFIG = ModelConfig(
    name="test",
    classes=("person", "car", "bus"),
    groups={"vehicle": ("car", "bus"), "person": ("person",)},
    recurrent_channels=16,
)


@pytest.fixture(scope="session")
def _opinionated() -> RecurrentDetector:
    """Random weights whose scores and boxes spread over their range, else equal outputs would prove nothing."""
    torch.manual_seed(3)
    model = build_detector(CONFIG)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "memory" in name:
                parameter.normal_(0, 0.3)
            elif parameter.ndim > 1:
                torch.nn.init.kaiming_normal_(parameter, a=0.1)
            elif "head.groups" in name or "head.centred" in name:
                parameter.zero_()
        for fusion in model.memory.values():
            fusion.cell.decay_exponent.uniform_(0.5, 1.5)
    model.set_alpha(1.0)
    return model.eval()


@pytest.fixture
def detector(_opinionated: RecurrentDetector) -> RecurrentDetector:
    """A detector of random weights, memory fully on, that a test may change."""
    return copy.deepcopy(_opinionated)


@pytest.fixture
def images() -> torch.Tensor:
    """(2, 6, 3, 64, 96) uint8."""
    return torch.randint(0, 256, (2, 6, 3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(5))
