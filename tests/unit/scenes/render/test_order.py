import numpy as np
import pytest

from streamdet.scenes.render.order import back_to_front

EYE = np.array([0.0, 0.0, 3.0])
BUS = (2.0, 10.0, 4.5, 22.0)


@pytest.mark.parametrize(
    ("other", "other_in_front"),
    [
        ((1.0, 21.0, 1.5, 21.5), True),  # between the camera's line and the bus, beside its far end
        ((5.0, 10.5, 5.5, 11.0), False),  # beyond the bus, beside its near end: nearer than its middle, yet hidden
        ((3.0, 5.0, 3.5, 5.5), True),  # before it
        ((3.0, 30.0, 3.5, 30.5), False),  # behind it
    ],
)
def test_beside_a_long_thing_the_side_decides(other, other_in_front):
    order = back_to_front(np.array([BUS, other]), EYE)
    assert order == ([0, 1] if other_in_front else [1, 0])


def test_every_index_comes_once():
    rng = np.random.default_rng(0)
    low = rng.uniform([-10, 0], [10, 80], (60, 2))
    footprints = np.concatenate([low, low + rng.uniform(0.3, 6, (60, 2))], 1)
    assert sorted(back_to_front(footprints, EYE)) == list(range(60))


def test_nothing_to_draw():
    assert back_to_front(np.zeros((0, 4)), EYE) == []
