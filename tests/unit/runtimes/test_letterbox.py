from fractions import Fraction

import numpy as np
import pytest

from streamdet.boxes import Letterbox
from streamdet.frames import RgbPicture
from streamdet.runtimes.letterbox import shrink


@pytest.mark.parametrize(
    ("frame", "size", "scaled", "model"),
    [
        ((1280, 720), 320, (320, 180), (320, 192)),
        ((720, 1280), 320, (180, 320), (192, 320)),
        ((320, 320), 320, (320, 320), (320, 320)),
        ((100, 50), 320, (320, 160), (320, 160)),
        ((1281, 719), 416, (416, 233), (416, 256)),
        ((1280, 720), (192, 320), (320, 180), (320, 192)),
        ((1280, 720), (96, 320), (171, 96), (192, 96)),
        ((4000, 2), 320, (320, 1), (320, 32)),
    ],
)
def test_fit(frame, size, scaled, model):
    width, height = frame
    box = Letterbox.fit(width, height, size)
    assert (box.scaled_width, box.scaled_height) == scaled
    assert (box.model_width, box.model_height) == model


@pytest.mark.parametrize("frame", [(1280, 720), (333, 517), (64, 48)])
def test_boxes_come_back_where_the_object_is(frame):
    """A white block in the frame is found in the model image and restored to within a model pixel."""
    width, height = frame
    image = np.zeros((height, width, 3), np.uint8)
    x1, y1, x2, y2 = (int(width * 0.25), int(height * 0.5), int(width * 0.75), int(height * 0.9))
    image[y1:y2, x1:x2] = 255
    box = Letterbox.fit(width, height, 320)
    out = np.empty((box.model_height, box.model_width, 3), np.uint8)
    shrink(RgbPicture(image), box, 114, out)
    ys, xs = np.nonzero(out[..., 0] > 127)
    inside = (xs < box.scaled_width) & (ys < box.scaled_height)
    found = np.array([[xs[inside].min(), ys[inside].min(), xs[inside].max() + 1, ys[inside].max() + 1]], np.float32)
    tolerance = max(width / box.scaled_width, 1.0)
    np.testing.assert_allclose(box.restore(found), [[x1, y1, x2, y2]], atol=tolerance)


def test_padding_is_grey_and_boxes_are_clipped():
    box = Letterbox.fit(1280, 720, 320)
    out = np.empty((192, 320, 3), np.uint8)
    shrink(RgbPicture(np.zeros((720, 1280, 3), np.uint8)), box, 77, out)
    assert (out[180:] == 77).all()
    assert (out[:180] == 0).all()
    restored = box.restore(np.array([[-10, 100, 400, 192]], np.float32))
    assert restored.tolist() == [[0, 400, 1280, 720]]
    assert restored.dtype == np.float32


@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(64, 45), Fraction(1, 2)])
def test_pixels_that_are_not_square_are_fitted_as_they_are_shown(aspect):
    shown = Letterbox.fit(round(720 * aspect), 576, 320)
    stored = Letterbox.fit(720, 576, 320, pixel_aspect=aspect)
    assert (stored.scaled_width, stored.scaled_height) == (shown.scaled_width, shown.scaled_height)
    whole = np.array([[0, 0, stored.scaled_width, stored.scaled_height]], np.float32)
    assert stored.restore(whole) == pytest.approx(np.array([[0, 0, 720, 576]]))
