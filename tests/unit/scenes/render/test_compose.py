from itertools import count

import numpy as np
import pytest

from streamdet.scenes.render.backdrop import Backdrop
from streamdet.scenes.render.compose import Composer
from streamdet.scenes.world.camera import Camera
from streamdet.scenes.world.detail import Shapes
from streamdet.scenes.world.mesh import MeshBuilder
from streamdet.scenes.world.people import Person
from streamdet.scenes.world.props import Prop
from streamdet.scenes.world.street import make_street
from streamdet.scenes.world.traffic import Signal, Traffic
from streamdet.scenes.world.walkers import Doing, Walker, Walkers

STILL = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
SIZE = (160, 96)


def wall(x0: float, x1: float, height: float, y: float = 8.0) -> Prop:
    builder = MeshBuilder()
    builder.box([x0, y, 0.0], [x1, y + 0.2, height], [0.4, 0.3, 0.2])
    return Prop(builder.build(), (x0, y, x1, y + 0.2), ())


@pytest.fixture(scope="module")
def empty_street():
    street = make_street(np.random.default_rng(0), 0.0)
    camera = Camera.looking((0.0, 0.0, 1.5), 0.0, 0.0, 160.0, SIZE)
    return street, camera, Backdrop(np.random.default_rng(1), camera, street, np.array([0.0, 0.0, 1.0]), 0, [])


@pytest.fixture
def compose(daylight, empty_street):
    """Render one person, two metres of them, at x = 0, y = 12, behind the given things."""
    street, camera, backdrop = empty_street
    rng, identities = np.random.default_rng(0), count(1)
    signal = Signal(rng)
    traffic = Traffic(rng, street, signal, 0.0, identities)
    walkers = Walkers(rng, street, signal, camera, 0.0, identities)

    def with_things(props: list[Prop], x: float = 0.0):
        shape = Shapes(lambda detail: Person(np.random.default_rng(5), detail))
        person = Walker(7, shape, x, 12.0, 0.0, 1.3, Doing.STANDING, 1, 0.0, False)
        walkers.people = [person]
        picture, seen = Composer(camera, street, backdrop, props, 0, 0.01).frame(daylight, STILL, traffic, walkers)
        return picture, seen

    return with_things


def test_a_person_in_the_open_is_wholly_visible(compose):
    _, seen = compose([])
    assert [(s.kind, s.identity, s.visible_fraction) for s in seen] == [("person", 7, 1.0)]
    np.testing.assert_allclose(seen[0].visible_box, seen[0].box, atol=1.01)


def test_a_low_wall_hides_the_legs(compose):
    (whole,), (seen,) = compose([])[1], compose([wall(-2.0, 2.0, 1.0)])[1]
    assert seen.box == whole.box
    assert 0.3 < seen.visible_fraction < 0.85
    assert seen.visible_box[3] < whole.box[3] - 5
    assert seen.visible_box[1] == pytest.approx(whole.box[1], abs=1)


def test_a_wall_over_one_half_leaves_the_other(compose):
    (seen,) = compose([wall(-2.0, 0.0, 3.0)])[1]
    assert 0.3 < seen.visible_fraction < 0.7
    assert seen.visible_box[0] == pytest.approx(80, abs=1.5)


def test_behind_a_high_wall_nothing_is_left(compose):
    (seen,) = compose([wall(-2.0, 2.0, 3.0)])[1]
    assert seen.visible_fraction == 0
    assert seen.visible_box == (0, 0, 0, 0)
    assert seen.box[2] > seen.box[0]


def test_a_wall_behind_hides_nothing(compose):
    (seen,) = compose([wall(-2.0, 2.0, 3.0, y=14.0)])[1]
    assert seen.visible_fraction == 1


def test_the_edge_of_the_picture_counts_as_hidden(compose):
    (seen,) = compose([], x=6.0)[1]  # 80 pixels from the middle is 12 m * 80 / 160
    assert 0.3 < seen.visible_fraction < 0.7
    assert seen.box[2] == SIZE[0]


def test_the_person_is_in_the_picture_where_the_box_is(compose):
    empty, _ = compose([], x=500.0)
    picture, (seen,) = compose([])
    changed = np.abs(picture.astype(int) - empty).max(2) > 25
    x0, y0, x1, y1 = (round(v) for v in seen.box)
    assert changed[y0:y1, x0:x1].mean() > 0.25
    assert changed[: y0 - 1].sum() == 0
