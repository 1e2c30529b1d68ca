"""A small set whose two classes consist of the same pictures: a square that grows, and one that shrinks."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamdet.training.classify.clips import ClipSet, LabelledClip
from streamdet.training.classify.config import AugmentConfig, ClassifyConfig

FRAMES, SIDE = 6, 32
CLASSES = ("grows", "shrinks")


def _clips(count: int, seed: int) -> list[LabelledClip]:
    rng = np.random.default_rng(seed)
    clips = []
    for _ in range(count):
        frames = np.broadcast_to(rng.integers(40, 90, 3, np.uint8), (FRAMES, SIDE, SIDE, 3)).copy()
        x, y = rng.integers(10, 20, 2)
        for t in range(FRAMES):
            half = 2 + 2 * t
            frames[t, max(y - half, 0) : y + half, max(x - half, 0) : x + half] = (230, 200, 60)
        clips += [LabelledClip(Path(), 0, frames), LabelledClip(Path(), 1, frames[::-1])]
    return clips


@pytest.fixture(scope="module")
def squares() -> ClipSet:
    return ClipSet(CLASSES, _clips(12, 1), _clips(12, 2))


@pytest.fixture(scope="module")
def recipe() -> Callable[..., ClassifyConfig]:
    """A recipe that takes seconds; keys replace its values."""
    values = {
        "backbone": "resnet18",
        "weights": None,
        "freeze": True,
        "copies": 2,
        "size": (SIDE, SIDE),
        "frames": FRAMES,
        "hidden": 32,
        "dense": (64, 32),
        "dropout": 0.2,
        "epochs": 20,
        "batch": 8,
        "rate": 3e-3,
        "carry": 0.0,
        "augment": AugmentConfig(rotation_deg=5.0, shift=0.05),
    }
    return lambda **keys: ClassifyConfig(**{**values, **keys})
