"""Motorcycles and scooters, and how one sits on them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from streamdet.scenes.world.body import Posture
from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.mesh import Material, MeshBuilder
from streamdet.scenes.world.parts import (
    CHROME,
    LAMP_RED,
    LAMP_WHITE,
    PLATE,
    RUBBER,
    TRIM,
    Vehicle,
    choose_paint,
    end_panel,
)

RIDING = Posture(
    hips=(1.12, 1.12), knees=(1.45, 1.45), shoulders=(0.75, 0.75), elbows=(0.45, 0.45), lean=0.22, seat_m=0.86
)


def make_motorcycle(rng: np.random.Generator, detail: int) -> Vehicle:
    """A motorcycle or a scooter, without its rider; detail 0 far to 2 near."""
    builder, paint, scooter = MeshBuilder(), choose_paint(rng), bool(rng.random() < 0.4)
    length, radius = (1.85, 0.24) if scooter else (2.1, 0.31)
    front, rear = length / 2 - radius, radius - length / 2
    for y in (rear, front):
        _wheel(builder, y, radius, (8, 10, 16)[detail])
    sides = (5, 6, 8)[detail]
    bars = _scooter(builder, front, rear, paint, sides) if scooter else _motorcycle(builder, front, rear, paint, sides)
    for x in (-0.09, 0.09):
        _tube(builder, [(x, front, radius), (x, bars, 0.98)], [0.03, 0.03], CHROME * 0.8, Material.PAINT, sides)
    builder.box([-0.36, bars - 0.03, 1.0], [0.36, bars + 0.02, 1.05], TRIM)
    builder.box([-0.09, bars + 0.04, 0.80], [0.09, bars + 0.16, 0.98], TRIM)
    end_panel(builder, bars + 0.165, (-0.085, 0.085), (0.81, 0.97), LAMP_WHITE, Material.HEADLAMP, 3)
    end_panel(builder, rear - 0.20, (-0.08, 0.08), (0.70, 0.80), LAMP_RED, Material.TAILLAMP, 3)
    end_panel(builder, rear - 0.21, (-0.09, 0.09), (0.52, 0.66), PLATE, layer=3)
    return Vehicle("motorcycle", builder.build(), length, 0.75, 1.08, np.array([[0, bars + 0.16, 0.88]]))


def _scooter(builder: MeshBuilder, front: float, rear: float, paint: Floats, sides: int) -> float:
    """Body of a scooter; gives the y of the handlebar."""
    tail = [(0, rear - 0.1, 0.62), (0, rear + 0.25, 0.58), (0, rear + 0.65, 0.45), (0, rear + 0.75, 0.32)]
    _tube(builder, tail, [0.12, 0.17, 0.14, 0.10], paint, Material.PAINT, sides)
    seat = [(0, rear - 0.08, 0.78), (0, rear + 0.2, 0.78), (0, rear + 0.65, 0.74)]
    _tube(builder, seat, [0.06, 0.12, 0.09], TRIM, Material.MATTE, sides)
    builder.box([-0.14, rear + 0.55, 0.24], [0.14, front - 0.25, 0.34], paint * 0.7)
    shield = [(0, front - 0.15, 0.30), (0, front - 0.24, 0.70), (0, front - 0.32, 0.95)]
    _tube(builder, shield, [0.20, 0.21, 0.10], paint, Material.PAINT, sides)
    return front - 0.34


def _motorcycle(builder: MeshBuilder, front: float, rear: float, paint: Floats, sides: int) -> float:
    """Engine, tank, seat and exhaust; gives the y of the handlebar."""
    engine = [(0, rear + 0.15, 0.42), (0, rear + 0.5, 0.48), (0, front - 0.40, 0.46)]
    _tube(builder, engine, [0.09, 0.15, 0.13], TRIM * 1.5, Material.MATTE, sides)
    tank = [(0, rear + 0.45, 0.78), (0, rear + 0.65, 0.86), (0, front - 0.45, 0.90), (0, front - 0.28, 0.80)]
    _tube(builder, tank, [0.06, 0.14, 0.15, 0.07], paint, Material.PAINT, sides)
    seat = [(0, rear - 0.12, 0.86), (0, rear + 0.1, 0.82), (0, rear + 0.6, 0.80)]
    _tube(builder, seat, [0.06, 0.12, 0.12], TRIM, Material.MATTE, sides)
    exhaust = [(0.15, rear - 0.15, 0.36), (0.15, rear + 0.5, 0.32), (0.12, front - 0.4, 0.30)]
    _tube(builder, exhaust, [0.05, 0.05, 0.03], CHROME, Material.PAINT, sides)
    return front - 0.26


def _wheel(builder: MeshBuilder, y: float, radius: float, steps: int) -> None:
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    circle = np.stack([np.zeros(steps), np.cos(t), np.sin(t)], -1)
    middle = np.array([0, y, radius])
    rings = [circle * radius * scale + middle + [x, 0, 0] for x, scale in ((-0.06, 0.93), (0, 1.0), (0.06, 0.93))]
    builder.loft(np.stack(rings), RUBBER)
    for side in (-1, 1):
        disc = circle * radius * 0.66 + middle + [side * 0.063, 0, 0]
        builder.fan(disc if side > 0 else disc[::-1], CHROME * 0.35, Material.MATTE, 1)


def _tube(
    builder: MeshBuilder,
    path: Sequence[tuple[float, float, float]],
    radii: list[float],
    colour: Floats,
    material: Material,
    sides: int,
) -> None:
    """A round tube along a path that keeps its x."""
    points, thick = np.array(path, np.float64), np.array(radii)[:, None]
    direction = np.gradient(points, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    along = np.stack([np.zeros(len(points)), direction[:, 2], -direction[:, 1]], -1)
    angle = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    rings = points[:, None] + along[:, None] * (thick * np.sin(angle))[..., None]
    rings[..., 0] += thick * np.cos(angle)
    builder.loft(rings, colour, material)
