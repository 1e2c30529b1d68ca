"""People on the pavements: they walk, run, wait, and cross when the lights let them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from itertools import count

import numpy as np

from streamdet.scenes.world.body import Posture, turn_towards, walking
from streamdet.scenes.world.camera import Camera, Floats
from streamdet.scenes.world.detail import Shapes
from streamdet.scenes.world.people import Person
from streamdet.scenes.world.street import Street
from streamdet.scenes.world.traffic import STEP_S, Signal

_FIRST_M, _LAST_M = -4.0, 85.0


class Doing(Enum):
    """What someone is about."""

    WALKING = "walking"
    TO_KERB = "to kerb"
    WAITING = "waiting"
    CROSSING = "crossing"
    STANDING = "standing"


@dataclass(eq=False)
class Walker:
    """Someone on foot; heading in radians clockwise from y."""

    identity: int
    shapes: Shapes[Person]
    x: float
    y: float
    heading: float
    pace: float
    doing: Doing
    direction: int
    phase: float
    crosses: bool
    moved: float = 0.0  # metres a second, of late
    arm: tuple[float, float] | None = None

    @property
    def velocity(self) -> Floats:
        """Metres a second, (3,)."""
        return np.array([np.sin(self.heading), np.cos(self.heading), 0.0]) * self.moved

    @property
    def posture(self) -> Posture:
        """Limbs at this moment."""
        stride = 0.30 + 0.13 * self.moved if self.moved < 2.2 else 0.7
        return walking(self.phase, stride * min(1.0, self.moved / 0.7), self.arm)


class Walkers:
    """Everyone on foot, moved in steps of STEP_S."""

    def __init__(
        self,
        rng: np.random.Generator,
        street: Street,
        signal: Signal,
        camera: Camera,
        density: float,
        identities: count[int],
    ) -> None:
        self._rng, self._street, self._signal, self._camera = rng, street, signal, camera
        self._identities, self._time = identities, 0.0
        number = int(rng.poisson(24 * density)) if density > 0 else 0
        self.people = [self._walker(float(rng.uniform(_FIRST_M, _LAST_M))) for _ in range(number)]
        for _ in range(int(rng.poisson(3.2 * density)) if density > 0 else 0):
            self.people.append(self._at_crossing())
        for _ in range(int(rng.poisson(2.5 * density)) if density > 0 else 0):
            person = self._walker(float(rng.uniform(6, 45)))
            person.doing, person.heading = Doing.STANDING, float(rng.uniform(-np.pi, np.pi))
            self.people.append(person)

    def advance(self, time_s: float) -> None:
        """Move on to a time."""
        while self._time + STEP_S <= time_s + 1e-9:
            self._time += STEP_S
            for k, person in enumerate(self.people):
                self._step(person)
                if not _FIRST_M - 1 <= person.y <= _LAST_M + 1:
                    away = bool(self._rng.random() < 0.5)
                    self.people[k] = self._walker(_FIRST_M if away else _LAST_M, 1 if away else -1)

    def _walker(self, y: float, direction: int | None = None) -> Walker:
        rng = self._rng
        seed = int(rng.integers(1 << 31))
        shapes = Shapes(lambda detail: Person(np.random.default_rng(seed), detail))
        way = int(rng.choice([-1, 1])) if direction is None else direction
        runs = rng.random() < 0.05
        pace = float(rng.uniform(2.6, 3.4)) if runs else float(np.clip(rng.normal(1.35, 0.2), 0.8, 1.9))
        arm = (1.15, 1.5) if rng.random() < 0.12 and not runs else None
        return Walker(
            identity=next(self._identities),
            shapes=shapes,
            x=self._lateral(),
            y=y,
            heading=0.0 if way > 0 else np.pi,
            pace=pace,
            doing=Doing.WALKING,
            direction=way,
            phase=float(rng.uniform(0, 2 * np.pi)),
            crosses=bool(rng.random() < 0.3),
            arm=arm,
        )

    def _lateral(self) -> float:
        """A place across the pavements, clear of the camera."""
        low, high = self._street.road_half + 1.4, self._street.wall_x - 0.5
        near = float(np.sign(self._camera.position[0]))  # more of them on the camera's side, where they are seen well
        for _ in range(8):
            x = near * float(self._rng.choice([1, -1], p=[0.62, 0.38])) * float(self._rng.uniform(low, high))
            if self._camera.position[2] > 3.2 or abs(x - self._camera.position[0]) > 1.0:
                return x
        return -near * high

    def _at_crossing(self) -> Walker:
        person = self._walker(self._street.crossing_y + float(self._rng.uniform(-1.3, 1.3)))
        side = float(np.sign(person.x))
        person.x = side * (self._street.road_half + float(self._rng.uniform(0.4, 0.9)))
        person.doing, person.heading, person.crosses = Doing.WAITING, -side * np.pi / 2, True
        return person

    def _step(self, person: Walker) -> None:
        side = float(np.sign(person.x))
        target, speed = (0.0 if person.direction > 0 else np.pi), person.pace
        if person.doing is Doing.WALKING:
            near = abs(person.y - self._street.crossing_y) < 1.2
            if person.crosses and near:
                person.doing = Doing.TO_KERB
        elif person.doing is Doing.TO_KERB:
            target = -side * np.pi / 2
            if abs(person.x) < self._street.road_half + 0.5:
                person.doing = Doing.WAITING
        elif person.doing is Doing.WAITING:
            target, speed = -side * np.pi / 2, 0.0
            need = 2 * self._street.road_half / person.pace
            if self._signal.red_left(self._time) > 0.75 * need:
                person.doing = Doing.CROSSING
                person.direction = 1 if target > 0 else -1
        elif person.doing is Doing.CROSSING:
            target = person.direction * np.pi / 2
            if person.x * person.direction > self._street.road_half + 1.5:
                person.doing, person.crosses = Doing.WALKING, False
                person.direction = int(self._rng.choice([-1, 1]))
        else:
            target, speed = person.heading, 0.0
        person.heading = turn_towards(person.heading, target, 3.2 * STEP_S)
        person.moved += float(np.clip(speed - person.moved, -3 * STEP_S, 2.5 * STEP_S))
        person.x += float(np.sin(person.heading)) * person.moved * STEP_S
        person.y += float(np.cos(person.heading)) * person.moved * STEP_S
        stride = person.shapes.far.stride_m * (0.75 + 0.25 * person.pace / 1.35)
        person.phase = (person.phase + 2 * np.pi * person.moved / stride * STEP_S) % (2 * np.pi)
