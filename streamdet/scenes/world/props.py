"""Things on the pavement that hide what is behind them: lamp posts, trees, signals, a bus stop, bins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.mesh import Material, Mesh, MeshBuilder
from streamdet.scenes.world.street import Street

_STEEL = np.array([0.22, 0.23, 0.24])
_BARK = np.array([0.24, 0.18, 0.13])


@dataclass(frozen=True, eq=False)
class Prop:
    """A thing that stands still.

    Attributes:
        mesh: in the world.
        footprint: x0 y0 x1 y1 on the ground, metres.
        shadows: polygons (P, 2) on the ground in the direction of the sun.
    """

    mesh: Mesh
    footprint: tuple[float, float, float, float]
    shadows: tuple[Floats, ...]


def make_props(
    rng: np.random.Generator, street: Street, camera_position: Floats, sun: Floats, occluders: float
) -> list[Prop]:
    """All things that hide others, for one street."""
    props = []
    for x, y in street.lamps:
        if 3.5 < y < 110 and occluders > 0:
            props.append(_lamp_post(float(x), float(y), sun))
    if occluders > 0:
        for x, y in street.trees:
            if np.hypot(x - camera_position[0], y - camera_position[1]) > 9:
                props.append(_tree(rng, float(x), float(y), camera_position, sun))
        for side in (-1, 1):
            props += [_signal(side * (street.road_half + 0.35), street.crossing_y - 2.4 * side, sun)]
        if rng.random() < 0.6 * min(occluders, 1.5):
            side = int(rng.choice([-1, 1]))
            props.append(_bus_stop(side, street, float(rng.uniform(8, 34)), sun))
        for _ in range(int(rng.poisson(3 * occluders))):
            side = int(rng.choice([-1, 1]))
            props.append(_bin(side * (street.road_half + 0.7), float(rng.uniform(5, 45)), sun))
    return props


def _pole(
    builder: MeshBuilder, x: float, y: float, z0: float, z1: float, radius: float, colour: Floats, sides: int = 8
) -> None:
    t = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    circle = np.stack([np.cos(t), np.sin(t), np.zeros(sides)], -1)
    rings = np.stack(
        [circle * r + [x, y, z] for r, z in ((radius, z0), (radius * 0.85, (z0 + z1) / 2), (radius * 0.7, z1))]
    )
    builder.loft(rings, colour)


def _cast(points: Floats, sun: Floats) -> Floats:
    """Where points (P, 3) fall on the ground."""
    return np.asarray(points[:, :2] - points[:, 2:] * (sun[:2] / max(float(sun[2]), 0.1)))


def _upright_shadow(x: float, y: float, height: float, half: float, sun: Floats) -> Floats:
    across = np.array([-sun[1], sun[0]]) / max(float(np.hypot(sun[0], sun[1])), 1e-6) * half
    base = np.array([x, y])
    top = _cast(np.array([[x, y, height]]), sun)[0]
    return np.stack([base - across, base + across, top + across, top - across])


def _lamp_post(x: float, y: float, sun: Floats) -> Prop:
    builder = MeshBuilder()
    _pole(builder, x, y, 0, 6.4, 0.09, _STEEL)
    _pole(builder, x, y, 0, 0.9, 0.14, _STEEL)
    inward = -np.sign(x)
    end = x + inward * 1.7
    builder.box([min(x, end), y - 0.05, 6.3], [max(x, end), y + 0.05, 6.42], _STEEL)
    head = sorted((end - inward * 0.1, end + inward * 0.6))
    builder.box([head[0], y - 0.14, 6.24], [head[1], y + 0.14, 6.44], _STEEL * 1.2)
    builder.quad(
        [[head[0], y - 0.12, 6.23], [head[0], y + 0.12, 6.23], [head[1], y + 0.12, 6.23], [head[1], y - 0.12, 6.23]],
        [0.8, 0.8, 0.7],
        Material.HEADLAMP,
    )
    return Prop(builder.build(), (x - 0.1, y - 0.1, x + 0.1, y + 0.1), (_upright_shadow(x, y, 6.4, 0.08, sun),))


def _tree(rng: np.random.Generator, x: float, y: float, camera_position: Floats, sun: Floats) -> Prop:
    builder = MeshBuilder()
    height, spread = float(rng.uniform(5.5, 9.0)), float(rng.uniform(1.5, 2.5))
    trunk = float(rng.uniform(2.1, 2.7))
    _pole(builder, x, y, 0, trunk + 1.5, float(rng.uniform(0.11, 0.18)), _BARK)
    centre = np.array([x, y, (trunk + height) / 2])
    radii = np.array([spread, spread, (height - trunk) / 2])
    distance = float(np.hypot(x - camera_position[0], y - camera_position[1]))
    number = int(np.clip(16000 / distance, 220, 1500))
    clumps = rng.normal(0, 1, (14, 3))
    clumps = clumps / np.linalg.norm(clumps, axis=1, keepdims=True) * rng.uniform(0.45, 0.8, (14, 1))
    which = rng.integers(14, size=number)
    places = clumps[which] + rng.normal(0, 0.17, (number, 3))
    places = centre + places * radii
    away = places - camera_position
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    right = np.stack([away[:, 1], -away[:, 0], np.zeros(number)], -1)
    up = np.cross(right, away)
    angle, size = rng.uniform(0, 2 * np.pi, number), rng.uniform(0.10, 0.24, number) * (600 / number) ** 0.45
    a = (np.cos(angle)[:, None] * right + np.sin(angle)[:, None] * up) * size[:, None]
    b = (-np.sin(angle)[:, None] * right + np.cos(angle)[:, None] * up) * size[:, None] * 0.75
    corners = np.stack([places - a, places - b, places + a, places + b], 1)
    tint = np.array([[0.20, 0.30, 0.09], [0.16, 0.26, 0.10], [0.27, 0.32, 0.10], [0.33, 0.24, 0.08]])[rng.integers(4)]
    colours = np.clip(tint * (rng.uniform(0.6, 1.2, 14)[which] * rng.uniform(0.75, 1.25, number))[:, None], 0, 1)
    builder.add(corners.reshape(-1, 3), np.arange(number * 4).reshape(-1, 4), colours, Material.MATTE, 1)
    shadows = [_upright_shadow(x, y, trunk + 1, 0.13, sun)]
    t = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    for clump in clumps:
        blob = centre + clump * radii + np.stack([np.cos(t), np.sin(t), np.zeros(10)], -1) * spread * 0.42
        shadows.append(_cast(blob, sun))
    return Prop(builder.build(foliage_centre=centre), (x - 0.2, y - 0.2, x + 0.2, y + 0.2), tuple(shadows))


def _signal(x: float, y: float, sun: Floats) -> Prop:
    builder = MeshBuilder()
    _pole(builder, x, y, 0, 3.2, 0.06, _STEEL)
    for face in (-1, 1):
        builder.box(
            [x - 0.15, y + min(0, face * 0.22), 2.35],
            [x + 0.15, y + max(0, face * 0.22), 3.2],
            np.array([0.05, 0.06, 0.05]),
            layer=1,
        )
    return Prop(builder.build(), (x - 0.1, y - 0.1, x + 0.1, y + 0.1), (_upright_shadow(x, y, 3.2, 0.07, sun),))


def _bus_stop(side: int, street: Street, y: float, sun: Floats) -> Prop:
    builder = MeshBuilder()
    x0, x1 = sorted((side * (street.road_half + 0.9), side * (street.road_half + 2.2)))
    back = x1 if side > 0 else x0
    for py in (y - 1.9, y + 1.9):
        for px in (x0 + 0.05, x1 - 0.05):
            _pole(builder, px, py, 0, 2.4, 0.05, _STEEL, 6)
    builder.box([x0, y - 2.1, 2.4], [x1, y + 2.1, 2.52], _STEEL * 1.3, layer=2, parts=3)
    low, high = sorted((back - side * 0.45, back - side * 0.1))
    builder.box([low, y - 1.3, 0.42], [high, y + 1.3, 0.5], np.array([0.36, 0.26, 0.16]), layer=1)
    advert = sorted((back - side * 0.02, back - side * 1.2))
    builder.box([advert[0], y + 1.85, 0.3], [advert[1], y + 1.97, 2.1], np.array([0.55, 0.60, 0.65]), layer=1)
    shadow = _cast(np.array([[x0, y - 2.1, 2.5], [x1, y - 2.1, 2.5], [x1, y + 2.1, 2.5], [x0, y + 2.1, 2.5]]), sun)
    return Prop(builder.build(), (x0, y - 2.1, x1, y + 2.1), (shadow,))


def _bin(x: float, y: float, sun: Floats) -> Prop:
    builder = MeshBuilder()
    _pole(builder, x, y, 0, 1.0, 0.26, np.array([0.10, 0.18, 0.13]), 10)
    return Prop(builder.build(), (x - 0.26, y - 0.26, x + 0.26, y + 0.26), (_upright_shadow(x, y, 1.0, 0.25, sun),))
