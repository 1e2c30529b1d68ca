import errno

import numpy as np
import pytest
import torch

from streamdet.datasets.cut import cut
from streamdet.errors import SinkError
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.runtimes.torch import TorchDetector
from streamdet.training import opinion
from streamdet.training.opinion import Teacher


class Counting(TorchDetector):
    steps = 0

    def step(self, *arguments):
        self.steps += 1
        return super().step(*arguments)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    model = build_detector(ModelConfig(name="t", classes=("person", "car"), channels=16, recurrent_channels=8))
    model.head.groups.bias.data.fill_(0.0)
    return Counting(model, "cpu")


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch):
    monkeypatch.setattr(opinion, "_IMAGE_SIZE", 96)


@pytest.fixture
def video(footages):
    return cut(footages[0].videos[0], 0, 10)


def test_opinion_is_asked_once(tmp_path, detector, video):
    first = Teacher(detector, "a", tmp_path).ask("set", video)
    steps = detector.steps
    again = Teacher(detector, "a", tmp_path).ask("set", video)
    assert detector.steps == steps > 0
    assert len(first) == len(again) == len(video)
    assert sum(map(len, first)) > 0
    for one, other in zip(first, again, strict=True):
        for column in ("boxes", "scores", "class_ids", "track_ids"):
            np.testing.assert_array_equal(getattr(one, column), getattr(other, column))
        assert one.classes == other.classes


@pytest.mark.parametrize(("weights", "name"), [("b", "set"), ("a", "other")])
def test_other_teacher_or_set_is_another_opinion(tmp_path, detector, video, weights, name):
    Teacher(detector, "a", tmp_path).ask("set", video)
    steps = detector.steps
    Teacher(detector, weights, tmp_path).ask(name, video)
    assert detector.steps == 2 * steps


def test_full_disk_is_named(tmp_path, detector, video, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(SinkError, match="cannot be saved there: No space left"):
        Teacher(detector, "a", tmp_path / "opinions").ask("set", video)
    assert list((tmp_path / "opinions").iterdir()) == []
