"""A small detector in which everything that an export could get wrong makes a difference."""

from pathlib import Path

import pytest
import torch
from torch import nn

from streamdet.models.compress.int8 import calibrate
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import save_checkpoint
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.head import MapNorm


def make_model(**changes) -> RecurrentDetector:
    """Random weights, norms and gates; scores all over 0 to 1; most of the memory blended in."""
    generator = torch.Generator().manual_seed(3)
    groups = {"vehicle": ("car", "bus"), "person": ("person",)}
    settings = {"classes": ("person", "car", "bus"), "groups": groups, "image_size": 128}
    settings |= {"channels": 16, "recurrent_channels": 10}
    model = build_detector(ModelConfig(name="small", **(settings | changes)))

    def fill(tensor, low, high):
        tensor.data.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))

    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            spread = 1.5 / module.weight[0].numel() ** 0.5
            fill(module.weight, -spread, spread)
            if module.bias is not None:
                fill(module.bias, -0.5, 0.5)
        elif isinstance(module, MapNorm):
            fill(module.weight, 0.5, 1.5)
            fill(module.bias, -0.3, 0.3)
    fill(model.head.delta_scales, 0.5, 1.5)
    for name, parameter in model.memory.named_parameters():
        if name.endswith(("peephole", "elapsed_weight")):
            fill(parameter, -0.5, 0.5)
        elif name.endswith("decay_exponent"):
            fill(parameter, 0.5, 1.5)
    model.set_alpha(0.8)
    return model.eval()


@pytest.fixture(name="make_model", scope="session")
def make_model_fixture():
    return make_model


@pytest.fixture(scope="session")
def model_paths(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of a detector with memory, and of one that looks at every frame by itself; calibrated for int8."""
    folder = tmp_path_factory.mktemp("model")
    paths = {}
    for name, channels in (("recurrent", 10), ("per-frame", 0)):
        paths[name] = folder / f"{name}.safetensors"
        model = make_model(recurrent_channels=channels)
        calibrate(model, [clip(1, 8, seed=seed) for seed in range(3)])
        save_checkpoint(paths[name], model, {})
    return paths


@pytest.fixture(scope="session")
def model_path(model_paths: dict[str, Path]) -> Path:
    return model_paths["recurrent"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "streamdet"


def clip(streams: int, frames: int, height: int = 64, width: int = 96, seed: int = 0) -> torch.Tensor:
    """Noise with an edge that moves."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (streams, frames, 3, height, width), dtype=torch.uint8, generator=generator)
    for t in range(frames):
        images[:, t, :, :, : 10 + 3 * t] //= 4
    return images


@pytest.fixture(name="clip", scope="session")
def clip_fixture():
    return clip
