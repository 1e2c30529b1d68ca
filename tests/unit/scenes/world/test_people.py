import numpy as np
import pytest

from streamdet.scenes.world.body import turn_towards, walking
from streamdet.scenes.world.motorcycles import RIDING
from streamdet.scenes.world.people import Person


@pytest.mark.parametrize("detail", [0, 1, 2])
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("phase", [0.0, 1.5, 3.0, 5.0])
@pytest.mark.parametrize("swing", [0.0, 0.45, 0.7])
def test_a_walker_keeps_a_foot_on_the_ground(phase, swing, seed, detail):
    person = Person(np.random.default_rng(seed), detail)
    vertices = person.mesh(walking(phase, swing)).vertices
    assert vertices[:, 2].min() == pytest.approx(0, abs=0.03)
    assert vertices[:, 2].max() == pytest.approx(person.height, rel=0.10)


def test_legs_swing_against_each_other():
    person = Person(np.random.default_rng(1), 1)
    spread = [np.ptp(person.mesh(walking(phase, 0.45)).vertices[:, 1]) for phase in (0.0, np.pi / 2)]
    assert spread[1] > spread[0] + 0.2
    one, half_a_stride_later = walking(0.4, 0.45), walking(0.4 + np.pi, 0.45)
    assert one.hips == pytest.approx(half_a_stride_later.hips[::-1])
    assert one.shoulders[0] * (one.hips[0] - 0.04) < 0  # arms go against the legs


def test_a_rider_sits_on_the_seat():
    rider = Person(np.random.default_rng(2), 1, helmet=True)
    vertices = rider.mesh(RIDING).vertices
    assert 0.05 < vertices[:, 2].min() < 0.6
    assert vertices[:, 2].max() > 1.2


def test_people_differ():
    colours = {
        tuple(np.round(Person(np.random.default_rng(seed), 0).mesh(walking(0, 0)).colours[0], 2)) for seed in range(20)
    }
    heights = [Person(np.random.default_rng(seed), 0).height for seed in range(20)]
    assert len(colours) > 5
    assert np.ptp(heights) > 0.15


@pytest.mark.parametrize(
    ("heading", "target", "expected"),
    [(0.0, 1.0, 0.1), (0.0, -1.0, -0.1), (3.1, -3.1, 3.1 + (2 * np.pi - 6.2)), (1.0, 1.05, 1.05)],
)
def test_turns_go_the_shorter_way(heading, target, expected):
    assert turn_towards(heading, target, 0.1) == pytest.approx(expected)
