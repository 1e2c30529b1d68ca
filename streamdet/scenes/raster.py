"""From faces to pixels: filled polygons with soft edges, blur, compositing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.camera import Floats

Box = tuple[float, float, float, float]
Window = tuple[int, int, int, int]

_SHIFT = 3


@dataclass(frozen=True, eq=False)
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


def window_of(bounds: Box, limit: Window, pad: int) -> Window | None:
    """Whole pixels x0 y0 x1 y1 that cover bounds and pad, clipped to limit; None where nothing is left."""
    x0, y0 = max(math.floor(bounds[0]) - pad, limit[0]), max(math.floor(bounds[1]) - pad, limit[1])
    x1, y1 = min(math.ceil(bounds[2]) + pad, limit[2]), min(math.ceil(bounds[3]) + pad, limit[3])
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def fill_faces(corners: Floats, colours: Floats, window: Window) -> Image:
    """Draw faces in order into a window of the picture.

    Args:
        corners: (F, 4, 2) pixels of the picture, what is drawn first in front.
        colours: (F, 3) RGB, 0 to 1.
        window: x0 y0 x1 y1.

    Returns:
        (h, w, 4) uint8, colour times coverage and coverage.
    """
    x0, y0, x1, y1 = window
    width, height = x1 - x0, y1 - y0
    longest = max(width, height)
    scale = 4 if longest <= 64 else 3 if longest <= 140 else 2
    canvas: Image = np.zeros((height * scale, width * scale, 4), np.uint8)
    # cv2 puts the centre of a pixel at whole coordinates, we at halves
    unit = scale * (1 << _SHIFT)
    local = corners * unit - (x0 * unit + (4.0), y0 * unit + 4.0)
    points = np.clip(local, -(1 << 20), 1 << 20).astype(np.int32)
    paints = np.empty((len(colours), 4))
    np.multiply(colours, 255, out=paints[:, :3])
    paints[:, 3] = 255
    fill, line = cv2.fillConvexPoly, cv2.LINE_8
    for polygon, paint in zip(points, np.rint(paints).tolist(), strict=True):
        fill(canvas, polygon, paint, line, _SHIFT)
    return np.asarray(cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def line_kernel(dx: float, dy: float) -> NDArray[np.float32]:
    """A kernel that averages along a straight movement of dx, dy pixels, centred."""
    length = math.hypot(dx, dy)
    radius = math.ceil(length / 2) + 1
    kernel = np.zeros((2 * radius + 1, 2 * radius + 1), np.float32)
    for t in np.linspace(-0.5, 0.5, max(3, int(length * 3))).tolist():
        x, y = radius + dx * t, radius + dy * t
        i, j = int(y), int(x)
        fy, fx = y - i, x - j
        kernel[i, j] += (1 - fy) * (1 - fx)
        kernel[i, j + 1] += (1 - fy) * fx
        kernel[i + 1, j] += fy * (1 - fx)
        kernel[i + 1, j + 1] += fy * fx
    return np.asarray(kernel / kernel.sum(), np.float32)


def blur_along(rgba: Image, dx: float, dy: float) -> Image:
    """Motion blur for a movement of dx, dy pixels while the shutter is open."""
    return np.asarray(cv2.filter2D(rgba, -1, line_kernel(dx, dy), borderType=cv2.BORDER_CONSTANT), np.uint8)


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
    rest = cv2.bitwise_not(mask)
    region = picture[y : y + h, x : x + w]
    picture[y : y + h, x : x + w] = cv2.multiply(region, cv2.merge([rest, rest, rest]), scale=1 / 255)


def add_glow(picture: Image, x: float, y: float, radius: float, colour: Floats) -> None:
    """Add a round glow around a lamp, in place."""
    window = window_of((x - radius, y - radius, x + radius, y + radius), (0, 0, picture.shape[1], picture.shape[0]), 0)
    if window is None:
        return
    x0, y0, x1, y1 = window
    dx, dy = (np.arange(x0, x1) + 0.5 - x) / radius, (np.arange(y0, y1) + 0.5 - y) / radius
    falloff = np.exp(-5 * dx**2)[None, :] * np.exp(-5 * dy**2)[:, None]
    glow = (falloff[..., None] * (colour * 255)).astype(np.uint8)
    picture[y0:y1, x0:x1] = cv2.add(picture[y0:y1, x0:x1], glow)
