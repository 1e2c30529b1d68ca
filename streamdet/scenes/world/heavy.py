"""Buses and lorries."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.mesh import PROTRUDING, Material, MeshBuilder
from streamdet.scenes.world.parts import (
    GLASS,
    LAMP_RED,
    LAMP_WHITE,
    PAINTS,
    PLATE,
    TRIM,
    Vehicle,
    bands,
    choose_paint,
    end_panel,
    shell,
    side_panel,
    wheels,
)

_BUS_PAINTS = np.array(
    [[0.66, 0.10, 0.10], [0.82, 0.82, 0.80], [0.75, 0.55, 0.12], [0.12, 0.30, 0.50], [0.15, 0.38, 0.26]]
)
_CARGO_PAINTS = np.array(
    [
        [0.84, 0.84, 0.82],
        [0.76, 0.76, 0.74],
        [0.25, 0.35, 0.52],
        [0.58, 0.20, 0.16],
        [0.30, 0.42, 0.30],
        [0.72, 0.62, 0.40],
    ]
)


def _rectangle(y0: float, y1: float, z0: float, z1: float) -> tuple[tuple[float, float], ...]:
    return ((y0, z0), (y1, z0), (y1, z1), (y0, z1))


def make_bus(rng: np.random.Generator, detail: int) -> Vehicle:
    """A city bus; detail 0 far to 2 near."""
    length, width, height = float(rng.uniform(10.0, 12.2)), 2.5, float(rng.uniform(2.95, 3.2))
    paint, stripe = _BUS_PAINTS[rng.integers(len(_BUS_PAINTS))], PAINTS[rng.integers(len(PAINTS))]
    builder = MeshBuilder()
    half, front = width / 2, length / 2
    shell(builder, width, (-front, front), (0.3, height), paint, detail, 10)
    for side in (-1, 1):
        _bus_side(builder, side, half, front, stripe, detail)
        end_panel(builder, front + 0.02, (side * 0.65, side * 0.95), (0.65, 0.85), LAMP_WHITE, Material.HEADLAMP, 5)
        end_panel(builder, -front - 0.02, (side * 0.85, side * 1.05), (0.75, 1.15), LAMP_RED, Material.TAILLAMP, 5)
    for y in (front - 1.6, -0.4):
        side_panel(builder, 1, half * 1.004, _rectangle(y - 0.55, y + 0.55, 0.4, 2.4), GLASS * 1.6, Material.GLASS, 5)
        side_panel(builder, 1, half * 1.005, _rectangle(y - 0.03, y + 0.03, 0.4, 2.4), TRIM, layer=6)
    for z0, z1 in bands(1.15, 2.45, (1, 2, 5)[detail]):
        end_panel(builder, front + 0.02, (-1.1, 1.1), (z0, z1), GLASS, Material.GLASS)
    end_panel(builder, front + 0.02, (-0.9, 0.9), (2.58, 2.85), np.array([0.55, 0.38, 0.05]), layer=5)
    end_panel(builder, -front - 0.02, (-0.95, 0.95), (1.6, 2.5), GLASS, Material.GLASS)
    end_panel(builder, front + 0.03, (-0.26, 0.26), (0.45, 0.57), PLATE, layer=6)
    end_panel(builder, front + 0.02, (-1.15, 1.15), (0.32, 0.42), TRIM, layer=5)
    for y in (-front + 2.6, front - 2.6):
        wheels(builder, y, half, 0.48, detail)
    lamps = np.array([[side * 0.8, front, 0.75] for side in (-1, 1)])
    return Vehicle("bus", builder.build(), length, width, height, lamps)


def _bus_side(builder: MeshBuilder, side: int, half: float, front: float, stripe: Floats, detail: int) -> None:
    x = half * 1.003
    for a, b in pairwise(np.linspace(-front + 0.6, front - 1.0, 8).tolist()):
        for z0, z1 in bands(1.25, 2.45, (1, 2, 4)[detail]):
            side_panel(builder, side, x, _rectangle(a + 0.05, b - 0.05, z0, z1), GLASS * 1.3, Material.GLASS, 4)
        side_panel(builder, side, x, _rectangle(a, b, 0.55, 0.85), stripe, Material.PAINT, 2)
    if detail > 0:
        x0, x1 = sorted((side * half, side * (half + 0.22)))
        builder.box([x0, front + 0.02, 1.75], [x1, front + 0.2, 2.3], TRIM, layer=PROTRUDING)


def make_truck(rng: np.random.Generator, detail: int) -> Vehicle:
    """A lorry with a box, or a flat bed with a load; detail 0 far to 2 near."""
    length, half = float(rng.uniform(6.5, 9.5)), 1.2
    cab_height, box_height = float(rng.uniform(2.4, 2.8)), float(rng.uniform(2.9, 3.5))
    front, cab_length = length / 2, 1.9
    back = front - cab_length - 0.2
    paint, cargo = choose_paint(rng), _CARGO_PAINTS[rng.integers(len(_CARGO_PAINTS))]
    stripe, closed = PAINTS[rng.integers(len(PAINTS))], bool(rng.random() < 0.7)
    load_height, load_tone = float(rng.uniform(1.7, 2.4)), float(rng.uniform(0.7, 1.3))
    builder = MeshBuilder()
    builder.box([-half * 0.8, -front, 0.55], [half * 0.8, front - 0.4, 0.85], TRIM, layer=-2, parts=4)
    parts = (2, 4, 6)[detail]
    if closed:
        builder.box([-half, -front, 0.85], [half, back, box_height], cargo, parts=parts)
        _box_details(builder, half, front, back, box_height, cargo, stripe)
    else:
        builder.box([-half, -front, 0.85], [half, back, 1.35], paint * 0.8, parts=parts)
        load = np.array([0.42, 0.33, 0.22]) * load_tone
        builder.box(
            [-half * 0.85, -front + 0.3, 1.35], [half * 0.85, back - 0.3, load_height], load, layer=1, parts=parts
        )
    _cab(builder, half, front, cab_length, cab_height, paint, detail)
    axles = (-front + 1.0, -front + 2.1, front - 1.3) if length > 8 else (-front + 1.3, front - 1.3)
    for y in axles:
        wheels(builder, y, half, 0.46, detail, arch=y > 0)
    for side in (-1, 1):
        end_panel(builder, -front - 0.02, (side * 0.7, side * 1.0), (0.66, 0.82), LAMP_RED, Material.TAILLAMP, 5)
    end_panel(builder, -front - 0.02, (-0.26, 0.26), (0.62, 0.74), PLATE, layer=6)
    lamps = np.array([[side * 0.85, front, 0.8] for side in (-1, 1)])
    tallest = max(cab_height, box_height if closed else load_height)
    return Vehicle("truck", builder.build(back + 0.1), length, 2 * half, tallest, lamps)


def _box_details(
    builder: MeshBuilder, half: float, front: float, back: float, height: float, cargo: Floats, stripe: Floats
) -> None:
    for side in (-1, 1):
        side_panel(builder, side, half * 1.004, _rectangle(-front + 0.8, back - 0.8, 1.6, 2.3), stripe)
        side_panel(builder, side, half * 1.004, _rectangle(-front, back, 0.85, 0.95), cargo * 0.5)
        side_panel(builder, side, half * 1.004, _rectangle(-front, back, height - 0.08, height), cargo * 0.7)
    for x in (0.0, half - 0.06, 0.06 - half):
        end_panel(builder, -front - 0.01, (x - 0.03, x + 0.03), (0.9, height - 0.05), cargo * 0.45)
    for z in (1.2, height - 0.5):
        end_panel(builder, -front - 0.015, (-half, half), (z, z + 0.04), cargo * 0.6)


def _cab(
    builder: MeshBuilder, half: float, front: float, length: float, height: float, paint: Floats, detail: int
) -> None:
    shell(builder, half * 1.94, (front - length, front), (0.45, height), paint, detail, 2)
    x, y = half * 0.975, front + 0.02
    for z0, z1 in bands(height - 1.1, height - 0.25, (1, 2, 4)[detail]):
        end_panel(builder, y, (-x * 0.88, x * 0.88), (z0, z1), GLASS, Material.GLASS, 5)
    end_panel(builder, y, (-x * 0.6, x * 0.6), (0.95, height - 1.25), TRIM)
    end_panel(builder, y + 0.02, (-0.26, 0.26), (0.55, 0.67), PLATE, layer=6)
    for side in (-1, 1):
        end_panel(builder, y, (side * 0.72, side * 1.0), (0.72, 0.92), LAMP_WHITE, Material.HEADLAMP, 5)
        low, high = height - 1.15, height - 0.35
        pane = ((front - 1.35, low), (front - 0.3, low), (front - 0.4, high), (front - 1.35, high))
        side_panel(builder, side, x * 1.01, pane, GLASS, Material.GLASS, 4)
        x0, x1 = sorted((side * x, side * (x + 0.22)))
        builder.box([x0, front - 0.1, height - 1.1], [x1, front + 0.02, height - 0.5], TRIM, layer=PROTRUDING)
