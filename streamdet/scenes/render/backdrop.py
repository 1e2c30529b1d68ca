"""All that stands still and lies behind: sky, road, pavements and houses, rendered once and lit at any time."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.render.fronts import FrontPainter
from streamdet.scenes.render.road import paint_ground
from streamdet.scenes.render.texture import Planes, cloud_noise, noise_at, remap_points
from streamdet.scenes.world.camera import Camera, Floats
from streamdet.scenes.world.light import Light
from streamdet.scenes.world.street import FAR_END_M, NEAR_END_M, Street

_SAMPLES = 2
_HAZE_M = 420.0


class Backdrop:
    """Layers of the empty street, (H + 2 margin, W + 2 margin), and their sum under a light."""

    def __init__(
        self,
        rng: np.random.Generator,
        camera: Camera,
        street: Street,
        sun_direction: Floats,
        margin: int,
        shadows: list[Floats],
    ) -> None:
        """Render the layers.

        Args:
            rng: draws textures.
            camera: without shake.
            street: what to render.
            sun_direction: (3,) towards the sun.
            margin: pixels rendered around the picture.
            shadows: polygons (P, 2) x y on the ground, shadows of things that stand still.
        """
        self._margin = margin
        rays = camera.rays(margin, _SAMPLES).astype(np.float32)
        view = _View(camera, street, rays)
        noise = cloud_noise(rng, 512, 7)
        sunlit = np.zeros(rays.shape[:2], np.float32)
        albedo = np.zeros((*rays.shape[:2], 3), np.float32)
        glow = np.zeros_like(albedo)
        for side in (-1, 1):
            view.fronts(side, rng, noise, albedo, glow, sunlit, sun_direction)
        view.side_walls(albedo, sunlit, sun_direction)
        view.far_end(noise, albedo, sunlit)
        view.ground(rng, noise, albedo, sunlit, sun_direction, shadows, margin)
        self._assemble(view, rays, noise, albedo, glow, sunlit)

    def _assemble(self, view: _View, rays: Planes, noise: Planes, albedo: Planes, glow: Planes, sunlit: Planes) -> None:
        solid = (~view.sky).astype(np.float32)
        clear = np.exp(-view.distance / _HAZE_M) * solid
        small = (rays.shape[1] // _SAMPLES, rays.shape[0] // _SAMPLES)

        def reduce(layer: Planes) -> Planes:
            return np.asarray(cv2.resize(layer, small, interpolation=cv2.INTER_AREA), np.float32)

        up = rays[..., 2] / np.linalg.norm(rays, axis=-1)
        gradient = np.clip(np.maximum(up, 0) * 1.7, 0, 1) ** 0.6
        cover = 1 - solid
        lamps = reduce(albedo * clear[..., None]) * view.lamp_light(small)[..., None]
        layers = (
            reduce(albedo * (view.openness * clear)[..., None]),
            reduce(albedo * (sunlit * clear)[..., None]),
            lamps + reduce(glow * clear[..., None]) * 1.5,
            reduce(1 - clear)[..., None],
            reduce(gradient * cover)[..., None],
            reduce(_clouds(rays, view.sky, noise))[..., None],
        )
        self._layers = np.concatenate(layers, -1)

    def lit(self, light: Light) -> Image:
        """The backdrop under a light: (H + 2 margin, W + 2 margin, 3) uint8 RGB."""
        horizon = light.horizon * 0.92
        bright = 0.55 * light.horizon + 0.45 * (light.sun + light.sky * 0.6)
        clouds = np.clip(bright, 0, 1) - 0.5 * (light.zenith + light.horizon)
        weights = np.concatenate(
            [
                np.diag(light.sky),
                np.diag(light.sun),
                np.diag(light.lamp * 1.6),
                np.stack([horizon, light.zenith - horizon, clouds]),
            ]
        )
        picture = self._layers @ (255 * weights).astype(np.float32)
        return np.asarray(np.clip(picture, 0, 255, out=picture), np.uint8)


def _clouds(rays: Planes, sky: NDArray[np.bool_], noise: Planes) -> Planes:
    """Fraction of cloud in each sample of the sky."""
    clouds = np.zeros(sky.shape, np.float32)
    seen = rays[sky]
    scale = np.asarray(60 / np.maximum(seen[:, 2], 0.03), np.float32)
    density = noise_at(noise, seen[:, 0] * scale, seen[:, 1] * scale)
    clouds[sky] = np.clip((density - 0.5) * 2.2, 0, 0.85) * np.clip(seen[:, 2] * 9, 0, 1)
    return clouds


class _View:
    """What each ray meets. Arrays are (h, w): distance in metres, sky where nothing was met yet."""

    def __init__(self, camera: Camera, street: Street, rays: Planes) -> None:
        self.camera, self.street, self.rays = camera, street, rays
        self.origin = camera.position.astype(np.float32)
        shape = rays.shape[:2]
        self.sky: NDArray[np.bool_] = np.ones(shape, bool)
        self.distance = np.full(shape, 1e4, np.float32)
        self.openness = np.ones(shape, np.float32)  # fraction of the sky that lights the point
        with np.errstate(divide="ignore"):
            self._ground_t = np.where(rays[..., 2] < -1e-4, -self.origin[2] / rays[..., 2], np.float32(1e4)).astype(
                np.float32
            )

    def fronts(
        self,
        side: int,
        rng: np.random.Generator,
        noise: Planes,
        albedo: Planes,
        glow: Planes,
        sunlit: Planes,
        sun: Floats,
    ) -> None:
        """House fronts on a side."""
        wall = side * self.street.wall_x
        dx = self.rays[..., 0]
        t = np.where(dx * side > 1e-3, (wall - self.origin[0]) / np.where(np.abs(dx) > 1e-3, dx, 1e-3), 1e4).astype(
            np.float32
        )
        y, z = self.origin[1] + t * self.rays[..., 1], self.origin[2] + t * self.rays[..., 2]
        met = (t < self._ground_t) & (y < FAR_END_M) & (y > NEAR_END_M)
        met[met] = z[met] < self.street.heights(side, y[met])
        if not met.any():
            return
        y, z, depth = y[met], z[met], t[met]
        self._paint_fronts(side, rng, noise, y, z, depth, met, albedo, glow)
        self._meet(met, depth)
        self.openness[met] = 0.50 + 0.22 * np.clip(z / 12, 0, 1)
        facing = max(0.0, -side * float(sun[0]))
        if facing > 0:
            sunlit[met] = facing * self.street.sunlit(np.stack([np.full_like(y, wall * 0.999), y, z], -1), sun)

    def _paint_fronts(
        self,
        side: int,
        rng: np.random.Generator,
        noise: Planes,
        y: Planes,
        z: Planes,
        depth: Planes,
        met: NDArray[np.bool_],
        albedo: Planes,
        glow: Planes,
    ) -> None:
        """Colours of the points y z of a row, house by house."""
        row = self.street.rows[0 if side < 0 else 1]
        house = np.searchsorted(np.array([b.y1 for b in row[:-1]]), y)
        gap = abs(side * self.street.wall_x - self.origin[0])
        colours, light = np.zeros((len(y), 3), np.float32), np.zeros((len(y), 3), np.float32)
        for k in np.unique(house):
            rows = np.flatnonzero(house == k)
            focal = self.camera.focal
            scale = float(np.clip(focal / np.percentile(depth[rows], 5) * 1.2, 4, 80))
            front = FrontPainter(rng, row[k], noise, scale)
            columns, lines = (y[rows] - row[k].y0) * scale - 0.5, front.albedo.shape[0] - z[rows] * scale - 0.5
            # texture pixels a sample: along the street it shrinks with the angle too
            shrink = depth[rows] ** 2 / (gap * focal * _SAMPLES) * scale
            colours[rows] = _sample_levels(front.albedo, columns, lines, shrink)
            light[rows] = _sample_levels(front.glow, columns, lines, shrink)
        albedo[met], glow[met] = colours, light

    def side_walls(self, albedo: Planes, sunlit: Planes, sun: Floats) -> None:
        """Walls of taller houses that show above lower ones."""
        facing = max(0.0, -float(sun[1]))
        for side, row in zip((-1, 1), self.street.rows, strict=True):
            lines, columns = np.nonzero(self.sky & (self.rays[..., 0] * side > 0) & (self.rays[..., 1] > 1e-3))
            rays = self.rays[lines, columns]
            for lower, taller in pairwise(row):
                if taller.height <= lower.height or taller.y0 < self.origin[1] + 2:
                    continue
                t = (taller.y0 - self.origin[1]) / rays[:, 1]
                x = (self.origin[0] + t * rays[:, 0]) * side - self.street.wall_x
                z = self.origin[2] + t * rays[:, 2]
                hit = (x > 0) & (x < 12) & (z < taller.height) & (z > 0)
                where = (lines[hit], columns[hit])
                albedo[where] = (taller.colour * 0.82).astype(np.float32)
                sunlit[where] = facing
                self.openness[where] = 0.62
                self.sky[where] = False
                self.distance[where] = t[hit]
                lines, columns, rays = lines[~hit], columns[~hit], rays[~hit]

    def far_end(self, noise: Planes, albedo: Planes, sunlit: Planes) -> None:
        """Trees where the street ends."""
        lines, columns = np.nonzero(self.sky & (self.rays[..., 1] > 1e-3) & (np.abs(self.rays[..., 2]) < 0.15))
        rays = self.rays[lines, columns]
        t = (FAR_END_M - self.origin[1]) / rays[:, 1]
        x, z = self.origin[0] + t * rays[:, 0], self.origin[2] + t * rays[:, 2]
        top = 6 + 6 * noise_at(noise, x * 6, np.zeros_like(x)) + 2 * noise_at(noise, x * 40, np.zeros_like(x) + 9)
        hit = (z < top) & (z > 0)
        where = (lines[hit], columns[hit])
        tone = 0.5 + 0.9 * noise_at(noise, x[hit] * 25, z[hit] * 25)
        albedo[where] = np.array([0.16, 0.22, 0.12], np.float32) * tone[:, None]
        sunlit[where] = 0.5
        self.openness[where] = 0.6
        self.sky[where] = False
        self.distance[where] = t[hit]

    def ground(
        self,
        rng: np.random.Generator,
        noise: Planes,
        albedo: Planes,
        sunlit: Planes,
        sun: Floats,
        shadows: list[Floats],
        margin: int,
    ) -> None:
        """Road and pavements."""
        met = self.sky & (self._ground_t < 1e4)
        t = self._ground_t[met]
        x, y = self.origin[0] + t * self.rays[..., 0][met], self.origin[1] + t * self.rays[..., 1][met]
        across = t / (self.camera.focal * _SAMPLES)
        along = across * np.maximum(1, t / self.origin[2])
        albedo[met] = paint_ground(rng, self.street, noise, x, y, across, along)
        self._meet(met, t)
        self.openness[met] = 0.92 - 0.35 * np.exp(-np.maximum(self.street.wall_x - np.abs(x), 0) / 1.2)
        light = self.street.sunlit(np.stack([x, y, np.zeros_like(x)], -1), sun)
        sunlit[met] = light * max(0.0, float(sun[2]))
        self._cast(shadows, met, sunlit, margin)

    def _cast(self, shadows: list[Floats], met: NDArray[np.bool_], sunlit: Planes, margin: int) -> None:
        mask = np.zeros(self.sky.shape, np.uint8)
        for shadow in shadows:
            points, depth = self.camera.project(np.concatenate([shadow, np.zeros((len(shadow), 1))], 1))
            if (depth > 0.5).all():
                cv2.fillPoly(mask, [np.rint((points + margin) * _SAMPLES).astype(np.int32)], 255)
        soft = cv2.GaussianBlur(mask, (0, 0), 1.5).astype(np.float32) / 255
        sunlit[met] *= 1 - 0.9 * soft[met]

    def _meet(self, met: NDArray[np.bool_], t: Planes) -> None:
        self.sky[met] = False
        self.distance[met] = t

    def lamp_light(self, size: tuple[int, int]) -> Planes:
        """Light of the street lamps at each point, 0 to about 1, for the reduced picture."""
        step = _SAMPLES
        rays, t = self.rays[::step, ::step][: size[1], : size[0]], self.distance[::step, ::step][: size[1], : size[0]]
        points = self.origin + rays * t[..., None]
        light = self.street.lamp_light(points)
        return np.where(self.sky[::step, ::step][: size[1], : size[0]], 0, light).astype(np.float32)


def _sample_levels(texture: Image, columns: Planes, lines: Planes, shrink: Planes) -> Planes:
    """A texture at points, coarser along the street where a sample covers more of it; (N, 3) 0 to 1."""
    out = np.zeros((len(columns), 3), np.float32)
    level = np.clip(np.log2(np.maximum(shrink, 1)), 0, 4).astype(np.int64)
    for k in range(int(level.max()) + 1):
        rows = np.flatnonzero(level == k)
        if len(rows):
            out[rows] = remap_points(texture, (columns[rows] + 0.5) / 2**k - 0.5, lines[rows])
        half = (max(1, texture.shape[1] // 2), texture.shape[0])
        texture = np.asarray(cv2.resize(texture, half, interpolation=cv2.INTER_AREA), np.uint8)
    return np.asarray(out / 255, np.float32)
