import cv2
import numpy as np
import pytest

from streamdet.scenes.render.drawing import Place, contact_shadow, draw_mesh, share_inside, sun_shadow
from streamdet.scenes.render.raster import fill_faces, window_of
from streamdet.scenes.world.body import walking
from streamdet.scenes.world.cars import make_car
from streamdet.scenes.world.heavy import make_bus, make_truck
from streamdet.scenes.world.mesh import MeshBuilder
from streamdet.scenes.world.motorcycles import make_motorcycle
from streamdet.scenes.world.people import Person

LIMIT = (0, 0, 320, 192)


def mask_extent(drawn):
    window = window_of(drawn.box, (-400, -400, 900, 900), 4)
    mask = fill_faces(drawn.corners, drawn.colours, window)[..., 3] > 40
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return np.array([window[0] + x, window[1] + y, window[0] + x + width, window[1] + y + height])


@pytest.mark.parametrize("detail", [0, 1, 2])
@pytest.mark.parametrize("heading", [0.0, 0.8, 2.4, 3.14, -1.57])
@pytest.mark.parametrize("make", [make_car, make_bus, make_truck, make_motorcycle])
def test_a_vehicle_fills_its_box_to_the_pixel(make, heading, detail, camera, lighting):
    vehicle = make(np.random.default_rng(3), detail)
    drawn = draw_mesh(vehicle.mesh, Place(0.5, 16.0, heading), camera, lighting)
    np.testing.assert_allclose(mask_extent(drawn), drawn.box, atol=1.3)


@pytest.mark.parametrize("detail", [0, 1, 2])
@pytest.mark.parametrize("phase", [0.0, 1.0, 2.5, 4.0])
def test_a_person_fills_their_box_to_the_pixel(phase, detail, camera, lighting):
    person = Person(np.random.default_rng(8), detail)
    drawn = draw_mesh(person.mesh(walking(phase, 0.45)), Place(-1.0, 7.0, 1.2), camera, lighting)
    np.testing.assert_allclose(mask_extent(drawn), drawn.box, atol=1.3)


def test_behind_the_camera_nothing_is_drawn(camera, lighting):
    car = make_car(np.random.default_rng(1), 0)
    assert draw_mesh(car.mesh, Place(0.0, -10.0, 0.0), camera, lighting) is None


def test_beside_the_camera_only_what_is_in_front_is_drawn(camera, lighting):
    bus = make_bus(np.random.default_rng(1), 1)
    drawn = draw_mesh(bus.mesh, Place(3.0, 2.0, 0.0), camera, lighting)
    assert drawn is not None
    assert np.isfinite(drawn.corners).all()
    assert 0 < share_inside(drawn, (320, 192)) < 1


def upright_square(camera, lighting, x):
    builder = MeshBuilder()
    builder.box([-0.5, 0.0, 0.0], [0.5, 0.1, 1.0], [0.5, 0.5, 0.5])
    return draw_mesh(builder.build(), Place(x, 10.0, 0.0), camera, lighting)


def test_share_inside_counts_what_the_edge_cuts(camera, lighting):
    assert share_inside(upright_square(camera, lighting, 0.0), (320, 192)) == 1.0
    # the picture's edge is 160 pixels from the middle: 10 m * 160 / 300
    edge = camera.project(np.array([0.0, 10.0, 0.5]))[1] * 160 / 300
    assert share_inside(upright_square(camera, lighting, float(edge)), (320, 192)) == pytest.approx(0.5, abs=0.03)
    assert share_inside(upright_square(camera, lighting, float(edge) + 0.25), (320, 192)) == pytest.approx(
        0.25, abs=0.05
    )


def test_a_shadow_falls_away_from_the_sun(camera, daylight):
    builder = MeshBuilder()
    builder.box([-0.1, -0.1, 0.0], [0.1, 0.1, 2.0], [0.5, 0.5, 0.5])
    shadow = sun_shadow(builder.build(), Place(0.0, 12.0, 0.0), camera, daylight.sun_direction, LIMIT)
    assert shadow is not None
    mask, x, _ = shadow
    middle = x + np.flatnonzero(mask.any(0)).mean()
    assert middle < 160  # the sun stands to the right


def test_the_contact_shadow_lies_under_the_thing(camera):
    place = Place(1.0, 12.0, 0.3)
    shadow = contact_shadow((0.9, 2.2), place, camera, LIMIT)
    assert shadow is not None
    mask, x, y = shadow
    rows, columns = np.nonzero(mask > 100)
    centre, _ = camera.project(np.array([1.0, 12.0, 0.0]))
    assert abs(x + columns.mean() - centre[0]) < 3
    assert abs(y + rows.mean() - centre[1]) < 3


def test_no_shadow_out_of_the_picture(camera, daylight):
    car = make_car(np.random.default_rng(1), 0)
    assert sun_shadow(car.mesh, Place(80.0, 12.0, 0.0), camera, daylight.sun_direction, LIMIT) is None
    assert contact_shadow((0.9, 2.2), Place(80.0, 12.0, 0.0), camera, LIMIT) is None
