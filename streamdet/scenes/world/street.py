"""What the street is made of: lanes, pavements, rows of houses, a crossing, lamps."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamdet.scenes.world.camera import Floats

NEAR_END_M = -70.0
FAR_END_M = 190.0


@dataclass(frozen=True)
class Lane:
    """A traffic lane: its middle, and its direction (1 away from y = 0, -1 towards it)."""

    x: float
    direction: int


@dataclass(frozen=True, eq=False)
class Building:
    """One house front: from y0 to y1 along the street."""

    y0: float
    y1: float
    height: float
    colour: Floats
    floors: int
    shop: bool


@dataclass(frozen=True, eq=False)
class Street:
    """A straight street along y, its middle at x = 0.

    Attributes:
        lanes: left to right.
        road_half: half the width between the kerbs, metres.
        pavement: width of each pavement, metres.
        parking: sides (-1, 1) whose outer lane holds parked cars.
        crossing_y: middle of the zebra crossing, metres.
        rows: houses on the left and on the right, ascending y.
        lamps: (L, 2) x y of street lamps.
        trees: (T, 2) x y of trees.
    """

    lanes: tuple[Lane, ...]
    road_half: float
    pavement: float
    parking: tuple[int, ...]
    crossing_y: float
    rows: tuple[tuple[Building, ...], tuple[Building, ...]]
    lamps: Floats
    trees: Floats

    @property
    def wall_x(self) -> float:
        """Distance of the house fronts from the middle."""
        return self.road_half + self.pavement

    def heights(self, side: int, y: Floats) -> Floats:
        """Height of the house at each y of the row on side (-1 left, 1 right)."""
        row = self.rows[0 if side < 0 else 1]
        edges = np.array([b.y1 for b in row[:-1]])
        return np.array([b.height for b in row])[np.searchsorted(edges, y)]

    def sunlit(self, points: Floats, sun_direction: Floats) -> Floats:
        """1 where no house stands between a point and the sun, else 0: (..., 3) to (...)."""
        lx, ly, lz = sun_direction
        if abs(lx) < 1e-3:
            return np.ones(points.shape[:-1], points.dtype)
        side = 1 if lx > 0 else -1
        t = (side * self.wall_x - points[..., 0]) / lx
        top = self.heights(side, points[..., 1] + t * ly)
        return np.where(points[..., 2] + t * lz < top, 0.0, 1.0).astype(points.dtype)

    def lamp_light(self, points: Floats) -> Floats:
        """Light of the street lamps at points (..., 3), 0.12 between them to about 1.2 under one."""
        total = np.full(points.shape[:-1], 0.12, points.dtype)
        for x, y in self.lamps[np.abs(self.lamps[:, 1] - 45) < 80]:
            # the head reaches over the road
            dx, dy, dz = points[..., 0] - x * 0.8, points[..., 1] - y, points[..., 2] - 6.2
            total += (1 + (dx * dx + dy * dy + 0.3 * dz * dz) / 20) ** -1.5
        return np.minimum(total, 1.2)


def make_street(rng: np.random.Generator, occluders: float) -> Street:
    """A street with two to four lanes; occluders scales the number of trees."""
    per_side = int(rng.choice([1, 2], p=[0.6, 0.4]))
    lane_width, hand = float(rng.uniform(3.0, 3.5)), int(rng.choice([1, -1], p=[0.7, 0.3]))
    parking = tuple(int(s) for s in (-1, 1) if rng.random() < (0.55 if per_side == 1 else 0.25))
    driving = per_side * lane_width
    road_half = driving + (2.2 if parking else 0.3)
    lanes = []
    for k in range(-per_side, per_side):
        x = (k + 0.5) * lane_width
        lanes.append(Lane(x, hand if x > 0 else -hand))
    pavement = float(rng.uniform(3.2, 5.5))
    crossing_y = float(rng.uniform(14, 26))
    rows = (_row(rng), _row(rng))
    spacing, side = float(rng.uniform(22, 32)), int(rng.choice([-1, 1]))
    lamp_y = np.arange(NEAR_END_M, FAR_END_M, spacing) + rng.uniform(0, spacing)
    lamp_side = np.where(np.arange(len(lamp_y)) % 2 == 0, side, -side)
    lamps = np.stack([lamp_side * (road_half + 0.5), lamp_y], -1)
    trees = _trees(rng, road_half, crossing_y, occluders)
    return Street(tuple(lanes), road_half, pavement, parking, crossing_y, rows, lamps, trees)


def _row(rng: np.random.Generator) -> tuple[Building, ...]:
    palette = np.array(
        [
            [0.55, 0.30, 0.23],
            [0.76, 0.68, 0.55],
            [0.62, 0.60, 0.57],
            [0.80, 0.77, 0.70],
            [0.48, 0.36, 0.29],
            [0.66, 0.55, 0.44],
            [0.45, 0.47, 0.50],
            [0.72, 0.58, 0.46],
        ]
    )
    row, y, usual = [], NEAR_END_M - 30, int(rng.integers(2, 5))
    while y < FAR_END_M + 40:
        width = float(rng.uniform(8, 19))
        floors = int(np.clip(usual + rng.integers(-1, 3), 1, 7))
        colour = np.clip(
            palette[rng.integers(len(palette))] * rng.uniform(0.85, 1.1) + rng.uniform(-0.03, 0.03, 3), 0.1, 0.9
        )
        row.append(
            Building(
                y, y + width, 4.2 + 3.1 * floors + rng.uniform(0.2, 1.0), colour, floors, bool(rng.random() < 0.65)
            )
        )
        y += width
    return tuple(row)


def _trees(rng: np.random.Generator, road_half: float, crossing_y: float, occluders: float) -> Floats:
    if rng.random() > 0.75 * min(occluders, 1.3):
        return np.zeros((0, 2))
    spacing = float(rng.uniform(11, 20)) / max(occluders, 0.3) ** 0.5
    places = []
    for side in (-1, 1):
        if rng.random() < 0.75:
            ys = np.arange(8, 110, spacing) + rng.uniform(-4, 4)
            places += [(side * (road_half + 0.9), y + rng.uniform(-1, 1)) for y in ys if abs(y - crossing_y) > 4]
    return np.array(places).reshape(-1, 2)
