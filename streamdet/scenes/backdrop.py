"""All that stands still and lies behind: sky, road, pavements and houses, rendered once and lit at any time."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.camera import Camera, Floats
from streamdet.scenes.light import Light
from streamdet.scenes.road import paint_ground
from streamdet.scenes.street import FAR_END_M, NEAR_END_M, Street
from streamdet.scenes.texture import FrontPainter, Planes, cloud_noise

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
            return cv2.resize(layer, small, interpolation=cv2.INTER_AREA)

        self._ambient = reduce(albedo * (view.openness * clear)[..., None])
        self._sun = reduce(albedo * (sunlit * clear)[..., None])
        lamps = view.lamp_light(small)
        self._lamps = reduce(albedo * clear[..., None]) * lamps[..., None] + reduce(glow * clear[..., None]) * 1.5
        self._haze = reduce(solid - clear)[..., None]
        up = rays[..., 2] / np.linalg.norm(rays, axis=-1)
        gradient = np.clip(np.maximum(up, 0) * 1.7, 0, 1) ** 0.6
        cover = 1 - solid
        self._zenith = reduce(gradient * cover)[..., None]
        self._clouds = reduce(_clouds(rays, noise) * cover)[..., None]
        self._cover = reduce(cover)[..., None]

    def lit(self, light: Light) -> Image:
        """The backdrop under a light: (H + 2 margin, W + 2 margin, 3) uint8 RGB."""

        def colour(values: Floats) -> Planes:
            return values.astype(np.float32)

        picture = self._ambient * colour(light.sky) + self._sun * colour(light.sun)
        if light.dark > 0:
            picture += self._lamps * colour(light.lamp * 1.6)
        picture += (self._haze + self._cover) * colour(light.horizon * 0.92)
        picture += self._zenith * colour(light.zenith - light.horizon * 0.92)
        bright = 0.55 * light.horizon + 0.45 * (light.sun + light.sky * 0.6)
        picture += self._clouds * colour(np.clip(bright, 0, 1) - 0.5 * (light.zenith + light.horizon))
        return np.clip(picture * 255, 0, 255).astype(np.uint8)


def _clouds(rays: Planes, noise: Planes) -> Planes:
    up = np.maximum(rays[..., 2], 0.03)
    density = sample(noise, rays[..., 0] / up * 60 + 40, rays[..., 1] / up * 60)
    return np.clip((density - 0.5) * 2.2, 0, 0.85) * np.clip(rays[..., 2] * 9, 0, 1)


def sample(noise: Planes, x: Planes, y: Planes) -> Planes:
    """Values of seamless noise at pixel coordinates."""
    size = noise.shape[0]
    padded = np.pad(noise, ((0, 1), (0, 1)), mode="wrap")
    return cv2.remap(padded, np.mod(x, size).astype(np.float32), np.mod(y, size).astype(np.float32), cv2.INTER_LINEAR)


class _View:
    """What each ray meets. Arrays are (h, w): distance in metres, sky where nothing was met yet."""

    def __init__(self, camera: Camera, street: Street, rays: Planes) -> None:
        self.camera, self.street, self.rays = camera, street, rays
        self.origin = camera.position.astype(np.float32)
        shape = rays.shape[:2]
        self.sky: NDArray[np.bool_] = np.ones(shape, bool)
        self.distance = np.full(shape, 1e4, np.float32)
        self.openness = np.ones(shape, np.float32)  # share of the sky that lights the point
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
        row = self.street.rows[0 if side < 0 else 1]
        y0, y1 = float(y.min()) - 1, float(y.max()) + 1
        scale = float(np.clip(self.camera.focal / np.percentile(depth, 8) * 1.2, 6, min(64, 9000 / (y1 - y0))))
        painter = FrontPainter(rng, y0, y1, max(b.height for b in row), scale)
        for building in row:
            if building.y1 > y0 and building.y0 < y1:
                painter.paint(building)
        painter.weather(noise)
        columns, lines = (y - y0) * scale - 0.5, painter.albedo.shape[0] - z * scale - 0.5
        # texture pixels a sample: along the street it shrinks with the angle too
        shrink = depth**2 / (abs(wall - self.origin[0]) * self.camera.focal * _SAMPLES) * scale
        albedo[met] = _sample_levels(painter.albedo, columns, lines, shrink)
        glow[met] = _sample_levels(painter.glow, columns, lines, shrink)
        self._meet(met, depth)
        self.openness[met] = 0.50 + 0.22 * np.clip(z / 12, 0, 1)
        facing = max(0.0, -side * float(sun[0]))
        if facing > 0:
            sunlit[met] = facing * self.street.sunlit(np.stack([np.full_like(y, wall * 0.999), y, z], -1), sun)

    def side_walls(self, albedo: Planes, sunlit: Planes, sun: Floats) -> None:
        """Walls of taller houses that show above lower ones."""
        facing = max(0.0, -float(sun[1]))
        for side, row in zip((-1, 1), self.street.rows, strict=True):
            for lower, taller in zip(row[:-1], row[1:], strict=True):
                if taller.height <= lower.height or taller.y0 < self.origin[1] + 2:
                    continue
                t = (taller.y0 - self.origin[1]) / np.maximum(self.rays[..., 1], 1e-3)
                x = (self.origin[0] + t * self.rays[..., 0]) * side - self.street.wall_x
                z = self.origin[2] + t * self.rays[..., 2]
                met = self.sky & (x > 0) & (x < 12) & (z < taller.height) & (z > 0)
                albedo[met] = (taller.colour * 0.82).astype(np.float32)
                sunlit[met] = facing
                self.openness[met] = 0.62
                self._meet(met, t[met])

    def far_end(self, noise: Planes, albedo: Planes, sunlit: Planes) -> None:
        """Trees where the street ends."""
        t = (FAR_END_M - self.origin[1]) / np.maximum(self.rays[..., 1], 1e-3)
        x, z = self.origin[0] + t * self.rays[..., 0], self.origin[2] + t * self.rays[..., 2]
        top = 6 + 6 * sample(noise, x * 6, np.zeros_like(x)) + 2 * sample(noise, x * 40, np.zeros_like(x) + 9)
        met = self.sky & (t < self._ground_t) & (z < top) & (self.rays[..., 1] > 1e-3)
        tone = 0.5 + 0.9 * sample(noise, x * 25, z * 25)[met]
        albedo[met] = np.array([0.16, 0.22, 0.12], np.float32) * tone[:, None]
        sunlit[met] = 0.5
        self.openness[met] = 0.6
        self._meet(met, t[met])

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
        total = np.zeros(points.shape[:2], np.float32)
        for x, y in self.street.lamps[np.abs(self.street.lamps[:, 1] - 45) < 80]:
            dx, dy, dz = points[..., 0] - x * 0.8, points[..., 1] - y, points[..., 2] - 6.2
            total += 1 / (1 + (dx * dx + dy * dy + 0.3 * dz * dz) / 20) ** 1.5
        return np.where(self.sky[::step, ::step][: size[1], : size[0]], 0, 0.12 + total).astype(np.float32)


def _sample_levels(texture: Image, columns: Planes, lines: Planes, shrink: Planes) -> Planes:
    """Sample a texture, coarser where a sample covers more of it; (N, 3) 0 to 1."""
    out = np.zeros((len(columns), 3), np.float32)
    level = np.clip(np.log2(np.maximum(shrink, 1)), 0, 4).astype(np.int64)
    current = texture
    for k in range(5):
        rows = np.flatnonzero(level == k)
        if len(rows):
            # along the street a level halves the width only
            xs, ys = (columns[rows] + 0.5) / 2**k - 0.5, lines[rows]
            out[rows] = _remap_points(current, xs, ys)
        current = cv2.resize(current, (max(1, current.shape[1] // 2), current.shape[0]), interpolation=cv2.INTER_AREA)
    return out / 255


def _remap_points(texture: Image, xs: Planes, ys: Planes) -> Planes:
    """cv2.remap of a list of points; it takes no side longer than 32767."""
    width = 4096
    n = len(xs)
    padded = -(-n // width) * width
    grid_x, grid_y = np.zeros(padded, np.float32), np.zeros(padded, np.float32)
    grid_x[:n], grid_y[:n] = xs, ys
    got = cv2.remap(
        texture, grid_x.reshape(-1, width), grid_y.reshape(-1, width), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return got.reshape(padded, -1)[:n].astype(np.float32)
