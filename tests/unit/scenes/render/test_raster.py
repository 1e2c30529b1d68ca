import numpy as np
import pytest

from streamdet.scenes.render.raster import Sprite, add_glow, blur_along, composite, darken, fill_faces, window_of


def square(x0, y0, x1, y1):
    return np.array([[[x0, y0], [x1, y0], [x1, y1], [x0, y1]]], np.float64)


@pytest.mark.parametrize("size", [20, 100, 300])
def test_a_face_covers_its_area_with_soft_edges(size):
    face = square(4.25, 5.5, size - 6.5, size - 3.75)
    rgba = fill_faces(face, np.array([[1.0, 0.5, 0.0]]), (0, 0, size, size))
    coverage = rgba[..., 3].astype(float) / 255
    area = (size - 10.75) * (size - 9.25)
    assert coverage.sum() == pytest.approx(area, rel=0.06)
    assert rgba[size // 2, size // 2].tolist() == [255, 128, 0, 255]


def test_what_comes_later_lies_in_front():
    faces = np.concatenate([square(0, 0, 20, 20), square(5, 5, 15, 15)])
    rgba = fill_faces(faces, np.array([[1.0, 0, 0], [0, 1.0, 0]]), (0, 0, 20, 20))
    assert rgba[10, 10, :3].tolist() == [0, 255, 0]
    assert rgba[2, 2, :3].tolist() == [255, 0, 0]


def test_compositing_mixes_by_coverage():
    picture = np.full((4, 4, 3), 100, np.uint8)
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (200, 200, 200, 255)
    rgba[0, 1] = (100, 100, 100, 128)  # half covered, colour times coverage
    composite(picture, Sprite(rgba, 1, 1))
    assert picture[1, 1].tolist() == [200] * 3
    assert picture[1, 2, 0] == pytest.approx(150, abs=1)
    assert picture[2, 2].tolist() == [100] * 3
    assert picture[0, 0].tolist() == [100] * 3


def test_darkening_multiplies():
    picture = np.full((3, 3, 3), 200, np.uint8)
    darken(picture, np.array([[0, 128, 255]], np.uint8), 0, 1)
    assert picture[1, :, 0].tolist() == [200, pytest.approx(100, abs=1), 0]
    assert (picture[[0, 2]] == 200).all()


@pytest.mark.parametrize(("dx", "dy"), [(12.0, 0.0), (-9.0, 4.0), (0.0, 30.0), (2.0, 1.0)])
def test_motion_blur_keeps_the_light_and_its_middle(dx, dy):
    rgba = np.zeros((101, 101, 4), np.uint8)
    rgba[40:61, 40:61] = 200
    blurred = blur_along(rgba, dx, dy)[..., 3].astype(float)
    assert blurred.sum() == pytest.approx(200 * 21 * 21, rel=0.02)
    rows, columns = np.indices(blurred.shape)
    assert (blurred * columns).sum() / blurred.sum() == pytest.approx(50, abs=0.8)
    assert (blurred * rows).sum() / blurred.sum() == pytest.approx(50, abs=0.8)
    assert np.count_nonzero(blurred.any(0)) == pytest.approx(21 + abs(dx), abs=2)
    assert np.count_nonzero(blurred.any(1)) == pytest.approx(21 + abs(dy), abs=2)


def test_a_movement_beyond_the_sprite_leaves_nothing_wrong():
    rgba = np.full((6, 6, 4), 255, np.uint8)
    assert blur_along(rgba, 400.0, 0.0).max() < 255


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ((1.2, 2.8, 5.1, 6.0), (0, 1, 7, 7)),
        ((-9.0, -9.0, 3.0, 3.0), (0, 0, 4, 4)),
        ((20.0, 2.0, 30.0, 4.0), None),
        ((5.0, -30.0, 6.0, -20.0), None),
    ],
)
def test_windows_cover_and_stay_inside(bounds, expected):
    assert window_of(bounds, (0, 0, 10, 10), 1) == expected


@pytest.mark.parametrize(("x", "y"), [(10.0, 10.0), (-2.0, 5.0), (500.0, 5.0)])
def test_a_glow_adds_light_where_it_is_in_the_picture(x, y):
    picture = np.full((20, 20, 3), 50, np.uint8)
    add_glow(picture, x, y, 6.0, np.array([1.0, 1.0, 1.0]))
    assert (picture >= 50).all()
    assert (picture > 50).any() == (x < 100)
