"""Two who walk past each other, as a detector finds them."""

import numpy as np
import pytest

from streamdet.datasets.labels import LabelledVideo, Labels
from streamdet.training.object_memory.clips import Found, TrackedClip, classes_alike

FRAMES, SIZE, CLASSES = 40, (320, 240), ("person", "car", "bus")


def _boxes(frame):
    return np.array([[20 + 3 * frame, 50, 50 + 3 * frame, 130], [200 - 2 * frame, 60, 240 - 2 * frame, 150]], float)


@pytest.fixture
def clip():
    """With embeddings of 8 numbers that tell the two apart."""
    rng = np.random.default_rng(0)
    found = []
    for frame in range(FRAMES):
        kept = rng.random(2) > 0.2
        class_scores = np.zeros((2, 3))
        class_scores[:, 0] = rng.uniform(0.2, 0.9, 2)
        embeddings = rng.normal(0, 0.3, (2, 8)) + np.repeat(np.eye(2), 4, axis=1)
        boxes = _boxes(frame) + rng.normal(0, 1, (2, 4))
        found.append(Found(boxes, class_scores[:, 0], class_scores, embeddings.astype(np.float32)).rows(kept))
    labels = tuple(
        Labels(_boxes(frame).astype(np.float32), np.zeros(2, np.int64), np.array([1, 2])) for frame in range(FRAMES)
    )
    video = LabelledVideo("walk", *SIZE, np.arange(FRAMES) / 25, labels, frozenset({0}), ((0, FRAMES),), frames=None)
    return TrackedClip(video, found, classes_alike(CLASSES, (("car", "bus"),)))
