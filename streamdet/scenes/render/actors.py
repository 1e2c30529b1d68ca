"""What moves, as meshes at their places for one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamdet.scenes.render.drawing import Place
from streamdet.scenes.render.raster import Box
from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.light import Light
from streamdet.scenes.world.mesh import Mesh
from streamdet.scenes.world.motorcycles import RIDING
from streamdet.scenes.world.traffic import Driver
from streamdet.scenes.world.walkers import Walker


@dataclass(frozen=True, eq=False)
class Part:
    """A labelled object: class name, identity, shape and place."""

    kind: str
    identity: int
    mesh: Mesh
    place: Place


@dataclass(frozen=True, eq=False)
class Actor:
    """What is drawn as one.

    Attributes:
        parts: a motorcycle and its rider are two.
        place: of the first part.
        velocity: (3,) metres a second.
        half: half the footprint's width and length, metres.
        height: metres.
        lamps_on: brightness of head and tail lamps, 0 to 1.
        headlamps: (L, 3) their places on the first part; None where they are out.
    """

    parts: tuple[Part, ...]
    place: Place
    velocity: Floats
    half: tuple[float, float]
    height: float
    lamps_on: tuple[float, float] = (0.0, 0.0)
    headlamps: Floats | None = None

    @property
    def footprint(self) -> Box:
        """x0 y0 x1 y1 on the ground, metres."""
        c, s = abs(np.cos(self.place.heading)), abs(np.sin(self.place.heading))
        half_x, half_y = self.half[0] * c + self.half[1] * s, self.half[0] * s + self.half[1] * c
        x, y = self.place.x, self.place.y
        return (x - half_x, y - half_y, x + half_x, y + half_y)


def vehicle_actor(driver: Driver, detail: int, light: Light) -> Actor:
    """A vehicle, and whoever rides it."""
    vehicle = driver.shapes[detail]
    place = Place(driver.x, driver.y, driver.heading)
    moving = driver.lane is not None
    parts = [Part(vehicle.kind, driver.identity, vehicle.mesh, place)]
    if driver.rider is not None:
        behind = Place(driver.x, driver.y - 0.18 * float(np.cos(driver.heading)), driver.heading)
        parts.append(Part("person", driver.rider_identity, driver.rider[detail].mesh(RIDING), behind))
    tail = 1.0 if driver.braking else 0.55 * light.dark
    return Actor(
        parts=tuple(parts),
        place=place,
        velocity=driver.velocity,
        half=(vehicle.width / 2, vehicle.length / 2),
        height=vehicle.height,
        lamps_on=(light.dark, tail) if moving else (0.0, 0.0),
        headlamps=vehicle.headlamps if moving else None,
    )


def walker_actor(walker: Walker, detail: int) -> Actor:
    """Someone on foot."""
    person = walker.shapes[detail]
    place = Place(walker.x, walker.y, walker.heading)
    part = Part("person", walker.identity, person.mesh(walker.posture), place)
    return Actor((part,), place, walker.velocity, (0.24, 0.24), person.height)
