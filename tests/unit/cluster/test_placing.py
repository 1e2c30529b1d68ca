"""Where cameras go: labels hold, machines are used alike, and nothing moves without a reason."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdet.cluster.cameras.placing import Bounds, Machine, Placer, Seat, Step

BOUNDS = Bounds(p95_s=1.0, max_dropped=0.5, patience_s=30.0)
SITES = ("site=a", "site=b")


def applied(seats, steps, now_s=0.0):
    return seats | {step.camera: replace(seats[step.camera], machine=step.machine, since_s=now_s) for step in steps}


machines = st.dictionaries(
    st.sampled_from([f"m{n}" for n in range(12)]),
    st.builds(
        Machine,
        cpus=st.sampled_from([1.0, 2.0, 8.0]),
        labels=st.frozensets(st.sampled_from(SITES)),
        p95_s=st.one_of(st.none(), st.floats(0, 5)),
        dropped=st.floats(0, 1),
    ),
    max_size=12,
)
cameras = st.dictionaries(
    st.sampled_from([f"c{n}" for n in range(60)]),
    st.builds(
        Seat,
        machine=st.one_of(st.none(), st.sampled_from([f"m{n}" for n in range(12)])),
        needs=st.one_of(st.none(), st.sampled_from(SITES)),
        since_s=st.floats(-100, 0),
    ),
    max_size=60,
)


@settings(max_examples=200, deadline=None)
@given(machines=machines, seats=cameras)
def test_every_camera_that_can_be_read_is(machines, seats):
    steps = Placer(BOUNDS).decide(0.0, machines, seats)
    assert len({step.camera for step in steps}) == len(steps)
    assert all(step.planned == (seats[step.camera].machine in machines) for step in steps)
    after = applied(seats, steps)
    for name, seat in seats.items():
        reachable = {m for m, each in machines.items() if seat.needs is None or seat.needs in each.labels}
        if seat.machine in reachable:
            assert after[name] == seat  # nothing is moved at first sight
        elif reachable:
            assert after[name].machine in reachable
        else:
            assert after[name] == seat


@settings(max_examples=100, deadline=None)
@given(count=st.integers(1, 200), cpus=st.lists(st.sampled_from([1.0, 2.0, 4.0]), min_size=1, max_size=8))
def test_machines_get_cameras_by_their_processors(count, cpus):
    ready = {f"m{n}": Machine(cpus=each) for n, each in enumerate(cpus)}
    steps = Placer(BOUNDS).decide(0.0, ready, {f"c{n}": Seat() for n in range(count)})
    have = Counter(step.machine for step in steps)
    fairest = min((have[name] + 1) / machine.cpus for name, machine in ready.items())
    assert all(have[name] / machine.cpus <= fairest + 1e-9 for name, machine in ready.items())


def test_only_cameras_of_the_dead_machine_move():
    ready = {f"m{n}": Machine() for n in range(10)}
    placer = Placer(BOUNDS)
    seats = {f"c{n}": Seat() for n in range(100)}
    seats = applied(seats, placer.decide(0.0, ready, seats))
    dead = {name for name, seat in seats.items() if seat.machine == "m3"}
    del ready["m3"]
    steps = placer.decide(2.0, ready, seats)
    assert {step.camera for step in steps} == dead
    assert len(dead) == 10
    assert max(Counter(step.machine for step in steps).values()) == 2


def hot_and_cool(*, hot=2.0, cool=0.1):
    return {"hot": Machine(p95_s=hot), "cool": Machine(p95_s=cool)}


def seats_of(**names):
    return {name: Seat(machine, since_s=since_s) for name, (machine, since_s) in names.items()}


def test_the_youngest_camera_leaves_once_the_bound_was_broken_long_enough():
    placer = Placer(BOUNDS)
    seats = seats_of(old=("hot", -500.0), young=("hot", -200.0), other=("cool", -500.0))
    for now_s in (0.0, 10.0, 29.0):
        assert placer.decide(now_s, hot_and_cool(), seats) == []
    assert placer.decide(30.0, hot_and_cool(), seats) == [Step("young", "cool", planned=True)]


def test_a_bound_that_holds_in_between_starts_the_time_again():
    placer = Placer(BOUNDS)
    seats = seats_of(a=("hot", -500.0), b=("hot", -200.0))
    placer.decide(0.0, hot_and_cool(), seats)
    placer.decide(20.0, hot_and_cool(hot=0.9), seats)
    assert placer.decide(35.0, hot_and_cool(), seats) == []
    assert placer.decide(65.0, hot_and_cool(), seats) != []


@pytest.mark.parametrize("machine", [Machine(p95_s=0.8), Machine(p95_s=0.1, dropped=0.45)])
def test_a_machine_without_room_gets_nothing(machine):
    placer = Placer(BOUNDS)
    seats = seats_of(a=("hot", -500.0), b=("hot", -200.0), c=("cool", -500.0))
    for now_s in (0.0, 40.0, 80.0):
        assert placer.decide(now_s, {"hot": Machine(p95_s=2.0), "cool": machine}, seats) == []


def test_a_camera_stays_where_no_other_machine_reaches_it():
    placer = Placer(BOUNDS)
    ready = {"hot": Machine(p95_s=2.0, labels=frozenset({"site=a"})), "cool": Machine(p95_s=0.1)}
    seats = {"bound": Seat("hot", "site=a", -1.0), "free": Seat("hot", None, -50.0)}
    placer.decide(0.0, ready, seats)
    assert placer.decide(31.0, ready, seats) == [Step("free", "cool", planned=True)]


def test_a_camera_that_waits_is_not_placed_before_its_time():
    seats = {"a": Seat(not_before_s=20.0)}
    placer = Placer(BOUNDS)
    assert placer.decide(10.0, {"m": Machine()}, seats) == []
    assert placer.decide(20.0, {"m": Machine()}, seats) == [Step("a", "m")]


@settings(max_examples=30, deadline=None)
@given(
    speeds=st.lists(st.floats(0.5, 4.0), min_size=2, max_size=6),
    count=st.integers(1, 24),
    seed=st.randoms(use_true_random=False),
)
def test_it_comes_to_rest(speeds, count, seed):
    """Load in proportion to cameras by speed: after a while nothing moves any more, whatever the machines can bear."""
    placer = Placer(BOUNDS)
    names = [f"m{n}" for n in range(len(speeds))]
    seats = {f"c{n}": Seat(seed.choice(names), since_s=-n - 100.0) for n in range(count)}
    moved = []
    for tick in range(900):
        now_s = 2.0 * tick
        have = Counter(seat.machine for seat in seats.values())
        ready = {
            name: Machine(p95_s=0.2 * have[name] / speed if have[name] else None)
            for name, speed in zip(names, speeds, strict=True)
        }
        steps = placer.decide(now_s, ready, seats)
        moved += [now_s] * len(steps)
        seats = applied(seats, steps, now_s)
    assert not [now_s for now_s in moved if now_s > 1500]
