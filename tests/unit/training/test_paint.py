"""Training pictures, against OpenCV: the same up to rounding."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from streamdet.models.recurrent.config import PADDING_GREY
from streamdet.training.augment import ClipAugmentation, Strength
from streamdet.training.paint import Painter, paint_clip

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


def _paint_with_opencv(image, plan):
    """(h, w, 3) uint8 to (H, W, 3) uint8, without grain."""
    if plan.halved:
        image = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    out = cv2.warpAffine(image, plan.matrix, plan.canvas[::-1], flags=cv2.INTER_LINEAR, borderValue=(PADDING_GREY,) * 3)
    out = cv2.LUT(out, plan.colours)
    if abs(plan.saturation - 1) > 0.05:
        faded = cv2.cvtColor(cv2.cvtColor(out, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        out = cv2.addWeighted(out, plan.saturation, faded, 1 - plan.saturation, 0)
    for occluder in plan.occluders:
        x1, y1, x2, y2 = occluder.box
        out[y1:y2, x1:x2] = cv2.resize(occluder.texture, (x2 - x1, y2 - y1))
    if plan.blur is not None:
        out = cv2.filter2D(out, -1, plan.blur)
    if plan.brightness is not None:
        out = cv2.convertScaleAbs(out, alpha=plan.brightness)
    if plan.jpeg_quality is not None:
        _, data = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, plan.jpeg_quality])
        out = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return out


def _both(photo, plans):
    """What OpenCV and the painter make of the same plans: (T, H, W, 3) int."""
    opencv = np.stack([_paint_with_opencv(photo, plan) for plan in plans])
    frames = torch.from_numpy(np.stack([photo] * len(plans)))
    painted = paint_clip(frames, plans, list(range(len(plans))))
    assert painted.dtype == torch.uint8
    return opencv.astype(int), painted.permute(0, 2, 3, 1).numpy().astype(int)


@pytest.mark.parametrize("seed", range(10))
def test_geometry_colour_and_occluders_are_opencvs(photo, seed):
    plans = _plans(seed, Strength(drift=0.3, occluders=0.7, spells=0.0))
    opencv, painted = _both(photo, [replace(plan, noise=0.0) for plan in plans])
    assert np.abs(opencv - painted).mean() < 0.3
    assert np.percentile(np.abs(opencv - painted), 99.9) <= 4


def test_frames_made_smaller_first_are_opencvs(photo):
    plan = _plans(0, QUIET)[0]
    small = replace(plan, halved=True, matrix=np.array([[0.8, 0, 3.4], [0, 0.8, -2.2]]))
    opencv, painted = _both(photo, [small])
    assert np.abs(opencv - painted).max() <= 4


def test_flipped_frames_are_opencvs(photo):
    plan = replace(_plans(0, QUIET)[0], matrix=np.array([[-0.7, 0, 180.3], [0, 0.7, -8.6]]), halved=False)
    opencv, painted = _both(photo, [plan])
    assert np.abs(opencv - painted).max() <= 3


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
    opencv, painted = _both(photo, [replace(plain, **spell)])
    # A value that is rounded to the other side shows in all of its block once it is compressed; OpenCV 4 rounds more.
    most, mean = (40, 3.0) if "jpeg_quality" in spell else (3, 0.5)
    assert np.abs(opencv - painted).max() <= most
    assert np.abs(opencv - painted).mean() < mean
    untouched, _ = _both(photo, [plain])
    assert np.abs(opencv - untouched).mean() > mean


def test_grain_is_as_strong_and_repeats_with_its_seed(photo):
    plan = _plans(3, QUIET)[0]
    noisy = replace(plan, noise=20.0, brightness=0.5)
    frames = torch.from_numpy(photo[None])
    one, again, other = (paint_clip(frames, [noisy], [seed]) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    dark, painted = _both(photo, [noisy])
    inside = (dark > 60) & (dark < 128)
    assert (painted - dark)[inside].std() == pytest.approx(20, rel=0.05)


def test_painter_gives_the_frame_that_was_asked_for(footages):
    """Frames of the second video at their places in the file."""
    augment = ClipAugmentation(np.random.default_rng(1), (72, 96), (64, 96), QUIET, 0.0)
    plan = replace(augment.next_frame(0.1), noise=0.0)
    painter = Painter(torch.device("cpu"), footages)
    assert painter.resident == ["clips", "stills"]
    for index in (0, 17, 39):
        painter.add(footages[0], 1, index, plan, np.random.default_rng(0))
    painted = painter.finish()
    for index, image in zip((0, 17, 39), painted, strict=True):
        wanted = paint_clip(torch.from_numpy(footages[0].frame(1, index).copy())[None], [plan], [0])
        assert torch.equal(image, wanted[0])
    assert not torch.equal(painted[0], painted[1])
