import numpy as np
import pytest
import torch

from streamdet.training.augment import ClipAugmentation, Strength
from streamdet.training.paint import paint_clip

PLAIN = Strength(zoom=0.3, drift=0.5, colour=0.0, occluders=0.0, spells=0.0)
SOURCE, CANVAS = (120, 160), (96, 128)


def _augmentation(seed, strength=PLAIN, shake=0.0):
    return ClipAugmentation(np.random.default_rng(seed), SOURCE, CANVAS, strength, shake)


def _apply(augment, image, dt_s, grain=0):
    clip = paint_clip(torch.from_numpy(image[None]), [augment.next_frame(dt_s)], [grain])
    return clip[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("seed", range(12))
def test_boxes_follow_the_picture_through_the_clip(seed):
    """A white block lies where its box says, in every frame of a clip with zoom, flip and drift."""
    augment = _augmentation(seed, shake=0.2)
    image = np.zeros((*SOURCE, 3), np.uint8)
    image[40:80, 50:110] = 255
    for _ in range(6):
        out = _apply(augment, image, 0.2)
        boxes, visible = augment.boxes(np.array([[50, 40, 110, 80]], np.float32))
        ys, xs = np.nonzero(out[..., 0] > 200)
        if visible[0]:
            found = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
            np.testing.assert_allclose(boxes[0], found, atol=3.0)  # a large zoom blurs the block's edge
    assert out.shape == (*CANVAS, 3)


def test_same_draw_gives_the_same_clip():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, *SOURCE, 3), np.uint8)
    strength = Strength(occluders=1.0, spells=1.0)
    first, second = (_augmentation(7, strength) for _ in range(2))
    for image in images:
        np.testing.assert_array_equal(_apply(first, image, 0.1), _apply(second, image, 0.1))


def test_box_outside_the_canvas_is_not_visible():
    augment = _augmentation(1)
    augment.next_frame(0.1)
    boxes, visible = augment.boxes(np.array([[-900, -900, -850, -850], [0, 0, 160, 120]], np.float32))
    assert not visible[0]
    assert (boxes >= 0).all()
    assert (boxes <= [128, 96, 128, 96]).all()


def test_occluders_report_what_they_hide():
    """Where an occluder covers a box, the pixels there are no longer the picture's."""
    hidden_somewhere = False
    for seed in range(20):
        augment = _augmentation(seed, Strength(zoom=0.0, drift=0.0, colour=0.0, occluders=1.0, spells=0.0))
        grey = np.full((*SOURCE, 3), 7, np.uint8)
        augment._scale = 2.0  # the picture fills the canvas
        augment._offset[:] = 0.0
        for _ in range(4):
            out = _apply(augment, grey, 0.3)
            box = np.array([[50, 40, 80, 60]], np.float32)
            share = float(augment.hidden_share(box)[0])
            changed = float((np.abs(out[40:60, 50:80].astype(int) - 7).max(axis=2) > 1).mean())
            if 0 < changed < 1:
                assert abs(share - changed) < 0.3
            hidden_somewhere |= share > 0.3
    assert hidden_somewhere


def test_spells_come_and_go():
    strength = Strength(zoom=0.0, drift=0.0, colour=0.0, occluders=0.0, spells=1.0)
    image = np.random.default_rng(1).integers(0, 256, (*SOURCE, 3), np.uint8)
    bad = 0
    for seed in range(10):
        augment = _augmentation(seed, strength)
        frames = [_apply(augment, image, 0.0, grain=n) for n in range(30)]
        usual = np.median([f.astype(np.float32).mean() for f in frames])
        bad += sum(
            float(np.abs(f.astype(np.float32) - frames[0]).mean()) > 15 or f.mean() < usual * 0.6 for f in frames
        )
    assert 10 < bad < 290
