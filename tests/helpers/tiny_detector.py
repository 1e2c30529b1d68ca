"""A detector that is small and untrained: scores near 0.01 everywhere."""

import torch

from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import save_checkpoint
from streamdet.models.recurrent.config import ModelConfig


def save_tiny_detector(folder):
    """Of people and cars; gives its file."""
    torch.manual_seed(0)
    config = ModelConfig(name="tiny", classes=("person", "car"), channels=16, recurrent_channels=8, image_size=96)
    path = folder / "tiny.safetensors"
    save_checkpoint(path, build_detector(config).eval(), {})
    return path
