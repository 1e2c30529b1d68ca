"""The ground: asphalt, lane marks, kerbs, paving."""

from __future__ import annotations

import numpy as np

from streamdet.scenes.render.texture import Planes, noise_at
from streamdet.scenes.world.street import Street

_STONES = np.array([[0.45, 0.43, 0.405], [0.395, 0.395, 0.395], [0.47, 0.395, 0.34]], np.float32)


def paint_ground(
    rng: np.random.Generator, street: Street, noise: Planes, x: Planes, y: Planes, across: Planes, along: Planes
) -> Planes:
    """Albedo (N, 3) of ground points.

    Args:
        rng: draws wear and stains.
        street: lanes and widths.
        noise: seamless noise.
        x, y: (N,) metres.
        across, along: (N,) metres that a sample covers across and along the view; edges are that soft.
    """
    asphalt, slab = float(rng.uniform(0.20, 0.30)), float(rng.choice([0.4, 0.6, 0.9]))
    stone = _STONES[rng.integers(len(_STONES))]
    out = np.zeros((len(x), 3), np.float32)
    kerb = _step(np.abs(x), street.road_half, across)
    road, paving = np.flatnonzero(kerb < 1), np.flatnonzero(kerb > 0)
    out[road] = _road(rng, street, noise, asphalt, x[road], y[road], across[road], along[road])
    slabs = _paving(street, noise, stone, slab, x[paving], y[paving], across[paving], along[paving])
    share = kerb[paving, None]
    out[paving] = out[paving] * (1 - share) + slabs * share
    return out


def _road(
    rng: np.random.Generator,
    street: Street,
    noise: Planes,
    asphalt: float,
    x: Planes,
    y: Planes,
    across: Planes,
    along: Planes,
) -> Planes:
    big, fine = noise_at(noise, x * 9, y * 5), noise_at(noise, x * 260, y * 260)
    fade = np.clip(0.04 / np.maximum(along, 1e-3), 0, 1)
    tone = np.float32(asphalt) * (0.82 + 0.30 * big + 0.30 * (fine - 0.5) * fade)
    lanes = np.array([lane.x for lane in street.lanes], np.float32)
    off = np.abs(np.abs(x[:, None] - lanes).min(1) - 0.75)
    tone *= 1 - 0.10 * np.exp(-((off / 0.35) ** 2))  # wheels polish two tracks a lane
    crack = np.abs(noise_at(noise, x * 22 + 100, y * 16) - 0.5)
    tone *= 1 - 0.28 * np.clip(1 - crack / 0.012, 0, 1) * fade
    tone *= _wear(rng, street, x, y, across, along)
    gutter = np.exp(-(((np.abs(x) - street.road_half + 0.15) / 0.18) ** 2))
    marks = _marks(street, x, y, across, along) * (0.55 + 0.45 * noise_at(noise, x * 60, y * 30 + 7))
    out = tone[:, None] * np.array([0.98, 1.0, 1.03], np.float32)
    out += (np.array([0.80, 0.80, 0.76], np.float32) - out) * marks[:, None]
    return np.asarray(out * (1 - 0.35 * gutter[:, None]), np.float32)


def _step(v: Planes, edge: float | Planes, soft: Planes) -> Planes:
    return np.asarray(np.clip((v - edge) / np.maximum(soft, 1e-4) + 0.5, 0, 1), np.float32)


def _band(v: Planes, low: float | Planes, high: float | Planes, soft: Planes) -> Planes:
    return np.asarray(_step(v, low, soft) * (1 - _step(v, high, soft)), np.float32)


def _marks(street: Street, x: Planes, y: Planes, across: Planes, along: Planes) -> Planes:
    """Paint on the road, 0 to 1."""
    lanes = street.lanes
    width = lanes[1].x - lanes[0].x
    edges = [lane.x + width / 2 for lane in lanes[:-1]]
    phase = np.mod(y, 6.0)
    dash = np.where(along > 3, 0.5, _band(phase, 1.5, 4.5, along))
    total = np.zeros_like(x)
    near_crossing = _band(y, street.crossing_y - 12, street.crossing_y + 12, along)
    for edge in edges:
        middle = abs(edge) < 0.1
        line = _band(x, edge - 0.06, edge + 0.06, across)
        solid = np.maximum(dash, near_crossing) if not middle or len(lanes) == 2 else np.ones_like(dash)
        total = np.maximum(total, line * solid)
    outer = abs(lanes[-1].x) + width / 2
    for side in (-1, 1):
        place = side * (outer - 0.06)
        total = np.maximum(total, _band(x, place - 0.05, place + 0.05, across) * 0.9)
    on_zebra = _band(y, street.crossing_y - 1.6, street.crossing_y + 1.6, along)
    stripes = _band(np.mod(x + 50, 1.0), 0.25, 0.75, across)
    stripes = np.where(across > 0.4, 0.5, stripes)
    total = np.where(on_zebra > 0, on_zebra * stripes * (np.abs(x) < street.road_half - 0.3), total)
    for lane in lanes:
        stop = street.crossing_y - lane.direction * 3.2
        bar = _band(y, stop - 0.2, stop + 0.2, along) * _band(
            x, lane.x - width / 2 + 0.15, lane.x + width / 2 - 0.15, across
        )
        total = np.maximum(total, bar)
    return np.asarray(total, np.float32)


def _wear(rng: np.random.Generator, street: Street, x: Planes, y: Planes, across: Planes, along: Planes) -> Planes:
    """Darker places, as factors: manhole covers and patches of newer asphalt."""
    factor = np.ones_like(x)
    reach = street.road_half - 1
    for _ in range(5):
        cx, cy = rng.uniform(-reach, reach), rng.uniform(2, 50)
        near = np.flatnonzero((np.abs(x - cx) < 1) & (np.abs(y - cy) < 2))
        disc = 1 - _step(np.hypot(x[near] - cx, y[near] - cy), 0.33, along[near])
        factor[near] *= 1 - 0.55 * disc
    for _ in range(4):
        cx, cy = rng.uniform(-reach, reach), rng.uniform(2, 60)
        w, h, tone = rng.uniform(0.5, 1.5), rng.uniform(1, 6), rng.uniform(0.72, 0.92)
        near = np.flatnonzero((np.abs(x - cx) < w + 1) & (np.abs(y - cy) < h + 2))
        patch = _band(x[near], cx - w, cx + w, across[near]) * _band(y[near], cy - h, cy + h, along[near])
        factor[near] *= 1 - (1 - tone) * patch
    return factor


def _paving(
    street: Street, noise: Planes, tone: Planes, slab: float, x: Planes, y: Planes, across: Planes, along: Planes
) -> Planes:
    """Slabs, with a kerb stone along the road."""
    fade = np.clip(0.15 / np.maximum(along, 1e-3), 0, 1)
    row = np.floor(x / slab)
    joint_x = _band(np.mod(x, slab), 0.0, 0.02, np.maximum(across, 0.01))
    joint_y = _band(np.mod(y + row * slab * 0.5, slab * 1.5), 0.0, 0.02, np.maximum(along, 0.01))
    each = np.modf(np.abs(np.sin(row * 12.99 + np.floor((y + row * slab * 0.5) / (slab * 1.5)) * 78.2) * 43758.5))[0]
    level = (
        0.86
        + 0.22 * noise_at(noise, x * 14, y * 10)
        + (0.10 * (each - 0.5) + 0.16 * (noise_at(noise, x * 240, y * 240) - 0.5)) * fade
    )
    level = level * (1 - 0.3 * np.clip(joint_x + joint_y, 0, 1) * fade)
    out = tone * level[:, None].astype(np.float32)
    stone = 1 - _step(np.abs(x), street.road_half + 0.18, across)
    return np.asarray(out + (np.array([0.60, 0.59, 0.57], np.float32) - out) * stone[:, None], np.float32)
