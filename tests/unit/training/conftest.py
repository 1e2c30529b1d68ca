from dataclasses import dataclass

import numpy as np
import pytest

from streamdet.datasets.labels import LabelledSet, LabelledVideo, Labels
from streamdet.training.footage import Footage

CLASSES = ("person", "car")


@dataclass(frozen=True)
class Pictures:
    images: np.ndarray

    def read(self, start=0, stop=None):
        yield from self.images[start:stop]


def make_video(name, frames, *, dt_s=0.2, labelled=(0, 1), seed=0):
    """A bright block that moves to the right over a dark texture."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 60, (frames, 72, 96, 3), np.uint8)
    labels = []
    for i in range(frames):
        x = 5 + 2 * (i % 25)
        images[i, 20:50, x : x + 30] = (250, 200, 30)
        box = np.array([[x, 20, x + 30, 50]], np.float32)
        labels.append(Labels(box, np.array([seed % 2]), np.array([0])))
    return LabelledVideo(
        name, 96, 72, np.arange(frames) * dt_s, tuple(labels), frozenset(labelled), ((0, frames),), Pictures(images)
    )


@pytest.fixture(scope="session")
def footages(tmp_path_factory):
    """Two videos of 40 frames and two stills."""
    cache = tmp_path_factory.mktemp("footages")
    clips = LabelledSet("clips", CLASSES, (make_video("a", 40), make_video("b", 40, seed=1)))
    stills = LabelledSet("stills", CLASSES, (make_video("s", 1), make_video("t", 1, seed=1)))
    return [Footage(clips, cache), Footage(stills, cache, weight=0.5)]
