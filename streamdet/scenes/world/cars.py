"""Passenger cars and pickups of several shapes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.mesh import PROTRUDING, Material, MeshBuilder
from streamdet.scenes.world.parts import (
    GLASS,
    LAMP_RED,
    LAMP_WHITE,
    PLATE,
    TRIM,
    Vehicle,
    along_y,
    bands,
    bulged_section,
    choose_paint,
    end_panel,
    rounded_rectangle,
    side_panel,
    wheels,
)


@dataclass(frozen=True)
class _Shape:
    """Side view of a car.

    Attributes:
        length, width, height: metres.
        deck: outline under the windows, rear to front: fraction of the length, height in metres.
        roof: fractions of the length: foot of the rear window, rear and front edge of the roof, foot of the windscreen.
        belt: height of the windows' lower edge, metres.
        clearance: metres.
        panes: side windows as fractions of the cabin.
    """

    length: float
    width: float
    height: float
    deck: tuple[tuple[float, float], ...]
    roof: tuple[float, float, float, float]
    belt: float
    clearance: float = 0.2
    panes: tuple[tuple[float, float], ...] = ((0.06, 0.24), (0.27, 0.56), (0.60, 0.93))


_HATCH = _Shape(
    4.05,
    1.76,
    1.48,
    ((0, 0.80), (0.03, 0.96), (0.5, 0.95), (0.74, 0.93), (0.9, 0.84), (0.97, 0.72), (1, 0.55)),
    (0.02, 0.13, 0.56, 0.76),
    0.93,
)
_SEDAN = _Shape(
    4.65,
    1.82,
    1.45,
    ((0, 0.70), (0.02, 0.96), (0.16, 0.99), (0.5, 0.94), (0.72, 0.92), (0.9, 0.82), (0.97, 0.70), (1, 0.52)),
    (0.12, 0.28, 0.55, 0.74),
    0.92,
)
_ESTATE = _Shape(
    4.7,
    1.84,
    1.50,
    ((0, 0.75), (0.02, 0.97), (0.5, 0.95), (0.73, 0.93), (0.9, 0.82), (0.97, 0.70), (1, 0.52)),
    (0.015, 0.09, 0.56, 0.75),
    0.94,
)
_SUV = _Shape(
    4.55,
    1.88,
    1.70,
    ((0, 0.90), (0.02, 1.08), (0.5, 1.08), (0.74, 1.07), (0.92, 1.0), (0.98, 0.85), (1, 0.6)),
    (0.02, 0.10, 0.57, 0.76),
    1.07,
    0.26,
)
_MINIVAN = _Shape(
    4.6,
    1.86,
    1.80,
    ((0, 0.9), (0.01, 1.06), (0.5, 1.03), (0.8, 1.0), (0.95, 0.84), (0.99, 0.7), (1, 0.55)),
    (0.01, 0.06, 0.66, 0.86),
    1.02,
)
_COUPE = _Shape(
    4.4,
    1.82,
    1.34,
    ((0, 0.70), (0.02, 0.92), (0.14, 0.95), (0.5, 0.88), (0.7, 0.85), (0.9, 0.74), (0.97, 0.64), (1, 0.5)),
    (0.08, 0.34, 0.52, 0.71),
    0.86,
    0.16,
    ((0.14, 0.44), (0.48, 0.93)),
)
_SHAPES = (_HATCH, _SEDAN, _ESTATE, _SUV, _MINIVAN, _COUPE)
_SHARES = (0.26, 0.24, 0.12, 0.22, 0.10, 0.06)


def make_car(rng: np.random.Generator, detail: int) -> Vehicle:
    """A passenger car; detail 0 far to 2 near."""
    shape = _SHAPES[int(rng.choice(len(_SHAPES), p=_SHARES))]
    paint, half = choose_paint(rng), shape.width / 2
    builder = MeshBuilder()
    _body(builder, shape, paint, detail)
    _cabin(builder, shape, paint, detail)
    _ends(builder, shape, detail)
    if detail > 0:
        _flanks(builder, shape, paint)
    for share in (0.19, 0.81):
        wheels(builder, (share - 0.5) * shape.length, half, 0.32, detail)
    lamps = np.array([[side * (half - 0.28), shape.length / 2, 0.66] for side in (-1, 1)])
    return Vehicle("car", builder.build(), shape.length, shape.width, shape.height, lamps)


def _body(builder: MeshBuilder, shape: _Shape, paint: Floats, detail: int) -> None:
    """Everything under the windows."""
    outline = np.array(shape.deck)
    shares = (
        outline[:, 0] if detail == 0 else np.unique(np.r_[outline[:, 0], np.linspace(0.1, 0.9, (0, 5, 11)[detail])])
    )
    deck = np.interp(shares, outline[:, 0], outline[:, 1])
    end = np.minimum(shares, 1 - shares)
    half = shape.width / 2 * (1 - 0.24 * np.clip(1 - end / 0.10, 0, 1) ** 2)
    low = shape.clearance + 0.10 * np.clip(1 - end / 0.08, 0, 1)
    sides = (8, 14, 24)[detail]
    ys = (shares - 0.5) * shape.length
    rings = np.stack([along_y(bulged_section(half[k], low[k], deck[k], sides), ys[k]) for k in range(len(shares))])
    heights = rings[..., 2].mean(0)
    heights = (heights + np.roll(heights, -1)) / 2
    sill = np.where((heights < shape.clearance + 0.12)[:, None], TRIM, paint)
    builder.loft(rings, np.tile(sill, (len(shares) - 1, 1)), Material.PAINT, caps=False)
    nose = np.stack([rings[-1], rings[-1] * [0.8, 1, 1] + [0, 0.05, 0]])
    tail = np.stack([rings[0] * [0.8, 1, 1] - [0, 0.03, 0], rings[0]])
    for end_rings in (nose, tail):
        builder.loft(end_rings, paint, Material.PAINT)


def _cabin(builder: MeshBuilder, shape: _Shape, paint: Floats, detail: int) -> None:
    """Pillars, roof and windows."""
    rear0, rear1, front1, front0 = ((share - 0.5) * shape.length for share in shape.roof)
    wide, narrow = shape.width / 2 * 0.93, shape.width / 2 * 0.74
    bottom, top = shape.belt - 0.03, shape.height

    def ends(up: float) -> tuple[float, float, float]:
        """Half the width, rear and front y at a height, 0 belt to 1 roof."""
        return wide + (narrow - wide) * up, rear0 + (rear1 - rear0) * up, front0 + (front1 - front0) * up

    levels = (
        ((0.0, 0.0), (0.85, 0.85), (1.0, 1.1)) if detail < 2 else ((0.0, 0.0), (0.8, 0.8), (0.93, 0.93), (1.0, 1.12))
    )
    rings = []
    for level, inward in levels:
        half, y0, y1 = ends(inward)
        ring = rounded_rectangle(half, y0, y1, 0.10 + 0.05 * level, (2, 2, 5)[detail])
        rings.append(np.column_stack([ring, np.full(len(ring), bottom + (top - bottom) * level)]))
    builder.loft(np.stack(rings), paint, Material.PAINT, 2)

    def at(side: float, along: float, up: float) -> list[float]:
        half, y0, y1 = ends(up)
        return [side * half, y0 + (y1 - y0) * along, bottom + (top - bottom) * up]

    for low, high in bands(0.10, 0.84, (1, 2, 5)[detail]):
        builder.quad(
            [at(0.86, 1, low), at(-0.86, 1, low), at(-0.86, 1, high), at(0.86, 1, high)], GLASS, Material.GLASS, 4
        )
        builder.quad(
            [at(-0.84, 0, low), at(0.84, 0, low), at(0.84, 0, high), at(-0.84, 0, high)], GLASS, Material.GLASS, 4
        )
        for side in (-1, 1):
            for a, b in shape.panes:
                pane = [at(side, a, low), at(side, b, low), at(side, b, high), at(side, a, high)]
                builder.quad(pane if side > 0 else pane[::-1], GLASS, Material.GLASS, 4)


def _ends(builder: MeshBuilder, shape: _Shape, detail: int) -> None:
    """Lamps, grille, bumpers and plates."""
    half, front, rear = shape.width / 2, shape.length / 2, -shape.length / 2
    lift = shape.belt - 0.93
    for side in (-1, 1):
        lamp = np.array([[0.42, 0.06, 0.60], [0.80, -0.12, 0.60], [0.80, -0.12, 0.72], [0.42, 0.06, 0.70]])
        lamp = lamp * [side * half, 1, 1] + [0, front - 0.02, lift * 0.6]
        builder.quad(lamp if side < 0 else lamp[::-1], LAMP_WHITE, Material.HEADLAMP, 5)
        tail = np.array([[0.50, -0.05, 0.74], [0.83, 0.06, 0.72], [0.83, 0.06, 0.88], [0.50, -0.05, 0.86]])
        tail = tail * [side * half, 1, 1] + [0, rear, lift]
        builder.quad(tail if side > 0 else tail[::-1], LAMP_RED, Material.TAILLAMP, 5)
    w, z = half * 0.40, 0.50 + lift * 0.6
    end_panel(builder, front + 0.07, (-w, w), (z, z + 0.17), TRIM)
    end_panel(builder, front + 0.07, (-1.5 * w, 1.5 * w), (0.26, 0.38), TRIM)
    end_panel(builder, rear - 0.05, (-1.9 * w, 1.9 * w), (0.30, 0.42), TRIM)
    end_panel(builder, front + 0.08, (-0.26, 0.26), (0.40, 0.51), PLATE, layer=6)
    end_panel(builder, rear - 0.05, (-0.26, 0.26), (0.66 + lift, 0.77 + lift), PLATE, layer=6)
    if detail == 2:
        for k in range(3):
            end_panel(builder, front + 0.075, (-w, w), (z + 0.03 + 0.05 * k, z + 0.045 + 0.05 * k), TRIM * 4, layer=5)


def _flanks(builder: MeshBuilder, shape: _Shape, paint: Floats) -> None:
    """Mirrors, door gaps and handles."""
    half, belt = shape.width / 2, shape.belt
    mirror = (shape.roof[3] - 0.56) * shape.length
    for side in (-1, 1):
        x0, x1 = sorted((side * half * 0.95, side * half * 1.10))
        builder.box([x0, mirror - 0.08, belt], [x1, mirror + 0.08, belt + 0.13], paint, Material.PAINT, PROTRUDING)
        for share in (0.30, 0.505, 0.73):
            y = (share - 0.5) * shape.length
            gap = ((y - 0.012, 0.36), (y + 0.012, 0.36), (y + 0.012, belt - 0.03), (y - 0.012, belt - 0.03))
            side_panel(builder, side, half * 0.995, gap, paint * 0.35)
        for share in (0.36, 0.56):
            y, z = (share - 0.5) * shape.length, belt - 0.12
            handle = ((y, z), (y + 0.18, z), (y + 0.18, z + 0.03), (y, z + 0.03))
            side_panel(builder, side, half, handle, paint * 0.5)
