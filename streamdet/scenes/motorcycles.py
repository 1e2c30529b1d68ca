"""Motorcycles and scooters as meshes, and how one sits on them."""

from __future__ import annotations

import numpy as np

from streamdet.scenes.camera import Floats
from streamdet.scenes.mesh import Material, MeshBuilder
from streamdet.scenes.people import Posture
from streamdet.scenes.vehicles import CHROME, LAMP_RED, LAMP_WHITE, RUBBER, TRIM, Vehicle, choose_paint

RIDING = Posture(
    hips=(1.12, 1.12), knees=(1.45, 1.45), shoulders=(0.75, 0.75), elbows=(0.45, 0.45), lean=0.22, seat_m=0.84
)


def make_motorcycle(rng: np.random.Generator, fine: bool) -> Vehicle:
    """A motorcycle or a scooter, without its rider."""
    builder, paint = MeshBuilder(), choose_paint(rng)
    scooter = rng.random() < 0.4
    length = 1.85 if scooter else 2.1
    radius = 0.24 if scooter else 0.31
    front, rear = length / 2 - radius, radius - length / 2
    steps = 16 if fine else 9
    for y in (rear, front):
        _wheel(builder, y, radius, steps)
    if scooter:
        _tube(
            builder,
            [[0, rear - 0.1, 0.62], [0, rear + 0.25, 0.58], [0, rear + 0.65, 0.45], [0, rear + 0.75, 0.32]],
            [0.12, 0.17, 0.14, 0.10],
            paint,
            Material.PAINT,
        )
        builder.box([-0.14, rear + 0.55, 0.24], [0.14, front - 0.25, 0.34], paint * 0.7)
        _tube(
            builder,
            [[0, front - 0.15, 0.30], [0, front - 0.24, 0.70], [0, front - 0.32, 0.95]],
            [0.20, 0.21, 0.10],
            paint,
            Material.PAINT,
        )
        bars = front - 0.34
    else:
        _tube(
            builder,
            [[0, rear + 0.15, 0.42], [0, rear + 0.5, 0.48], [0, front - 0.40, 0.46]],
            [0.09, 0.15, 0.13],
            TRIM * 1.5,
            Material.MATTE,
        )
        _tube(
            builder,
            [[0, rear + 0.45, 0.78], [0, rear + 0.65, 0.86], [0, front - 0.45, 0.90], [0, front - 0.28, 0.80]],
            [0.06, 0.14, 0.15, 0.07],
            paint,
            Material.PAINT,
        )
        _tube(
            builder,
            [[0, rear - 0.12, 0.86], [0, rear + 0.1, 0.82], [0, rear + 0.6, 0.80]],
            [0.06, 0.12, 0.12],
            TRIM,
            Material.MATTE,
        )
        _tube(
            builder,
            [[0.15, rear - 0.15, 0.36], [0.15, rear + 0.5, 0.32], [0.12, front - 0.4, 0.30]],
            [0.05, 0.05, 0.03],
            CHROME,
            Material.PAINT,
        )
        bars = front - 0.26
    for x in (-0.09, 0.09):
        _tube(builder, [[x, front, radius], [x, bars, 0.98]], [0.03, 0.03], CHROME * 0.8, Material.PAINT)
    builder.box([-0.36, bars - 0.03, 1.0], [0.36, bars + 0.02, 1.05], TRIM)
    builder.box([-0.09, bars + 0.04, 0.80], [0.09, bars + 0.16, 0.98], TRIM)
    builder.quad(
        [
            [0.085, bars + 0.165, 0.81],
            [-0.085, bars + 0.165, 0.81],
            [-0.085, bars + 0.165, 0.97],
            [0.085, bars + 0.165, 0.97],
        ],
        LAMP_WHITE,
        Material.HEADLAMP,
        3,
    )
    builder.quad(
        [[-0.08, rear - 0.2, 0.70], [0.08, rear - 0.2, 0.70], [0.08, rear - 0.2, 0.80], [-0.08, rear - 0.2, 0.80]],
        LAMP_RED,
        Material.TAILLAMP,
        3,
    )
    builder.quad(
        [[-0.09, rear - 0.21, 0.52], [0.09, rear - 0.21, 0.52], [0.09, rear - 0.21, 0.66], [-0.09, rear - 0.21, 0.66]],
        [0.8, 0.8, 0.75],
        Material.MATTE,
        3,
    )
    lamps = np.array([[0, bars + 0.16, 0.88]])
    return Vehicle("motorcycle", builder.build(), length, 0.75, 1.08, lamps)


def _wheel(builder: MeshBuilder, y: float, radius: float, steps: int) -> None:
    t = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    circle = np.stack([np.zeros(steps), np.cos(t), np.sin(t)], -1)
    thick = 0.06

    def ring(x: float, scale: float) -> Floats:
        return circle * radius * scale + [x, y, radius]

    builder.loft(np.stack([ring(-thick, 0.93), ring(0, 1.0), ring(thick, 0.93)]), RUBBER)
    for side in (-1, 1):
        points = ring(side * thick * 1.05, 0.66)
        fan = [[i, (i + 1) % steps, steps, steps] for i in range(steps)]
        corners = np.concatenate([points if side > 0 else points[::-1], points.mean(0, keepdims=True)])
        builder.add(corners, fan, CHROME * 0.35, Material.MATTE, 1)


def _tube(
    builder: MeshBuilder, path: list[list[float]], radii: list[float], colour: Floats, material: Material
) -> None:
    """A round tube along a path in a plane of constant x."""
    points, thick = np.array(path, np.float64), np.array(radii)
    direction = np.gradient(points, axis=0)
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    along = np.stack([np.zeros(len(points)), direction[:, 2], -direction[:, 1]], -1)
    angle = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    rings = points[:, None] + along[:, None] * (thick[:, None] * np.sin(angle))[..., None]
    rings[..., 0] += thick[:, None] * np.cos(angle)
    builder.loft(rings, colour, material)
