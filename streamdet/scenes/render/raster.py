"""From faces to pixels: filled polygons with soft edges, blur, compositing."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from streamdet.frames import Image
from streamdet.scenes.world.camera import Floats

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


def blur_along(rgba: Image, dx: float, dy: float) -> Image:
    """Motion blur for a straight movement of dx, dy pixels while the shutter is open, centred.

    Every step averages two copies that are half as far apart as in the step before, so that n steps average 2 ** n
    places along the path.
    """
    while max(abs(dx), abs(dy)) >= 1:
        dx, dy = dx / 2, dy / 2
        ahead, behind = (round(dx / 2), round(dy / 2)), (round(dx / 2 - dx), round(dy / 2 - dy))
        rgba = np.asarray(cv2.addWeighted(_moved(rgba, *ahead), 0.5, _moved(rgba, *behind), 0.5, 0), np.uint8)
    return rgba


def _moved(rgba: Image, dx: int, dy: int) -> Image:
    """The pixels dx to the right and dy down; what comes in is empty."""
    if dx == 0 and dy == 0:
        return rgba
    h, w = rgba.shape[:2]
    out = np.zeros_like(rgba)
    if abs(dx) < w and abs(dy) < h:
        out[max(dy, 0) : h + min(dy, 0), max(dx, 0) : w + min(dx, 0)] = rgba[
            max(-dy, 0) : h + min(-dy, 0), max(-dx, 0) : w + min(-dx, 0)
        ]
    return out


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
