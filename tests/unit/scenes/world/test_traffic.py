from itertools import count, pairwise

import numpy as np
import pytest

from streamdet.scenes.world.camera import Camera
from streamdet.scenes.world.street import make_street
from streamdet.scenes.world.traffic import Signal, Traffic
from streamdet.scenes.world.walkers import Doing, Walkers


@pytest.fixture(params=[1, 2, 3])
def town(request):
    rng = np.random.default_rng(request.param)
    street = make_street(rng, 1.0)
    signal, identities = Signal(rng), count(1)
    camera = Camera.looking((street.road_half + 1, 0.0, 2.0), 0.0, 0.0, 300.0, (320, 192))
    return (
        street,
        signal,
        Traffic(rng, street, signal, 1.5, identities),
        Walkers(rng, street, signal, camera, 1.0, identities),
    )


def test_vehicles_never_run_into_one_another(town):
    street, _, traffic, _ = town
    for time_s in np.arange(0, 30, 0.5):
        traffic.advance(time_s)
        for lane in street.lanes:
            queue = [d for d in traffic.drivers if d.lane is lane]
            for ahead, behind in pairwise(queue):
                gap = ahead.along - behind.along - (ahead.shapes.far.length + behind.shapes.far.length) / 2
                assert gap > 0


def test_vehicles_stop_at_red_and_people_cross_then(town):
    street, signal, traffic, walkers = town
    crossed = 0
    for time_s in np.arange(0, 45, 0.25):
        traffic.advance(time_s)
        walkers.advance(time_s)
        on_road = [p for p in walkers.people if abs(p.x) < street.road_half - 0.3]
        assert all(p.doing is Doing.CROSSING for p in on_road)
        crossed += len(on_road)
        for driver in traffic.drivers:
            # nobody who had time to stop drives over people
            if on_road and signal.red_left(time_s) > 0:
                on_zebra = abs(driver.y - street.crossing_y) < 1.5
                assert not (on_zebra and driver.speed > 3 and signal.red_left(time_s - 2.5) > 0)
    assert crossed > 0


def test_identities_are_never_used_twice(town):
    _, _, traffic, walkers = town
    owner = {}
    for time_s in np.arange(0, 40, 1.0):
        traffic.advance(time_s)
        walkers.advance(time_s)
        for thing in [*traffic.drivers, *traffic.parked, *walkers.people]:
            assert owner.setdefault(thing.identity, thing) is thing
    assert len(owner) > len(traffic.drivers) + len(traffic.parked) + len(walkers.people)


def test_parked_cars_stand_still(town):
    _, _, traffic, _ = town
    before = [(d.x, d.y) for d in traffic.parked]
    traffic.advance(5.0)
    assert [(d.x, d.y) for d in traffic.parked] == before
    assert all(not d.velocity.any() for d in traffic.parked)


def test_an_empty_town_stays_empty():
    rng = np.random.default_rng(0)
    street, signal = make_street(rng, 0.0), Signal(rng)
    traffic = Traffic(rng, street, signal, 0.0, count(1))
    traffic.advance(20.0)
    assert traffic.drivers == traffic.parked == []
