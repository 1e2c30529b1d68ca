"""What vehicles are made of: colours, rounded bodies, wheels, panes."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.mesh import Material, Mesh, MeshBuilder

PAINTS = np.array(
    [
        [0.86, 0.86, 0.87],
        [0.84, 0.84, 0.82],
        [0.58, 0.60, 0.62],
        [0.38, 0.40, 0.43],
        [0.07, 0.07, 0.08],
        [0.12, 0.13, 0.15],
        [0.50, 0.06, 0.06],
        [0.09, 0.15, 0.36],
        [0.17, 0.28, 0.48],
        [0.10, 0.24, 0.17],
        [0.66, 0.58, 0.44],
        [0.70, 0.38, 0.10],
        [0.72, 0.60, 0.14],
        [0.34, 0.22, 0.16],
    ]
)
_PAINT_SHARES = np.array([14, 8, 14, 12, 12, 8, 8, 6, 6, 3, 3, 2, 2, 2]) / 100
GLASS = np.array([0.05, 0.06, 0.07])
RUBBER = np.array([0.035, 0.035, 0.04])
TRIM = np.array([0.06, 0.06, 0.065])
CHROME = np.array([0.62, 0.63, 0.65])
LAMP_WHITE = np.array([0.80, 0.82, 0.84])
LAMP_RED = np.array([0.48, 0.03, 0.03])
PLATE = np.array([0.85, 0.85, 0.80])


@dataclass(frozen=True, eq=False)
class Vehicle:
    """A vehicle's shape: y forward, origin on the ground under its middle.

    Attributes:
        kind: class name.
        mesh: faces.
        length, width, height: metres.
        headlamps: (L, 3) their places.
    """

    kind: str
    mesh: Mesh
    length: float
    width: float
    height: float
    headlamps: Floats


def choose_paint(rng: np.random.Generator) -> Floats:
    """A colour as vehicles have it, each a little different."""
    paint = PAINTS[int(rng.choice(len(PAINTS), p=_PAINT_SHARES))]
    return np.asarray(np.clip(paint * rng.uniform(0.85, 1.1) + rng.uniform(-0.015, 0.015, 3), 0.02, 0.95))


def bands(low: float, high: float, count: int) -> list[tuple[float, float]]:
    """Cut low to high into count pieces."""
    return list(pairwise(np.linspace(low, high, count + 1).tolist()))


def bulged_section(half: float, low: float, high: float, sides: int) -> Floats:
    """A car body's cross-section (sides, 2) x z: bulging sides, soft edges; anticlockwise."""
    t = np.linspace(0, 2 * np.pi, sides, endpoint=False) - np.pi / 4
    x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** 0.42
    z = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** 0.42
    level = (z + 1) / 2
    narrow = 1 - 0.12 * np.maximum(0, 0.35 - level) - 0.10 * np.maximum(0, level - 0.6)
    return np.stack([x * half * narrow, low + (high - low) * level], -1)


def rounded_rectangle(half: float, low: float, high: float, radius: float, steps: int) -> Floats:
    """A ring (4 steps, 2) from -half to half and from low to high with round corners, anticlockwise."""
    right, left, top, bottom = half - radius, radius - half, high - radius, low + radius
    corners = ((right, bottom, -90), (right, top, 0), (left, top, 90), (left, bottom, 180))
    rings = []
    for a, b, start in corners:
        angle = np.radians(start + np.linspace(0, 90, steps))
        rings.append(np.stack([a + radius * np.cos(angle), b + radius * np.sin(angle)], -1))
    return np.concatenate(rings)


def along_y(section: Floats, y: float) -> Floats:
    """A cross-section (S, 2) x z as a ring (S, 3) at y that runs anticlockwise as seen from the front."""
    return np.stack([section[::-1, 0], np.full(len(section), y), section[::-1, 1]], -1)


def side_panel(
    builder: MeshBuilder,
    side: int,
    x: float,
    corners: tuple[tuple[float, float], ...],
    colour: Floats,
    material: Material = Material.MATTE,
    layer: float = 3,
) -> None:
    """A flat detail on one side, -1 left or 1 right, at distance x; corners are y z, from the rear bottom on."""
    points = [[side * x, y, z] for y, z in corners]
    builder.quad(points if side > 0 else points[::-1], colour, material, layer)


def end_panel(
    builder: MeshBuilder,
    y: float,
    span: tuple[float, float],
    levels: tuple[float, float],
    colour: Floats,
    material: Material = Material.MATTE,
    layer: float = 4,
) -> None:
    """An upright detail at the front (y > 0) or the rear, from span[0] to span[1] across."""
    (x0, x1), (z0, z1) = sorted(span), levels
    points = [[x0, y, z0], [x1, y, z0], [x1, y, z1], [x0, y, z1]]
    builder.quad(points[::-1] if y > 0 else points, colour, material, layer)


def shell(
    builder: MeshBuilder,
    width: float,
    span: tuple[float, float],
    levels: tuple[float, float],
    paint: Floats,
    detail: int,
    parts: int,
) -> None:
    """A long body with round edges, from span[0] to span[1] along y."""
    steps = (2, 3, 6)[detail]
    shares = np.unique(np.concatenate([[0, 0.012, 0.988, 1], np.linspace(0, 1, parts + 1)]))
    if detail == 0:
        shares = np.linspace(0, 1, max(2, parts // 3 + 1))
    rings = []
    for share in shares:
        end = share in (0, 1)
        ring = rounded_rectangle(
            width / 2 * (0.95 if end else 1), levels[0], levels[1] - (0.06 if end else 0), 0.16, steps
        )
        rings.append(along_y(ring, span[0] + share * (span[1] - span[0])))
    builder.loft(np.stack(rings), paint, Material.PAINT)


def wheels(builder: MeshBuilder, y: float, half: float, radius: float, detail: int, arch: bool = True) -> None:
    """A wheel on each side: arch, tyre, rim."""
    steps = (8, 12, 20)[detail]
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    circle = np.stack([np.zeros(steps), np.cos(t), np.sin(t)], -1) * radius
    discs = [(1.0, 1.005, RUBBER, 4), (0.66, 1.01, CHROME * 0.8, 5)]
    if detail > 0:
        discs += [(0.57, 1.01, CHROME * 0.42, 6), (0.2, 1.015, CHROME * 0.7, 8)]
    for side in (-1, 1):
        turn = circle if side > 0 else circle[::-1]
        if arch and detail > 0:
            ring = turn * 1.2 + [side * half, y, radius]
            ring[:, 2] = np.maximum(ring[:, 2], 0.2)
            builder.fan(ring, TRIM * 0.6, Material.MATTE, 3)
        for scale, out, colour, layer in discs:
            builder.fan(turn * scale + [side * half * out, y, radius], colour, Material.MATTE, layer)
        if detail == 2:
            _spokes(builder, side, half * 1.012, y, radius)
        if detail == 0:
            continue
        tread = np.stack(
            [circle + np.array([side * half, y, radius]), circle + np.array([side * (half - 0.24), y, radius])]
        )
        builder.loft(tread if side < 0 else tread[::-1], RUBBER, Material.MATTE, -1, caps=False)
        builder.fan(turn[::-1] + np.array([side * (half - 0.24), y, radius]), RUBBER, Material.MATTE, -1)


def _spokes(builder: MeshBuilder, side: int, x: float, y: float, radius: float) -> None:
    for angle in np.linspace(0, 2 * np.pi, 5, endpoint=False) + y:
        out, across = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
        points = [
            out * 0.12 - across * 0.05,
            out * 0.6 - across * 0.07,
            out * 0.6 + across * 0.07,
            out * 0.12 + across * 0.05,
        ]
        corners = tuple((y + p[0] * radius, radius + p[1] * radius) for p in points)
        side_panel(builder, side, x, corners, CHROME * 0.85, Material.MATTE, 7)
