"""The camera: a pinhole over a flat street.

World: x to the right across the street, y along it, z up, metres. Picture: x to the right, y down, pixels; the centre
of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

NEAR_M = 0.4


@dataclass(frozen=True, eq=False)
class Camera:
    """A pinhole camera at one place.

    Attributes:
        position: (3,) metres.
        axes: (3, 3) rows right, down, forward, in world coordinates.
        focal: focal length in pixels.
        width, height: pixels of the picture.
        centre: (2,) principal point, pixels.
    """

    position: Floats
    axes: Floats
    focal: float
    width: int
    height: int
    centre: Floats

    @classmethod
    def looking(
        cls, position: tuple[float, float, float], yaw: float, pitch: float, focal: float, size: tuple[int, int]
    ) -> Camera:
        """Look along yaw (0 along the street, positive to the right) and pitch (positive down), radians."""
        forward = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
        right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
        down = np.cross(forward, right)
        width, height = size
        return cls(
            position=np.array(position, np.float64),
            axes=np.stack([right, down, forward]),
            focal=focal,
            width=width,
            height=height,
            centre=np.array([width / 2, height / 2]),
        )

    def project(self, points: Floats) -> tuple[Floats, Floats]:
        """Pixels (..., 2) and depths (...) in metres of world points (..., 3); projected from NEAR_M at least."""
        local = (points - self.position) @ self.axes.T
        depth = local[..., 2]
        pixels = local[..., :2] * (self.focal / np.maximum(depth, NEAR_M))[..., None] + self.centre
        return pixels, depth

    def shaken(self, shake: Floats) -> Camera:
        """The camera whose picture is moved by a (2, 3) matrix: a small turn of the picture turns the view."""
        turn = shake[:, :2]
        axes = np.concatenate([turn @ self.axes[:2], self.axes[2:]])
        return replace(self, axes=axes, centre=turn @ self.centre + shake[:, 2])

    def widened(self, margin: int) -> Camera:
        """The camera with margin more pixels on every side."""
        return replace(
            self, width=self.width + 2 * margin, height=self.height + 2 * margin, centre=self.centre + margin
        )

    def rays(self, margin: int, scale: int) -> Floats:
        """Directions of a grid of scale x scale samples a pixel, margin pixels around the picture: (h, w, 3)."""
        xs = (np.arange((self.width + 2 * margin) * scale) + 0.5) / scale - margin
        ys = (np.arange((self.height + 2 * margin) * scale) + 0.5) / scale - margin
        right, down, forward = self.axes
        x = ((xs - self.centre[0]) / self.focal)[None, :, None]
        y = ((ys - self.centre[1]) / self.focal)[:, None, None]
        return np.asarray(forward + x * right + y * down)


def choose_camera(
    rng: np.random.Generator, size: tuple[int, int], road_half: float, pavement: float, view: str
) -> Camera:
    """A camera as such streets have them: on a pole, at eye level, across the street, on a house, over the lanes."""
    side = -1.0 if rng.random() < 0.5 else 1.0
    width = size[0]
    if view == "pole":
        height, x = rng.uniform(3.6, 6.5), side * (road_half + rng.uniform(0.4, 1.6))
        yaw, pitch, focal = -side * rng.uniform(0.08, 0.42), rng.uniform(0.10, 0.22), rng.uniform(0.85, 1.2)
    elif view == "eye":
        height, x = rng.uniform(1.55, 2.1), side * (road_half + rng.uniform(0.8, pavement - 0.8))
        yaw, pitch, focal = -side * rng.uniform(0.05, 0.50), rng.uniform(-0.02, 0.05), rng.uniform(0.8, 1.15)
    elif view == "across":
        height, x = rng.uniform(1.7, 4.5), side * (road_half + pavement - 0.4)
        yaw, pitch, focal = -side * rng.uniform(0.75, 1.25), rng.uniform(0.05, 0.14), rng.uniform(0.8, 1.05)
    elif view == "pavement":
        height, x = rng.uniform(2.2, 3.3), side * (road_half + pavement - rng.uniform(0.5, 1.4))
        yaw, pitch, focal = -side * rng.uniform(0.0, 0.3), rng.uniform(0.10, 0.22), rng.uniform(0.75, 1.05)
    else:
        height, x = rng.uniform(5.5, 8.0), rng.uniform(-0.3, 0.3) * road_half
        yaw, pitch, focal = rng.uniform(-0.12, 0.12), rng.uniform(0.14, 0.26), rng.uniform(0.9, 1.3)
    return Camera.looking((x, 0.0, height), yaw, pitch, focal * width, size)
