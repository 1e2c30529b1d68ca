"""Vehicles that drive, stop at the crossing and park."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

import numpy as np

from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.cars import make_car
from streamdet.scenes.world.detail import Shapes
from streamdet.scenes.world.heavy import make_bus, make_truck
from streamdet.scenes.world.motorcycles import make_motorcycle
from streamdet.scenes.world.parts import Vehicle
from streamdet.scenes.world.people import Person
from streamdet.scenes.world.street import Lane, Street

STEP_S = 1 / 30
_START_M, _END_M = -72.0, 185.0
_MAKERS = {"car": make_car, "truck": make_truck, "bus": make_bus, "motorcycle": make_motorcycle}
_SHARES = {"car": 0.65, "truck": 0.12, "bus": 0.09, "motorcycle": 0.14}


class Signal:
    """The lights at the crossing: red for vehicles is green for people."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._green, self._red = float(rng.uniform(9, 15)), float(rng.uniform(8, 11))
        self._phase = float(rng.uniform(0, self._green + self._red))

    def red_left(self, time_s: float) -> float:
        """Seconds for which vehicles still have to stop; 0 where they may go."""
        into = (time_s + self._phase) % (self._green + self._red)
        return max(0.0, self._green + self._red - into) if into > self._green else 0.0


@dataclass(eq=False)
class Driver:
    """A vehicle on the street.

    Attributes:
        identity: of the vehicle; the rider of a motorcycle has rider_identity.
        shapes: the vehicle at any detail.
        rider: who sits on a motorcycle.
        lane: None where it is parked.
        along: metres driven, from the lane's start.
    """

    identity: int
    shapes: Shapes[Vehicle]
    lane: Lane | None
    x: float
    along: float
    speed: float
    wish: float
    rider: Shapes[Person] | None = None
    rider_identity: int = -1
    braking: bool = False
    parked_y: float = 0.0
    parked_heading: float = 0.0

    @property
    def y(self) -> float:
        """Metres along the street."""
        if self.lane is None:
            return self.parked_y
        return _START_M + self.along if self.lane.direction > 0 else _END_M - self.along

    @property
    def heading(self) -> float:
        """Radians clockwise from y."""
        if self.lane is None:
            return self.parked_heading
        return 0.0 if self.lane.direction > 0 else np.pi

    @property
    def velocity(self) -> Floats:
        """Metres a second, (3,)."""
        sign = 0.0 if self.lane is None else float(self.lane.direction)
        return np.array([0.0, sign * self.speed, 0.0])


@dataclass
class _Queue:
    lane: Lane
    drivers: list[Driver] = field(default_factory=list)  # the first has driven farthest
    next_gap: float = 20.0


class Traffic:
    """All vehicles, moved in steps of STEP_S."""

    def __init__(
        self, rng: np.random.Generator, street: Street, signal: Signal, density: float, identities: count[int]
    ) -> None:
        self._rng, self._street, self._signal = rng, street, signal
        self._density, self._identities, self._time = density, identities, 0.0
        self._pace = float(rng.uniform(7.5, 13.5))
        self._queues = [_Queue(lane) for lane in street.lanes]
        self.parked = self._park() if density > 0 else []
        if density > 0:
            for queue in self._queues:
                self._fill(queue)
            for _ in range(90):
                self._step(0.0)

    @property
    def drivers(self) -> list[Driver]:
        """Every vehicle that drives."""
        return [driver for queue in self._queues for driver in queue.drivers]

    def advance(self, time_s: float) -> None:
        """Move on to a time."""
        while self._time + STEP_S <= time_s + 1e-9 and self._density > 0:
            self._time += STEP_S
            self._step(self._time)

    def _fill(self, queue: _Queue) -> None:
        along = _END_M - _START_M - self._rng.uniform(0, 30)
        while along > 12:
            queue.drivers.append(self._driver(queue.lane, along))
            along -= self._gap()

    def _gap(self) -> float:
        return float(9 + self._rng.exponential(22 / self._density))

    def _driver(self, lane: Lane, along: float) -> Driver:
        rng = self._rng
        kind = str(rng.choice(list(_SHARES), p=list(_SHARES.values())))
        wish = self._pace * float(rng.uniform(0.85, 1.2))
        driver = self._make(kind, lane, lane.x + float(rng.normal(0, 0.12)), along, wish)
        if kind == "motorcycle":
            driver.x += float(rng.uniform(-0.7, 0.7))
            seed = int(rng.integers(1 << 31))
            driver.rider = Shapes(lambda detail: Person(np.random.default_rng(seed), detail, helmet=True))
            driver.rider_identity = next(self._identities)
        return driver

    def _make(self, kind: str, lane: Lane | None, x: float, along: float, wish: float) -> Driver:
        seed = int(self._rng.integers(1 << 31))
        shapes = Shapes(lambda detail: _MAKERS[kind](np.random.default_rng(seed), detail))
        return Driver(next(self._identities), shapes, lane, x, along, wish, wish)

    def _park(self) -> list[Driver]:
        parked = []
        for side in self._street.parking:
            x = side * (self._street.road_half - 1.05)
            lane = self._street.lanes[-1 if side > 0 else 0]
            y = 7.0 + float(self._rng.uniform(0, 6))
            while y < 95:
                if self._rng.random() < 0.62 and abs(y - self._street.crossing_y) > 7.5:
                    driver = self._make("car", None, x + float(self._rng.normal(0, 0.06)), 0.0, 0.0)
                    driver.parked_y = y
                    driver.parked_heading = (0.0 if lane.direction > 0 else np.pi) + float(self._rng.normal(0, 0.015))
                    parked.append(driver)
                y += float(self._rng.uniform(5.6, 7.0))
        return parked

    def _step(self, time_s: float) -> None:
        red = self._signal.red_left(time_s) > 0
        for queue in self._queues:
            stop = self._street.crossing_y - queue.lane.direction * 3.6
            line = stop - _START_M if queue.lane.direction > 0 else _END_M - stop
            ahead: Driver | None = None
            for driver in queue.drivers:
                self._drive(driver, ahead, line if red else None)
                ahead = driver
            if queue.drivers and queue.drivers[0].along > _END_M - _START_M:
                queue.drivers.pop(0)
            if not queue.drivers or queue.drivers[-1].along > queue.next_gap + 12:
                queue.drivers.append(self._driver(queue.lane, 0.0))
                queue.next_gap = self._gap()

    def _drive(self, driver: Driver, ahead: Driver | None, line: float | None) -> None:
        """One step of the intelligent driver model (Treiber et al. 2000)."""
        speed, nose = driver.speed, driver.along + driver.shapes.far.length / 2
        gap, closing = 1e3, 0.0
        if ahead is not None:
            gap, closing = ahead.along - ahead.shapes.far.length / 2 - nose, speed - ahead.speed
        if line is not None and line - nose > max(-0.5, speed**2 / 9 - 1) and line - nose < gap:
            gap, closing = line - nose + 1.5, speed
        wanted = 2.0 + max(0.0, speed * 1.2 + speed * closing / 3.9)
        rate = 1.8 * (1 - (speed / driver.wish) ** 4 - (wanted / max(gap, 0.3)) ** 2)
        rate = float(np.clip(rate, -7.0, 1.8))
        driver.braking = rate < -0.6 or speed < 0.3
        driver.speed = max(0.0, speed + rate * STEP_S)
        driver.along += (speed + driver.speed) / 2 * STEP_S
