"""From faces to pixels: filled polygons with soft edges, blur, compositing."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.camera import Floats

_SHIFT = 3


@dataclass(eq=False)
class Sprite:
    """An object's pixels.

    Attributes:
        rgba: (h, w, 4) uint8, colour times coverage, and coverage.
        x, y: where its first pixel lies in the picture.
    """

    rgba: Image
    x: int
    y: int

    @property
    def window(self) -> tuple[slice, slice]:
        """Its place in the picture."""
        h, w = self.rgba.shape[:2]
        return slice(self.y, self.y + h), slice(self.x, self.x + w)


def window_of(
    bounds: tuple[float, float, float, float], size: tuple[int, int], pad: int
) -> tuple[int, int, int, int] | None:
    """Whole pixels x0 y0 x1 y1 that cover float bounds and pad, clipped to size; None where nothing is left."""
    x0, y0 = max(int(np.floor(bounds[0])) - pad, 0), max(int(np.floor(bounds[1])) - pad, 0)
    x1, y1 = min(int(np.ceil(bounds[2])) + pad, size[0]), min(int(np.ceil(bounds[3])) + pad, size[1])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def fill_faces(corners: Floats, colours: Floats, window: tuple[int, int, int, int]) -> Image:
    """Draw faces in order into a window of the picture.

    Args:
        corners: (F, 4, 2) pixels of the picture, far faces first.
        colours: (F, 3) RGB, 0 to 1.
        window: x0 y0 x1 y1.

    Returns:
        (h, w, 4) uint8, colour times coverage and coverage.
    """
    x0, y0, x1, y1 = window
    width, height = x1 - x0, y1 - y0
    longest = max(width, height)
    scale = 4 if longest <= 72 else 3 if longest <= 140 else 2
    canvas = np.zeros((height * scale, width * scale, 4), np.uint8)
    # cv2 puts the centre of a pixel at whole coordinates, we at halves
    local = ((corners - (x0, y0)) * scale - 0.5) * (1 << _SHIFT)
    points = np.clip(np.rint(local), -(1 << 20), 1 << 20).astype(np.int32)
    paints = np.empty((len(colours), 4))
    paints[:, :3] = np.rint(colours * 255)
    paints[:, 3] = 255
    fill = cv2.fillConvexPoly
    for polygon, paint in zip(points, paints.tolist(), strict=True):
        fill(canvas, polygon, paint, cv2.LINE_8, _SHIFT)
    return cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)


def line_kernel(dx: float, dy: float) -> NDArray[np.float32]:
    """A kernel that averages along a straight movement of dx, dy pixels, centred."""
    length = float(np.hypot(dx, dy))
    radius = int(np.ceil(length / 2)) + 1
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    for t in np.linspace(-0.5, 0.5, max(3, int(length * 3))):
        x, y = radius + dx * t, radius + dy * t
        i, j = int(np.floor(y)), int(np.floor(x))
        fy, fx = y - i, x - j
        kernel[i, j] += (1 - fy) * (1 - fx)
        kernel[i, j + 1] += (1 - fy) * fx
        kernel[i + 1, j] += fy * (1 - fx)
        kernel[i + 1, j + 1] += fy * fx
    return kernel / kernel.sum()


def blur_along(rgba: Image, dx: float, dy: float) -> Image:
    """Motion blur for a movement of dx, dy pixels while the shutter is open."""
    return cv2.filter2D(rgba, -1, line_kernel(dx, dy), borderType=cv2.BORDER_CONSTANT)


def composite(picture: Image, sprite: Sprite) -> None:
    """Lay a sprite over the picture, in place."""
    region = picture[sprite.window]
    red, green, blue, alpha = cv2.split(sprite.rgba)
    rest = cv2.bitwise_not(alpha)
    shown = cv2.multiply(region, cv2.merge([rest, rest, rest]), scale=1 / 255)
    picture[sprite.window] = cv2.add(shown, cv2.merge([red, green, blue]))


def darken(picture: Image, mask: Image, x: int, y: int) -> None:
    """Multiply by 1 - mask / 255 where the mask, (h, w) uint8, lies; in place."""
    h, w = mask.shape
    region = picture[y : y + h, x : x + w]
    rest = cv2.bitwise_not(mask)
    picture[y : y + h, x : x + w] = cv2.multiply(region, cv2.merge([rest, rest, rest]), scale=1 / 255)


def add_glow(picture: Image, x: float, y: float, radius: float, colour: Floats) -> None:
    """Add a round glow around a lamp, in place."""
    r = int(np.ceil(radius))
    window = window_of((x - r, y - r, x + r, y + r), (picture.shape[1], picture.shape[0]), 0)
    if window is None or r < 1:
        return
    x0, y0, x1, y1 = window
    dx, dy = (np.arange(x0, x1) + 0.5 - x) / radius, (np.arange(y0, y1) + 0.5 - y) / radius
    falloff = np.exp(-5 * dx**2)[None, :] * np.exp(-5 * dy**2)[:, None]
    glow = (falloff[..., None] * (colour * 255)).astype(np.uint8)
    picture[y0:y1, x0:x1] = cv2.add(picture[y0:y1, x0:x1], glow)
