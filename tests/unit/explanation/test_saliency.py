import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.explanation.gates import network_of
from streamdet.explanation.saliency import Look, saliency
from streamdet.models.options import DetectOptions
from streamdet.models.outputs import ListedOutputs

BOX = np.array([20, 20, 50, 50], np.float32)
WEAK = DetectOptions(conf=0.0)


def _looks(detector, count: int = 4) -> list[Look]:
    rng = np.random.default_rng(1)
    state, looks = detector.zero_state(1, 64, 96), []
    for _ in range(count):
        looks.append(Look(rng.integers(0, 256, (3, 64, 96), np.uint8), state, 0.1))
        _, state = detector.step(looks[-1].image[None, None], state)
    return looks


def test_a_recurrent_detector_rests_on_earlier_frames(recurrent) -> None:
    looks = _looks(recurrent)
    told = saliency(recurrent, looks, BOX, WEAK)
    assert told.frames.sum() == pytest.approx(1)
    assert (told.frames[:-1] > 0).all()
    assert told.maps.shape == (4, 64, 96)
    assert told.maps.max() == pytest.approx(1)

    network_of(recurrent).set_alpha(0.0)
    shut = saliency(recurrent, looks, BOX, WEAK)
    assert shut.frames.tolist() == pytest.approx([0, 0, 0, 1])
    assert (shut.maps[:-1] == 0).all()


class _Brightest:
    """Without gradients: the score of the one box is the brightness of the brightest of the last frames."""

    def zero_state(self, streams, height, width):
        return _Seen(0.0)

    def step(self, images, state, dt_s=None):
        seen = max(state.brightness * 0.5, float(images[0, 0].mean()) / 255)
        found = Detections.of([BOX], [seen], [0], ("car",))
        return ListedOutputs([[found]], overlapping=False), _Seen(seen)


class _Seen:
    def __init__(self, brightness: float) -> None:
        self.brightness = brightness


def test_without_gradients_frames_are_hidden_one_by_one() -> None:
    detector = _Brightest()
    values = (10, 250, 10, 10)
    looks = [Look(np.full((3, 64, 96), value, np.uint8), detector.zero_state(1, 64, 96), 0.1) for value in values]
    told = saliency(detector, looks[1:3], BOX, WEAK)
    assert told.frames.tolist() == pytest.approx([1, 0])
    assert told.maps is None
