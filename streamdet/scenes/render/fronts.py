"""House fronts: windows, balconies, doors, shops."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np

from streamdet.frames import Image
from streamdet.scenes.render.texture import Planes
from streamdet.scenes.world.camera import Floats
from streamdet.scenes.world.street import Building


class FrontPainter:
    """Paints one house front.

    Attributes:
        albedo: (h, w, 3) uint8 RGB; columns along the street, the last row on the ground.
        glow: (h, w, 3) uint8 RGB, light of windows and signs at night.
    """

    def __init__(self, rng: np.random.Generator, building: Building, noise: Planes, scale: float) -> None:
        """Paint a house with scale pixels a metre; noise stains it."""
        self._rng, self._y0, self._scale = rng, building.y0, scale
        self._shape = (max(2, int(building.height * scale)), max(2, int((building.y1 - building.y0) * scale)))
        self.albedo: Image = np.full((*self._shape, 3), 120, np.uint8)
        self.glow: Image = np.zeros((*self._shape, 3), np.uint8)
        self._paint(building)
        self._weather(noise)

    def _area(self, y0: float, y1: float, z0: float, z1: float) -> tuple[slice, slice]:
        h, w = self._shape
        rows = [min(max(round(h - z * self._scale), 0), h) for z in (z1, z0)]
        columns = [min(max(round((y - self._y0) * self._scale), 0), w) for y in (y0, y1)]
        return slice(rows[0], rows[1]), slice(columns[0], columns[1])

    def _fill(self, y0: float, y1: float, z0: float, z1: float, colour: Floats) -> None:
        """Paint a rectangle; metres, albedo 0 to 1."""
        self.albedo[self._area(y0, y1, z0, z1)] = np.minimum(colour * 255, 255)

    def _light(self, y0: float, y1: float, z0: float, z1: float, colour: Floats) -> None:
        """Let a rectangle glow at night."""
        self.glow[self._area(y0, y1, z0, z1)] = np.minimum(colour * 255, 255)

    def _paint(self, building: Building) -> None:
        wall, rng = building.colour, self._rng
        self._fill(building.y0, building.y1, 0, building.height, wall)
        self._fill(building.y0, building.y1, building.height - 0.35, building.height, wall * 0.75)
        self._fill(building.y0, building.y1, building.height - 0.55, building.height - 0.45, wall * 1.2)
        width = building.y1 - building.y0
        count = max(2, int(width / rng.uniform(2.0, 3.2)))
        pitch = width / count
        window, frame = rng.uniform(0.42, 0.66) * pitch, np.array([0.82, 0.81, 0.78]) * rng.choice([1.0, 0.3])
        tall, balcony = rng.uniform(1.35, 1.95), rng.random() < 0.3
        for floor in range(building.floors):
            base = 4.2 + 3.1 * floor
            self._fill(building.y0, building.y1, base - 0.12, base, wall * rng.choice([0.85, 1.12]))
            for k in range(count):
                middle = building.y0 + (k + 0.5) * pitch
                self._window(middle, window, base + 0.85, tall, frame, wall)
                if balcony and k % 2 == 0:
                    self._balcony(middle, pitch * 0.8, base + 0.2)
        if building.shop:
            self._shops(building)
        else:
            self._ground_floor(building, count, pitch, window, frame)
        self._fill(building.y0, building.y1, 0, 0.45, wall * 0.6)
        self._fill(building.y1 - 0.06, building.y1, 0, building.height, wall * 0.6)

    def _window(self, y: float, width: float, z: float, height: float, frame: Floats, wall: Floats) -> None:
        rng, half = self._rng, width / 2
        self._fill(y - half - 0.10, y + half + 0.10, z - 0.10, z + height + 0.10, frame)
        self._fill(y - half, y + half, z, z + height, np.array([0.10, 0.12, 0.15]) * rng.uniform(0.6, 1.7))
        self._fill(y - half, y + half, z + height * 0.82, z + height, np.array([0.05, 0.06, 0.07]))
        if rng.random() < 0.4:
            drape = np.array([0.62, 0.60, 0.55]) * rng.uniform(0.5, 1.0)
            for side in (-1, 1):
                edge = y + side * half
                inner = edge - side * width * rng.uniform(0.12, 0.3)
                self._fill(min(edge, inner), max(edge, inner), z, z + height * 0.9, drape)
        self._fill(y - 0.03, y + 0.03, z, z + height, frame * 0.9)
        self._fill(y - half, y + half, z + height * 0.62, z + height * 0.62 + 0.05, frame * 0.9)
        self._fill(y - half - 0.16, y + half + 0.16, z - 0.20, z - 0.08, np.clip(wall * 1.25, 0, 0.9))
        self._fill(y - half - 0.12, y + half + 0.12, z - 0.32, z - 0.20, wall * 0.72)
        if rng.random() < 0.38:
            self._light(y - half, y + half, z, z + height * 0.92, np.array([1.0, 0.78, 0.45]) * rng.uniform(0.45, 1.0))
            self._light(y - 0.03, y + 0.03, z, z + height, np.array([0.15, 0.11, 0.06]))

    def _balcony(self, y: float, width: float, z: float) -> None:
        rail = np.array([0.09, 0.09, 0.10])
        self._fill(y - width / 2, y + width / 2, z - 0.12, z, rail * 3)
        self._fill(y - width / 2, y + width / 2, z + 0.85, z + 0.92, rail)
        for bar in np.arange(y - width / 2, y + width / 2, 0.16):
            self._fill(bar, bar + 0.04, z, z + 0.9, rail)

    def _shops(self, building: Building) -> None:
        rng = self._rng
        count = max(1, round((building.y1 - building.y0) / 6))
        edges = np.linspace(building.y0, building.y1, count + 1)
        for y0, y1 in pairwise(edges.tolist()):
            sign = np.array(
                [
                    [0.55, 0.10, 0.10],
                    [0.10, 0.22, 0.42],
                    [0.12, 0.35, 0.22],
                    [0.15, 0.14, 0.14],
                    [0.75, 0.55, 0.12],
                    [0.35, 0.16, 0.32],
                ]
            )[rng.integers(6)]
            self._fill(y0 + 0.15, y1 - 0.15, 3.0, 3.75, sign)
            self._lettering(y0 + 0.6, y1 - 0.6, 3.2, 3.58)
            self._fill(y0 + 0.2, y1 - 0.2, 0.45, 2.95, np.array([0.07, 0.08, 0.09]))
            self._light(y0 + 0.3, y1 - 0.3, 0.6, 2.85, np.array([0.95, 0.85, 0.65]) * rng.uniform(0.3, 0.9))
            for _ in range(int(6 * (y1 - y0))):
                goods = rng.uniform(y0 + 0.4, y1 - 0.6)
                z = rng.uniform(0.6, 1.7)
                self._fill(
                    goods,
                    goods + rng.uniform(0.1, 0.5),
                    z,
                    z + rng.uniform(0.1, 0.6),
                    np.full(3, rng.uniform(0.05, 0.35)) + rng.uniform(-0.05, 0.08, 3),
                )
            door = rng.uniform(y0 + 0.5, y1 - 1.6)
            self._fill(door, door + 1.05, 0.0, 2.5, np.array([0.16, 0.15, 0.14]))
            self._fill(door + 0.12, door + 0.93, 0.25, 2.35, np.array([0.10, 0.12, 0.14]))
            for bar in np.arange(y0 + 0.2, y1 - 0.1, (y1 - y0 - 0.4) / 3):
                self._fill(bar - 0.04, bar + 0.04, 0.45, 2.95, sign * 0.7 + 0.08)
            if rng.random() < 0.45:
                for k, stripe in enumerate(np.arange(y0 + 0.2, y1 - 0.2, 0.35)):
                    colour = sign * 1.2 + 0.1 if k % 2 else np.array([0.85, 0.83, 0.78])
                    self._fill(stripe, min(stripe + 0.35, y1 - 0.2), 2.45, 3.05, colour)
                self._fill(y0 + 0.2, y1 - 0.2, 2.05, 2.45, np.array([0.05, 0.05, 0.06]))

    def _lettering(self, y0: float, y1: float, z0: float, z1: float) -> None:
        """Strokes that read as a shop's name from afar."""
        rng, colour = self._rng, np.array([0.88, 0.86, 0.80])
        pen = y0 + rng.uniform(0, 0.3) * (y1 - y0)
        while pen < y1 - 0.3 - rng.uniform(0, 0.2) * (y1 - y0):
            glyph = rng.uniform(0.18, 0.28)
            self._fill(pen, pen + 0.06, z0, z1, colour)
            if rng.random() < 0.6:
                self._fill(pen, pen + glyph, z1 - 0.07, z1, colour)
            if rng.random() < 0.6:
                self._fill(pen, pen + glyph, z0, z0 + 0.07, colour)
            if rng.random() < 0.4:
                self._fill(pen + glyph - 0.06, pen + glyph, z0, z1, colour)
            pen += glyph + 0.1
        self._light(y0, y1, z0, z1, np.array([0.5, 0.45, 0.35]) * rng.uniform(0, 1))

    def _ground_floor(self, building: Building, count: int, pitch: float, window: float, frame: Floats) -> None:
        rng, wall = self._rng, building.colour
        self._fill(building.y0, building.y1, 0, 3.9, wall * 0.86)
        door = int(rng.integers(count))
        for k in range(count):
            middle = building.y0 + (k + 0.5) * pitch
            if k == door:
                leaf = np.array([[0.25, 0.13, 0.08], [0.10, 0.20, 0.16], [0.12, 0.14, 0.24], [0.4, 0.38, 0.34]])[
                    rng.integers(4)
                ]
                self._fill(middle - 0.75, middle + 0.75, 0, 2.75, wall * 1.15)
                self._fill(middle - 0.6, middle + 0.6, 0, 2.5, leaf)
                self._fill(middle - 0.45, middle + 0.45, 1.5, 2.3, leaf * 0.6)
            else:
                self._window(middle, window, 1.2, 1.7, frame, wall)

    def _weather(self, noise: Planes) -> None:
        """Stain and roughen all that was painted."""
        h, w = self._shape
        turn = int(self._rng.integers(noise.shape[1]))
        stains = cv2.resize(np.roll(noise, turn, 1)[:, :256], (w, h))
        rough = cv2.resize(np.roll(noise, -turn, 1), (w, h), interpolation=cv2.INTER_NEAREST)
        # what stands behind a lit pane shows in its light
        behind = cv2.convertScaleAbs(self.albedo, alpha=2.2, beta=45)
        self.glow = np.asarray(cv2.multiply(self.glow, behind, scale=1 / 255), np.uint8)
        tone = 0.80 + 0.26 * stains + 0.14 * rough
        self.albedo = np.asarray(cv2.multiply(self.albedo, cv2.merge([tone] * 3), dtype=cv2.CV_8U), np.uint8)
