"""Cars, pickups, lorries and buses as meshes: y forward, origin under the middle."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamdet.scenes.camera import Floats
from streamdet.scenes.mesh import Material, Mesh, MeshBuilder

PAINTS = np.array(
    [
        [0.90, 0.90, 0.91],
        [0.88, 0.88, 0.86],
        [0.62, 0.64, 0.66],
        [0.42, 0.44, 0.47],
        [0.08, 0.08, 0.09],
        [0.12, 0.13, 0.15],
        [0.55, 0.06, 0.06],
        [0.10, 0.17, 0.42],
        [0.16, 0.30, 0.55],
        [0.10, 0.26, 0.18],
        [0.72, 0.62, 0.44],
        [0.80, 0.45, 0.08],
        [0.83, 0.70, 0.12],
        [0.36, 0.22, 0.16],
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
    """A vehicle's shape.

    Attributes:
        kind: class name.
        mesh: faces.
        length, width, height: metres.
        headlamps: (2, 3) their places.
    """

    kind: str
    mesh: Mesh
    length: float
    width: float
    height: float
    headlamps: Floats


@dataclass(frozen=True)
class _CarShape:
    """Side view of a car: y from rear to front as shares of the length, heights in metres."""

    length: float
    width: float
    height: float
    deck: tuple[tuple[float, float], ...]
    roof: tuple[float, float, float, float]  # y shares: rear base, rear roof, front roof, windscreen base
    belt: float
    clearance: float = 0.2


_HATCH = _CarShape(
    4.05,
    1.76,
    1.48,
    ((0, 0.80), (0.03, 0.96), (0.5, 0.95), (0.74, 0.93), (0.9, 0.84), (0.97, 0.72), (1, 0.55)),
    (0.02, 0.13, 0.56, 0.76),
    0.93,
)
_SEDAN = _CarShape(
    4.65,
    1.82,
    1.45,
    ((0, 0.70), (0.02, 0.96), (0.16, 0.99), (0.5, 0.94), (0.72, 0.92), (0.9, 0.82), (0.97, 0.70), (1, 0.52)),
    (0.12, 0.28, 0.55, 0.74),
    0.92,
)
_ESTATE = _CarShape(
    4.7,
    1.84,
    1.50,
    ((0, 0.75), (0.02, 0.97), (0.5, 0.95), (0.73, 0.93), (0.9, 0.82), (0.97, 0.70), (1, 0.52)),
    (0.015, 0.09, 0.56, 0.75),
    0.94,
)
_SUV = _CarShape(
    4.55,
    1.88,
    1.70,
    ((0, 0.90), (0.02, 1.08), (0.5, 1.08), (0.74, 1.07), (0.92, 1.0), (0.98, 0.85), (1, 0.6)),
    (0.02, 0.10, 0.57, 0.76),
    1.07,
    0.26,
)
_MINIVAN = _CarShape(
    4.6,
    1.86,
    1.80,
    ((0, 0.9), (0.01, 1.06), (0.5, 1.03), (0.8, 1.0), (0.95, 0.84), (0.99, 0.7), (1, 0.55)),
    (0.01, 0.06, 0.66, 0.86),
    1.02,
)
_COUPE = _CarShape(
    4.4,
    1.82,
    1.34,
    ((0, 0.70), (0.02, 0.92), (0.14, 0.95), (0.5, 0.88), (0.7, 0.85), (0.9, 0.74), (0.97, 0.64), (1, 0.5)),
    (0.08, 0.34, 0.52, 0.71),
    0.86,
    0.16,
)
_SHAPES = (_HATCH, _SEDAN, _ESTATE, _SUV, _MINIVAN, _COUPE)
_SHAPE_SHARES = (0.26, 0.24, 0.12, 0.22, 0.10, 0.06)


def make_car(rng: np.random.Generator, fine: bool) -> Vehicle:
    """A passenger car."""
    shape = _SHAPES[int(rng.choice(len(_SHAPES), p=_SHAPE_SHARES))]
    paint = choose_paint(rng)
    builder = MeshBuilder()
    _car_body(builder, shape, paint, fine)
    _cabin(builder, shape, paint, fine)
    _car_face(builder, shape, paint)
    half = shape.width / 2
    for share in (0.19, 0.81):
        wheel_pair(builder, (share - 0.5) * shape.length, half, 0.32, fine)
    lamps = np.array([[s * (half - 0.28), shape.length / 2, 0.66] for s in (-1, 1)])
    return Vehicle("car", builder.build(), shape.length, shape.width, shape.height, lamps)


def choose_paint(rng: np.random.Generator) -> Floats:
    """A colour as cars have it, each a little different."""
    paint = PAINTS[int(rng.choice(len(PAINTS), p=_PAINT_SHARES))]
    return np.clip(paint * rng.uniform(0.85, 1.1) + rng.uniform(-0.015, 0.015, 3), 0.02, 0.95)


def rounded_section(half: float, low: float, high: float, sides: int, tuck: float = 0.12) -> Floats:
    """A body's cross-section (sides, 2) x z: bulging sides, rounded edges; anticlockwise from the right bottom."""
    t = np.linspace(0, 2 * np.pi, sides, endpoint=False) - np.pi / 4
    power = 0.42
    x = np.sign(np.cos(t)) * np.abs(np.cos(t)) ** power
    z = np.sign(np.sin(t)) * np.abs(np.sin(t)) ** power
    height = (z + 1) / 2
    narrow = 1 - tuck * np.maximum(0, 0.35 - height) - tuck * 0.8 * np.maximum(0, height - 0.6)
    return np.stack([x * half * narrow, low + (high - low) * height], -1)


def _car_body(builder: MeshBuilder, shape: _CarShape, paint: Floats, fine: bool) -> None:
    shares = np.unique(np.concatenate([[p[0] for p in shape.deck], np.linspace(0.1, 0.9, 9 if fine else 4)]))
    deck = np.interp(shares, [p[0] for p in shape.deck], [p[1] for p in shape.deck])
    end = np.minimum(shares, 1 - shares)
    half = shape.width / 2 * (1 - 0.24 * np.clip(1 - end / 0.10, 0, 1) ** 2)
    low = shape.clearance + 0.10 * np.clip(1 - end / 0.08, 0, 1)
    sides = 20 if fine else 12
    rings = np.empty((len(shares), sides, 3))
    for k, share in enumerate(shares):
        section = rounded_section(half[k], low[k], deck[k], sides)
        rings[k] = np.stack([section[:, 0], np.full(sides, (share - 0.5) * shape.length), section[:, 1]], -1)
    # rings run anticlockwise in x z, which is clockwise seen along y: turn them round
    rings = rings[:, ::-1]
    heights = rings[..., 2].mean(0)
    colours = np.tile(np.where((heights < shape.clearance + 0.13)[:, None], TRIM, paint), (len(shares) - 1, 1))
    builder.loft(rings, colours, Material.PAINT, caps=False)
    for ring, front in ((rings[0], False), (rings[-1], True)):
        builder.loft(
            np.stack([ring, ring * [0.8, 1, 1] + [0, 0.05 if front else -0.03, 0]])[:: 1 if front else -1],
            paint,
            Material.PAINT,
        )


def _cabin(builder: MeshBuilder, shape: _CarShape, paint: Floats, fine: bool) -> None:
    """Pillars, roof and windows."""
    base_rear, roof_rear, roof_front, base_front = ((s - 0.5) * shape.length for s in shape.roof)
    half = shape.width / 2
    wide, narrow = half * 0.93, half * 0.74
    bottom, top = shape.belt - 0.03, shape.height
    levels = ((0.0, 0.0), (0.80, 0.80), (0.93, 0.93), (1.0, 1.12)) if fine else ((0.0, 0.0), (0.85, 0.85), (1.0, 1.1))
    rings = []
    for level, inward in levels:
        y0, y1 = base_rear + (roof_rear - base_rear) * inward, base_front + (roof_front - base_front) * inward
        x = wide + (narrow - wide) * inward
        rings.append(
            _rounded_rectangle(x, y0, y1, bottom + (top - bottom) * level, 0.10 + 0.05 * level, 5 if fine else 2)
        )
    builder.loft(np.stack(rings), paint, Material.PAINT, 2)

    def at(x_side: float, along: float, up: float) -> list[float]:
        """A point of the cabin's skin: along 0 rear to 1 front, up 0 belt to 1 roof."""
        y0, y1 = base_rear + (roof_rear - base_rear) * up, base_front + (roof_front - base_front) * up
        return [x_side * (wide + (narrow - wide) * up), y0 + (y1 - y0) * along, bottom + (top - bottom) * up]

    low, high = 0.10, 0.83
    for up0, up1 in _bands(low, high, 3 if fine else 1):
        builder.quad(
            [at(0.86, 1.0, up0), at(-0.86, 1.0, up0), at(-0.86, 1.0, up1), at(0.86, 1.0, up1)], GLASS, Material.GLASS, 4
        )
        builder.quad(
            [at(-0.84, 0.0, up0), at(0.84, 0.0, up0), at(0.84, 0.0, up1), at(-0.84, 0.0, up1)], GLASS, Material.GLASS, 3
        )
        for side in (-1, 1):
            for a, b in ((0.06, 0.24), (0.27, 0.56), (0.60, 0.93)):
                pane = [at(side, a, up0), at(side, b, up0), at(side, b, up1), at(side, a, up1)]
                builder.quad(pane if side > 0 else pane[::-1], GLASS, Material.GLASS, 4)
    if fine:
        _people_inside(builder, at)


def _people_inside(builder: MeshBuilder, at: object) -> None:
    """Dark seats behind the windscreen."""
    point = at  # a closure over the cabin's skin
    for x in (-0.45, 0.45):
        corners = [
            point(x + 0.16, 1.0, 0.10),
            point(x - 0.16, 1.0, 0.10),
            point(x - 0.13, 1.0, 0.52),
            point(x + 0.13, 1.0, 0.52),
        ]  # type: ignore[operator]
        builder.quad(corners, GLASS * 0.3, Material.MATTE, 5)


def _bands(low: float, high: float, count: int) -> list[tuple[float, float]]:
    edges = np.linspace(low, high, count + 1)
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))


def _rounded_rectangle(half: float, y0: float, y1: float, z: float, radius: float, steps: int) -> Floats:
    """A level ring with round corners, anticlockwise from above."""
    points = []
    corners = (
        (half - radius, y0 + radius, -90),
        (half - radius, y1 - radius, 0),
        (radius - half, y1 - radius, 90),
        (radius - half, y0 + radius, 180),
    )
    for x, y, start in corners:
        for angle in np.radians(start + np.linspace(0, 90, steps)):
            points.append([x + radius * np.cos(angle), y + radius * np.sin(angle), z])
    return np.array(points)


def _car_face(builder: MeshBuilder, shape: _CarShape, paint: Floats) -> None:
    """Lamps, grille, plates, mirrors, door gaps and handles."""
    half, front, rear = shape.width / 2, shape.length / 2, -shape.length / 2
    lift = shape.belt - 0.93
    for side in (-1, 1):
        lamp = np.array([[0.42, 0.06, 0.70], [0.80, -0.10, 0.72], [0.80, -0.10, 0.60], [0.42, 0.06, 0.60]]) * [
            side * half,
            1,
            1,
        ]
        _oriented(builder, lamp + [0, front - 0.02, lift * 0.6], LAMP_WHITE, Material.HEADLAMP, side > 0, 5)
        tail = np.array([[0.50, -0.05, 0.86], [0.83, 0.06, 0.88], [0.83, 0.06, 0.72], [0.50, -0.05, 0.74]]) * [
            side * half,
            1,
            1,
        ]
        _oriented(builder, tail + [0, rear, lift], LAMP_RED, Material.TAILLAMP, side < 0, 5)
        mirror_y = (shape.roof[3] - 0.06 - 0.5) * shape.length
        x = side * half
        builder.box(
            [min(x * 0.95, x * 1.10), mirror_y - 0.08, shape.belt],
            [max(x * 0.95, x * 1.10), mirror_y + 0.08, shape.belt + 0.13],
            paint,
            Material.PAINT,
            3,
        )
        for share in (0.30, 0.505, 0.73):
            y = (share - 0.5) * shape.length
            gap = [
                [x * 1.0, y - 0.012, 0.36],
                [x * 1.0, y + 0.012, 0.36],
                [x * 0.985, y + 0.012, shape.belt - 0.03],
                [x * 0.985, y - 0.012, shape.belt - 0.03],
            ]
            _oriented(builder, np.array(gap), paint * 0.35, Material.MATTE, side > 0, 3)
        for share in (0.36, 0.56):
            y = (share - 0.5) * shape.length
            z = shape.belt - 0.12
            handle = [[x * 1.0, y, z], [x * 1.0, y + 0.18, z], [x * 1.0, y + 0.18, z + 0.03], [x * 1.0, y, z + 0.03]]
            _oriented(builder, np.array(handle), paint * 0.5, Material.MATTE, side > 0, 3)
    w = half * 0.40
    z = 0.50 + lift * 0.6
    builder.quad(
        [[w, front + 0.07, z], [-w, front + 0.07, z], [-w, front + 0.05, z + 0.17], [w, front + 0.05, z + 0.17]],
        TRIM,
        Material.MATTE,
        4,
    )
    builder.quad(
        [
            [w * 1.5, front + 0.07, 0.26],
            [-w * 1.5, front + 0.07, 0.26],
            [-w * 1.4, front + 0.07, 0.38],
            [w * 1.4, front + 0.07, 0.38],
        ],
        TRIM,
        Material.MATTE,
        4,
    )
    builder.quad(
        [
            [0.26, front + 0.08, 0.40],
            [-0.26, front + 0.08, 0.40],
            [-0.26, front + 0.08, 0.51],
            [0.26, front + 0.08, 0.51],
        ],
        PLATE,
        Material.MATTE,
        6,
    )
    z = 0.66 + lift
    builder.quad(
        [
            [-0.26, rear - 0.05, z],
            [0.26, rear - 0.05, z],
            [0.26, rear - 0.05, z + 0.11],
            [-0.26, rear - 0.05, z + 0.11],
        ],
        PLATE,
        Material.MATTE,
        6,
    )
    builder.quad(
        [
            [-w * 1.9, rear - 0.05, 0.3],
            [w * 1.9, rear - 0.05, 0.3],
            [w * 1.9, rear - 0.05, 0.42],
            [-w * 1.9, rear - 0.05, 0.42],
        ],
        TRIM,
        Material.MATTE,
        4,
    )


def _oriented(
    builder: MeshBuilder, corners: Floats, colour: Floats, material: Material, as_given: bool, layer: int
) -> None:
    builder.quad(corners if as_given else corners[::-1], colour, material, layer)


def wheel_pair(builder: MeshBuilder, y: float, half: float, radius: float, fine: bool, arch: bool = True) -> None:
    """A wheel on each side: arch, tyre, rim."""
    steps = 18 if fine else 10
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    circle = np.stack([np.zeros(steps), np.cos(t), np.sin(t)], -1)
    for side in (-1, 1):
        turn = circle if side > 0 else circle[::-1]
        discs = [
            (1.0, 1.005, RUBBER, 4),
            (0.66, 1.01, CHROME * 0.8, 5),
            (0.58, 1.01, CHROME * 0.45, 6),
            (0.2, 1.015, CHROME * 0.7, 7),
        ]
        if arch:
            discs.insert(0, (1.20, 1.0, TRIM * 0.6, 3))
        for scale, out, colour, layer in discs:
            points = turn * radius * scale + [side * half * out, y, radius]
            points[:, 2] = np.maximum(points[:, 2], 0.0 if scale <= 1 else 0.20)
            centre = points.mean(0, keepdims=True)
            fan = [[i, (i + 1) % steps, steps, steps] for i in range(steps)]
            builder.add(np.concatenate([points, centre]), fan, colour, Material.MATTE, layer)
        inner = turn * radius + [side * (half - 0.22), y, radius]
        outer = turn * radius + [side * half, y, radius]
        rings = np.stack([inner, outer]) if side > 0 else np.stack([inner, outer])
        builder.loft(rings, RUBBER, Material.MATTE, -1, caps=False)


def make_bus(rng: np.random.Generator, fine: bool) -> Vehicle:
    """A city bus."""
    length, width, height = float(rng.uniform(10.0, 12.2)), 2.5, float(rng.uniform(2.95, 3.2))
    paint = np.array(
        [[0.75, 0.10, 0.10], [0.86, 0.86, 0.84], [0.85, 0.62, 0.10], [0.12, 0.32, 0.55], [0.15, 0.42, 0.28]]
    )[rng.integers(5)]
    stripe = PAINTS[rng.integers(len(PAINTS))]
    builder = MeshBuilder()
    shell(builder, width, length, 0.3, height, paint, fine, 10)
    half, front = width / 2, length / 2
    windows = np.linspace(-front + 0.6, front - 1.0, 8)
    for side in (-1, 1):
        x = side * half * 1.003
        for a, b in zip(windows[:-1], windows[1:], strict=True):
            for z0, z1 in _bands(1.25, 2.45, 2):
                pane = np.array([[x, a + 0.05, z0], [x, b - 0.05, z0], [x, b - 0.05, z1], [x, a + 0.05, z1]])
                _oriented(builder, pane, GLASS * 1.3, Material.GLASS, side > 0, 4)
            band = np.array([[x, a, 0.55], [x, b, 0.55], [x, b, 0.85], [x, a, 0.85]])
            _oriented(builder, band, stripe, Material.PAINT, side > 0, 2)
        lamp = np.array(
            [
                [side * 0.95, front + 0.02, 0.85],
                [side * 0.65, front + 0.02, 0.85],
                [side * 0.65, front + 0.02, 0.65],
                [side * 0.95, front + 0.02, 0.65],
            ]
        )
        _oriented(builder, lamp, LAMP_WHITE, Material.HEADLAMP, side < 0, 5)
        tail = np.array(
            [
                [side * 1.05, -front - 0.02, 1.15],
                [side * 0.85, -front - 0.02, 1.15],
                [side * 0.85, -front - 0.02, 0.75],
                [side * 1.05, -front - 0.02, 0.75],
            ]
        )
        _oriented(builder, tail, LAMP_RED, Material.TAILLAMP, side > 0, 5)
    for y in (front - 1.6, -0.4):
        builder.quad(
            [
                [half * 1.004, y - 0.55, 0.4],
                [half * 1.004, y + 0.55, 0.4],
                [half * 1.004, y + 0.55, 2.4],
                [half * 1.004, y - 0.55, 2.4],
            ],
            GLASS * 1.6,
            Material.GLASS,
            5,
        )
    for z0, z1 in _bands(1.15, 2.45, 3):
        builder.quad(
            [[1.1, front + 0.02, z0], [-1.1, front + 0.02, z0], [-1.1, front + 0.01, z1], [1.1, front + 0.01, z1]],
            GLASS,
            Material.GLASS,
            4,
        )
    builder.quad(
        [[0.9, front + 0.02, 2.58], [-0.9, front + 0.02, 2.58], [-0.9, front + 0.02, 2.85], [0.9, front + 0.02, 2.85]],
        [0.55, 0.38, 0.05],
        Material.MATTE,
        5,
    )
    builder.quad(
        [
            [-0.95, -front - 0.02, 1.6],
            [0.95, -front - 0.02, 1.6],
            [0.95, -front - 0.02, 2.5],
            [-0.95, -front - 0.02, 2.5],
        ],
        GLASS,
        Material.GLASS,
        4,
    )
    builder.quad(
        [
            [0.26, front + 0.03, 0.45],
            [-0.26, front + 0.03, 0.45],
            [-0.26, front + 0.03, 0.57],
            [0.26, front + 0.03, 0.57],
        ],
        PLATE,
        Material.MATTE,
        6,
    )
    for y in (-front + 2.6, front - 2.6):
        wheel_pair(builder, y, half, 0.48, fine)
    lamps = np.array([[s * 0.8, front, 0.75] for s in (-1, 1)])
    return Vehicle("bus", builder.build(), length, width, height, lamps)


def shell(
    builder: MeshBuilder,
    width: float,
    length: float,
    low: float,
    high: float,
    paint: Floats,
    fine: bool,
    parts: int,
    y0: float | None = None,
) -> None:
    """A long rounded body."""
    sides = 20 if fine else 12
    start = -length / 2 if y0 is None else y0
    shares = np.unique(np.concatenate([[0, 0.012, 0.988, 1], np.linspace(0, 1, parts + 1)]))
    rings = np.empty((len(shares), sides, 3))
    for k, share in enumerate(shares):
        half = width / 2 * (0.95 if share in (0, 1) else 1.0)
        section = rounded_box(half, low, high - (0.06 if share in (0, 1) else 0), sides)
        rings[k] = np.stack([section[:, 0], np.full(sides, start + share * length), section[:, 1]], -1)
    builder.loft(rings[:, ::-1], paint, Material.PAINT)


def rounded_box(half: float, low: float, high: float, sides: int) -> Floats:
    """A cross-section (sides, 2) x z with upright sides and small round edges, anticlockwise."""
    radius, steps = 0.16, sides // 4
    points = []
    for x, z, start in (
        (half - radius, low + radius, -90),
        (half - radius, high - radius, 0),
        (radius - half, high - radius, 90),
        (radius - half, low + radius, 180),
    ):
        for angle in np.radians(start + np.linspace(0, 90, steps)):
            points.append([x + radius * np.cos(angle), z + radius * np.sin(angle)])
    return np.array(points)


def make_truck(rng: np.random.Generator, fine: bool) -> Vehicle:
    """A lorry with a box, or a flat bed with a load."""
    length, width = float(rng.uniform(6.5, 9.5)), 2.4
    cab_height, box_height = float(rng.uniform(2.4, 2.8)), float(rng.uniform(2.9, 3.5))
    front, half = length / 2, width / 2
    cab_length = 1.9
    paint = choose_paint(rng)
    cargo = np.array(
        [
            [0.88, 0.88, 0.86],
            [0.80, 0.80, 0.78],
            [0.25, 0.35, 0.52],
            [0.62, 0.20, 0.16],
            [0.30, 0.42, 0.30],
            [0.78, 0.66, 0.40],
        ]
    )[rng.integers(6)]
    builder = MeshBuilder()
    builder.box([-half * 0.8, -front, 0.55], [half * 0.8, front - 0.4, 0.85], TRIM, parts=6)
    back = front - cab_length - 0.2
    if rng.random() < 0.7:
        builder.box([-half, -front, 0.85], [half, back, box_height], cargo, Material.MATTE, parts=6)
        stripe = PAINTS[rng.integers(len(PAINTS))]
        for side in (-1, 1):
            x = side * half * 1.004
            panel = np.array(
                [[x, -front + 0.8, 1.6], [x, back - 0.8, 1.6], [x, back - 0.8, 2.3], [x, -front + 0.8, 2.3]]
            )
            _oriented(builder, panel, stripe, Material.MATTE, side > 0, 4)
        for x in (-0.03, half - 0.06, 0.06 - half):
            builder.quad(
                [
                    [x - 0.03, -front - 0.01, 0.9],
                    [x + 0.03, -front - 0.01, 0.9],
                    [x + 0.03, -front - 0.01, box_height - 0.05],
                    [x - 0.03, -front - 0.01, box_height - 0.05],
                ],
                cargo * 0.45,
                Material.MATTE,
                4,
            )
    else:
        builder.box([-half, -front, 0.85], [half, back, 1.35], paint * 0.8, Material.MATTE, parts=4)
        load = np.array([0.42, 0.33, 0.22]) * rng.uniform(0.7, 1.3)
        builder.box(
            [-half * 0.85, -front + 0.3, 1.35],
            [half * 0.85, back - 0.3, float(rng.uniform(1.7, 2.4))],
            load,
            Material.MATTE,
            parts=4,
        )
    _lorry_cab(builder, half, front, cab_length, cab_height, paint, fine)
    for y in (-front + 1.0, -front + 2.1, front - 1.3) if length > 8 else (-front + 1.3, front - 1.3):
        wheel_pair(builder, y, half, 0.46, fine, arch=y > 0)
    for side in (-1, 1):
        tail = np.array(
            [
                [side * 1.0, -front - 0.02, 0.82],
                [side * 0.7, -front - 0.02, 0.82],
                [side * 0.7, -front - 0.02, 0.68],
                [side * 1.0, -front - 0.02, 0.68],
            ]
        )
        _oriented(builder, tail, LAMP_RED, Material.TAILLAMP, side > 0, 5)
    lamps = np.array([[s * 0.85, front, 0.8] for s in (-1, 1)])
    return Vehicle("truck", builder.build(back + 0.1), length, width, max(cab_height, box_height), lamps)


def _lorry_cab(
    builder: MeshBuilder, half: float, front: float, length: float, height: float, paint: Floats, fine: bool
) -> None:
    shell(builder, half * 2 * 0.97, length, 0.45, height, paint, fine, 2, y0=front - length)
    x = half * 0.975
    y = front + 0.02
    for z0, z1 in _bands(height - 1.1, height - 0.25, 3 if fine else 1):
        builder.quad(
            [[x * 0.88, y, z0], [-x * 0.88, y, z0], [-x * 0.88, y - 0.01, z1], [x * 0.88, y - 0.01, z1]],
            GLASS,
            Material.GLASS,
            5,
        )
    builder.quad(
        [[x * 0.6, y, 0.95], [-x * 0.6, y, 0.95], [-x * 0.6, y, height - 1.25], [x * 0.6, y, height - 1.25]],
        TRIM,
        Material.MATTE,
        4,
    )
    builder.quad(
        [[0.26, y + 0.02, 0.55], [-0.26, y + 0.02, 0.55], [-0.26, y + 0.02, 0.67], [0.26, y + 0.02, 0.67]],
        PLATE,
        Material.MATTE,
        6,
    )
    for side in (-1, 1):
        lamp = np.array([[side * 1.0, y, 0.92], [side * 0.72, y, 0.92], [side * 0.72, y, 0.72], [side * 1.0, y, 0.72]])
        _oriented(builder, lamp, LAMP_WHITE, Material.HEADLAMP, side < 0, 5)
        pane = np.array(
            [
                [side * x * 1.01, front - 1.35, height - 1.15],
                [side * x * 1.01, front - 0.3, height - 1.15],
                [side * x * 1.01, front - 0.4, height - 0.35],
                [side * x * 1.01, front - 1.35, height - 0.35],
            ]
        )
        _oriented(builder, pane, GLASS, Material.GLASS, side > 0, 4)
        builder.box(
            [min(side * x, side * (x + 0.22)), front - 0.1, height - 1.1],
            [max(side * x, side * (x + 0.22)), front + 0.02, height - 0.5],
            TRIM,
            layer=6,
        )
