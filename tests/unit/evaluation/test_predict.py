"""Running over labelled videos: memory, chunks, skipped frames, breaks."""

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch

from streamdet.datasets.cut import cut
from streamdet.datasets.labels import LabelledVideo
from streamdet.errors import ConfigError
from streamdet.evaluation.predict import predict
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.runtimes.torch import TorchDetector

FRAMES = 20


class Pictures:
    """Noise, made when it is read; counts how many were."""

    def __init__(self, size: tuple[int, int] = (64, 96)) -> None:
        self.size = size
        self.pixel_aspect = Fraction(1)
        self.read_frames = 0

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[np.ndarray]:
        for index in range(start, FRAMES if stop is None else stop):
            self.read_frames += 1
            yield np.random.default_rng(index).integers(0, 256, (*self.size, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(3)
    config = ModelConfig(name="tiny", classes=("person", "car"), channels=16, recurrent_channels=8, image_size=96)
    model = build_detector(config).eval()
    model.set_alpha(1.0)
    torch.nn.init.constant_(model.head.groups.bias, -3.0)  # scores near the lowest that is kept, so that memory decides
    return TorchDetector(model, "cpu", "fp32")


def video(count=FRAMES, **changes):
    fields = {
        "name": "clip",
        "width": 96,
        "height": 64,
        "times_s": np.arange(count) / 10,
        "labels": (None,) * count,
        "labelled": frozenset({0}),
        "segments": ((0, count),),
        "frames": Pictures(),
    }
    return LabelledVideo(**{**fields, **changes})


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert len(a) == len(b)
        np.testing.assert_allclose(a.scores, b.scores, atol=1e-5)
        np.testing.assert_allclose(a.boxes, b.boxes, atol=1e-2)


def differ(one, other):
    return any(
        len(a) != len(b) or not np.allclose(a.scores, b.scores, atol=1e-4) for a, b in zip(one, other, strict=True)
    )


def test_chunks_change_nothing(detector):
    by_one, by_eight = (predict(detector, video(), chunk_frames=size).detections for size in (1, 8))
    assert sum(map(len, by_one)) > 0
    same(by_one, by_eight)


def test_reset_forgets_and_carry_does_not(detector):
    carried, reset = (predict(detector, video(), memory=memory).detections for memory in ("carry", "reset"))
    same(carried[:1], reset[:1])
    assert differ(carried, reset)
    alone = [predict(detector, video(), memory="reset", taken=np.arange(FRAMES) == index) for index in (3, 11)]
    same([reset[3], reset[11]], [alone[0].detections[3], alone[1].detections[11]])


def test_a_break_resets(detector):
    whole = predict(detector, video(segments=((0, 7), (7, FRAMES)))).detections
    alone = predict(detector, video(), taken=np.arange(FRAMES) >= 7).detections
    same(whole[7:], alone[7:])
    assert differ(whole[7:], predict(detector, video()).detections[7:])


def test_shuffled_frames_keep_their_places(detector):
    """The first frame that is shown has no memory, so it must be found as if alone, at its own place."""
    shuffled = predict(detector, video(), memory="shuffle", seed=5).detections
    first = np.random.default_rng(5).permutation(FRAMES)[0]
    same([shuffled[first]], [predict(detector, video(), memory="reset").detections[first]])
    assert differ(shuffled, predict(detector, video()).detections)


def test_frames_that_are_not_taken_are_time_that_passed(detector):
    taken = np.ones(FRAMES, bool)
    taken[[4, 5, 6]] = False
    seen = predict(detector, video(), taken=taken)
    assert [len(seen.detections[index]) for index in (4, 5, 6)] == [0, 0, 0]
    assert (seen.latency_s[taken] > 0).all()
    assert (seen.latency_s[~taken] == 0).all()
    rest = np.flatnonzero(taken)

    class Rest(Pictures):
        def read(self, start=0, stop=None):
            images = list(super().read(0, FRAMES))
            return iter([images[index] for index in rest[start:stop]])

    shorter = video(len(rest), times_s=rest / 10, frames=Rest())
    same([seen.detections[index] for index in rest], predict(detector, shorter).detections)


def test_time_counts(detector):
    slow = predict(detector, video(times_s=np.arange(FRAMES) * 2.0)).detections
    assert differ(slow, predict(detector, video()).detections)


@pytest.mark.parametrize("memory", ["carry", "reset"])
def test_no_more_is_read_than_a_chunk_needs(detector, memory):
    """A long video must not pile up: the detector is asked before the next chunk is read."""
    pictures, read_before_step = Pictures(), []

    class Watched:
        def __getattr__(self, name):
            return getattr(detector, name)

        def step(self, *arguments):
            read_before_step.append(pictures.read_frames)
            return detector.step(*arguments)

    predict(Watched(), video(frames=pictures), memory=memory)
    assert read_before_step == [8, 16, 20]


def test_a_frame_of_another_size_fails(detector):
    class Growing(Pictures):
        def read(self, start=0, stop=None):
            yield from super().read(0, 3)
            yield np.zeros((128, 192, 3), np.uint8)

    with pytest.raises(ConfigError, match="clip: frame 3 has 192x128 pixels, but its labels are for 96x64"):
        predict(detector, video(4, frames=Growing()))


def test_pixels_that_are_not_square_are_seen_as_people_see_them(detector, monkeypatch):
    seen, step = [], detector.step
    monkeypatch.setattr(detector, "step", lambda images, *more: seen.append(images.shape[-2:]) or step(images, *more))
    wide = Pictures()
    wide.pixel_aspect = Fraction(2)
    for frames in (Pictures(), wide, cut(video(frames=wide), 0, 8).frames):
        predict(detector, video(8, frames=frames))
    assert seen == [(64, 96), (32, 96), (32, 96)]
