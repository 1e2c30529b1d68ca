"""Short scenes in which one thing happens that no single picture of them shows: pairs that differ in their order alone.

A car that turns in and one that backs out take the same way, in opposite directions; and a person who runs across the
street before a car passes, or after it, looks the same in every picture.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from typing import Literal, get_args

import numpy as np

from streamdet.scenes.scene import Cast, SceneFrame, SceneSpec, film
from streamdet.scenes.world.camera import Camera
from streamdet.scenes.world.cars import make_car
from streamdet.scenes.world.detail import Shapes
from streamdet.scenes.world.people import Person
from streamdet.scenes.world.street import Street
from streamdet.scenes.world.traffic import Driver, Signal, Traffic
from streamdet.scenes.world.walkers import Doing, Walker, Walkers

Event = Literal["car_turns_in", "car_backs_out", "person_then_car", "car_then_person"]
EVENTS: tuple[Event, ...] = get_args(Event)
_TURN_M, _APPROACH_M, _PASS_M = 4.5, 9.0, 30.0


def render_event(event: Event, spec: SceneSpec, takes: int = 1) -> Iterator[SceneFrame]:
    """Render one event, which takes the whole time of the scene.

    Args:
        event: what happens.
        spec: the street; nobody else is on it, and nothing hides what happens.
        takes: how often it happens, one after the other, each time by others and elsewhere on the street; each take has
            the frames of the spec.
    """
    empty = replace(spec, traffic=0.0, people=0.0, occluders=0.0, view=spec.view or "pole", frames=takes * spec.frames)
    return film(empty, lambda rng, street, camera: _Takes(event, spec, rng, street, camera))


class _Takes:
    """An event again and again."""

    def __init__(self, event: Event, spec: SceneSpec, rng: np.random.Generator, street: Street, camera: Camera) -> None:
        self._each_s = float(spec.frames / spec.fps)
        last_s = float(max(spec.frames - 1, 1) / spec.fps)
        self._cast: Callable[[], Cast] = lambda: _Actors(event, rng, street, camera, last_s)
        self._start(0)

    def _start(self, take: int) -> None:
        self._take, self._actors = take, self._cast()
        self.traffic, self.walkers = self._actors.traffic, self._actors.walkers

    def advance(self, time_s: float) -> None:
        """See Cast."""
        take = int(time_s / self._each_s + 1e-6)
        if take != self._take:
            self._start(take)
        self._actors.advance(max(time_s - take * self._each_s, 0.0))


class _Actors:
    """A car and a person, who act by a script. Where each is depends on how much of it is done, from 0 to 1."""

    def __init__(self, event: Event, rng: np.random.Generator, street: Street, camera: Camera, seconds: float) -> None:
        signal, identities = Signal(rng), count(1)
        self.traffic = Traffic(rng, street, signal, 0.0, identities)
        self.walkers = Walkers(rng, street, signal, camera, 0.0, identities)
        self._event, self._street, self._seconds = event, street, seconds
        self._lane = street.lanes[int(rng.integers(len(street.lanes)))]
        self._place_m = float(rng.uniform(11, 17))
        self._side = float(rng.choice([-1, 1]))
        seeds = [int(seed) for seed in rng.integers(1 << 31, size=2)]
        shapes = Shapes(lambda detail: make_car(np.random.default_rng(seeds[0]), detail))
        self._car = Driver(next(identities), shapes, None, self._lane.x, 0.0, 0.0, 0.0)
        people = Shapes(lambda detail: Person(np.random.default_rng(seeds[1]), detail))
        self._person = Walker(next(identities), people, 0.0, 0.0, 0.0, 3.0, Doing.CROSSING, 1, 0.0, crosses=True)

    def advance(self, time_s: float) -> None:
        """See Cast."""
        done = min(time_s / self._seconds, 1.0)
        if self._event in ("car_turns_in", "car_backs_out"):
            self._turn(done if self._event == "car_turns_in" else 1 - done)
            return
        first, half = done < 0.5, 2 * done % 1 if done < 1 else 1.0
        run = first == (self._event == "person_then_car")
        self.traffic.parked = [] if run else [self._car]
        self.walkers.people = [self._person] if run else []
        if run:
            self._run(half)
        else:
            self._drive((half - 0.5) * _PASS_M)

    def _drive(self, past_m: float) -> None:
        """Along the lane, so far past the place."""
        self._car.x = self._lane.x
        self._car.parked_y = self._place_m + self._lane.direction * past_m
        self._car.parked_heading = 0.0 if self._lane.direction > 0 else np.pi

    def _turn(self, done: float) -> None:
        """Along the lane, then by a quarter of a circle onto the pavement of that side."""
        self.traffic.parked = [self._car]
        side, way = float(np.sign(self._lane.x)), self._lane.direction
        arc_m = _TURN_M * np.pi / 2
        goal_m = max(self._street.wall_x - abs(self._lane.x) - _TURN_M - self._car.shapes.far.length / 2 - 0.3, 0.0)
        at_m = done * (_APPROACH_M + arc_m + goal_m) - _APPROACH_M
        angle = float(np.clip(at_m / _TURN_M, 0.0, np.pi / 2))
        beyond_m = max(at_m - arc_m, 0.0)
        self._drive(min(at_m, 0.0) + _TURN_M * float(np.sin(angle)))
        self._car.x += side * (_TURN_M * (1 - float(np.cos(angle))) + beyond_m)
        self._car.parked_heading += side * way * angle

    def _run(self, done: float) -> None:
        """Across the street."""
        person, reach_m = self._person, self._street.road_half + 1.0
        person.x, person.y = self._side * (2 * done - 1) * reach_m, self._place_m
        person.heading, person.moved = self._side * np.pi / 2, person.pace
        person.phase = 4 * reach_m * np.pi * done / person.shapes.far.stride_m
