import pytest
import torch

from streamdet.errors import ConfigError
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.runtimes.torch import TorchDetector


@pytest.fixture
def model():
    torch.manual_seed(0)
    model = build_detector(
        ModelConfig(name="test", classes=("person", "car"), image_size=256, recurrent_channels=8)
    ).eval()
    model.set_alpha(1.0)
    return model


def test_step_is_the_models_step(model):
    images = torch.randint(0, 256, (1, 3, 3, 64, 64), dtype=torch.uint8)
    expected, _ = model.step(images)
    detector = TorchDetector(model, "cpu", "fp32")
    outputs, state = detector.step(images)
    torch.testing.assert_close(outputs.scores, expected.scores)
    assert [h.shape for h in state.hidden] == [h.shape for h in detector.zero_state(1, 64, 64).hidden]


def test_describes_itself(model):
    detector = TorchDetector(model, "cpu")
    assert (detector.spec.name, detector.spec.classes, detector.spec.input.size) == ("test", ("person", "car"), 256)
    assert detector.runtime == "torch cpu fp32"
    assert detector.spec.training_dt_s == pytest.approx(0.1)


def test_bf16_sees_nearly_the_same_and_remembers_in_fp32(model):
    images = torch.randint(0, 256, (1, 2, 3, 64, 64), dtype=torch.uint8)
    expected, _ = model.step(images)
    outputs, state = TorchDetector(model, "cpu", "bf16").step(images)
    assert (outputs.scores.float() - expected.scores).abs().max() < 0.02
    assert state.cell[0].dtype == torch.float32


@pytest.mark.parametrize("device", ["cuda:9", "gpu", "cuda:x"])
def test_device_that_is_not_there_fails(model, device):
    with pytest.raises(ConfigError, match=f"device {device}"):
        TorchDetector(model, device)


def test_fp16_on_the_cpu_fails(model):
    with pytest.raises(ConfigError, match="fp16 needs a GPU"):
        TorchDetector(model, "cpu", "fp16")
