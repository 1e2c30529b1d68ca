import numpy as np
import pytest

from streamdet.scenes.render.backdrop import Backdrop
from streamdet.scenes.world.camera import Camera
from streamdet.scenes.world.street import make_street


@pytest.fixture
def view():
    street = make_street(np.random.default_rng(3), 1.0)
    return street, Camera.looking((0.0, 0.0, 6.0), 0.0, 0.15, 160.0, (160, 96))


def test_sky_is_above_and_road_below(view, daylight):
    street, camera = view
    picture = Backdrop(np.random.default_rng(0), camera, street, daylight.sun_direction, 3, []).lit(daylight)
    assert picture.shape == (96 + 6, 160 + 6, 3)
    assert picture[2:10, 78:88].mean() > picture[80:, 60:100].mean() + 20


def test_the_crossing_is_painted_where_the_street_has_it(view, daylight):
    street, camera = view
    picture = Backdrop(np.random.default_rng(0), camera, street, daylight.sun_direction, 0, []).lit(daylight)
    xs = np.arange(-3.0, 3.0, 0.05)
    points = np.stack([xs, np.full_like(xs, street.crossing_y), np.zeros_like(xs)], -1)
    columns, rows = camera.project(points)[0].astype(int).T
    across = picture[rows, columns].mean(1)
    assert across.max() > 1.5 * across.min()  # stripes
    beside = points - [0, 6.5, 0]
    columns, rows = camera.project(beside)[0].astype(int).T
    assert across.mean() > 1.2 * np.median(picture[rows, columns].mean(1))


def test_a_shadow_darkens_the_ground_in_the_sun_only(view, daylight):
    street, camera = view
    ground = np.array([0.0, 22.0, 0.0])
    sunlit = street.sunlit(ground, daylight.sun_direction) > 0
    square = np.array([[-1.0, 20.0], [1.0, 20.0], [1.0, 24.0], [-1.0, 24.0]])
    plain, cast = (
        Backdrop(np.random.default_rng(0), camera, street, daylight.sun_direction, 0, shadows).lit(daylight)
        for shadows in ([], [square])
    )
    column, row = camera.project(ground)[0].astype(int)
    assert (int(plain[row, column].sum()) > int(cast[row, column].sum()) + 5) == bool(sunlit)
    assert (plain[:20] == cast[:20]).all()


def test_a_house_shades_the_ground_behind_it():
    street = make_street(np.random.default_rng(3), 1.0)
    low_sun = np.array([0.95, 0.0, np.sqrt(1 - 0.95**2)])
    wall = street.wall_x
    points = np.array([[wall - 0.5, 20.0, 0.0], [wall - 0.5, 20.0, 200.0]])
    assert street.sunlit(points, low_sun).tolist() == [0.0, 1.0]


def test_under_a_lamp_it_is_brighter():
    street = make_street(np.random.default_rng(3), 1.0)
    x, y = street.lamps[np.argmin(np.abs(street.lamps[:, 1] - 30))]
    light = street.lamp_light(np.array([[x * 0.8, y, 0.0], [x * 0.8, y + 11, 0.0]]))
    assert light[0] > light[1] + 0.2
