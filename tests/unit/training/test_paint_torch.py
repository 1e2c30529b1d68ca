"""The way of a GPU, on the CPU: the same pictures as OpenCV's, up to rounding."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from streamdet.training.augment import ClipAugmentation, Strength
from streamdet.training.footage import Footage
from streamdet.training.paint import HostPainter, paint
from streamdet.training.paint_torch import DevicePainter, paint_clip

SOURCE, CANVAS = (180, 320), (96, 160)
QUIET = Strength(zoom=0.0, drift=0.0, colour=0.0, occluders=0.0, spells=0.0)


@pytest.fixture(scope="module")
def photo():
    """Large and small shapes, as in a photograph: blobs of many sizes, not noise of single pixels."""
    rng = np.random.default_rng(0)
    blobs = cv2.resize(rng.integers(0, 256, (30, 54, 3), np.uint8), SOURCE[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(blobs, (3, 3), 0), np.uint8)


def _plans(seed, strength, frames=5):
    augment = ClipAugmentation(np.random.default_rng(seed), SOURCE, CANVAS, strength, 0.1)
    return [augment.next_frame(0.1) for _ in range(frames)]


def _both(photo, plans):
    """What OpenCV and torch make of the same plans: (T, H, W, 3) int."""
    rng = np.random.default_rng(0)
    host = np.stack([paint(photo, plan, rng) for plan in plans])
    frames = torch.from_numpy(np.stack([photo] * len(plans)))
    device = paint_clip(frames, plans, list(range(len(plans))))
    assert device.dtype == torch.uint8
    return host.astype(int), device.permute(0, 2, 3, 1).numpy().astype(int)


@pytest.mark.parametrize("seed", range(10))
def test_geometry_colour_and_occluders_are_opencvs(photo, seed):
    plans = _plans(seed, Strength(drift=0.3, occluders=0.7, spells=0.0))
    host, device = _both(photo, [replace(plan, noise=0.0) for plan in plans])
    assert np.abs(host - device).mean() < 0.3
    assert np.percentile(np.abs(host - device), 99.9) <= 4


def test_frames_made_smaller_first_are_opencvs(photo):
    plan = _plans(0, QUIET)[0]
    small = replace(plan, halved=True, matrix=np.array([[0.8, 0, 3.4], [0, 0.8, -2.2]]))
    host, device = _both(photo, [small])
    assert np.abs(host - device).max() <= 4


def test_flipped_frames_are_opencvs(photo):
    plan = replace(_plans(0, QUIET)[0], matrix=np.array([[-0.7, 0, 180.3], [0, 0.7, -8.6]]), halved=False)
    host, device = _both(photo, [plan])
    assert np.abs(host - device).max() <= 3


@pytest.mark.parametrize(
    "spell",
    [
        {"blur": np.eye(9, dtype=np.float32) / 9},
        {"brightness": 0.3},
        {"jpeg_quality": 60},
        {"saturation": 0.6},
        {"saturation": 1.3},
    ],
    ids=str,
)
def test_spells_are_opencvs(photo, spell):
    plain = _plans(3, QUIET)[0]
    host, device = _both(photo, [replace(plain, **spell)])
    # A value that is rounded to the other side shows in all of its block once it is compressed; OpenCV 4 rounds more.
    most, mean = (40, 3.0) if "jpeg_quality" in spell else (3, 0.5)
    assert np.abs(host - device).max() <= most
    assert np.abs(host - device).mean() < mean
    untouched, _ = _both(photo, [plain])
    assert np.abs(host - untouched).mean() > mean


def test_grain_is_as_strong_and_repeats_with_its_seed(photo):
    plan = _plans(3, QUIET)[0]
    noisy = replace(plan, noise=20.0, brightness=0.5)
    frames = torch.from_numpy(photo[None])
    one, again, other = (paint_clip(frames, [noisy], [seed]) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    host, device = _both(photo, [noisy])
    dark, _ = _both(photo, [replace(noisy, noise=0.0)])
    inside = (dark > 60) & (dark < 128)
    assert (device - dark)[inside].std() == pytest.approx((host - dark)[inside].std(), rel=0.05)


def test_painter_gives_the_frame_that_was_asked_for(footages, tmp_path):
    """Frames of two videos at their places in the file, as the other painter gives them."""
    footage: Footage = footages[0]
    augment = ClipAugmentation(np.random.default_rng(1), (72, 96), (64, 96), QUIET, 0.0)
    plans = [replace(augment.next_frame(0.1), noise=0.0) for _ in range(3)]
    clips = []
    for painter in (HostPainter(), DevicePainter(torch.device("cpu"), footages)):
        for index, plan in zip((0, 17, 39), plans, strict=True):
            painter.add(footage, 1, index, plan, np.random.default_rng(0))
        clips.append(painter.finish().int())
        assert clips[-1].shape == (3, 3, 64, 96)
    assert (clips[0] - clips[1]).abs().float().mean() < 0.5
