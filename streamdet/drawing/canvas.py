"""What drawing needs of a picture, whichever way its pixels lie.

Planes are drawn on as they are. Their chroma is coarser than their luma: it takes a rectangle's colour in every sample
that the rectangle touches, so that thin lines keep their full colour.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image, Picture
from streamdet.media.planes import Planes

Colour = tuple[int, int, int]  # RGB
Rectangle = tuple[int, int, int, int]  # left, top, right, bottom in whole pixels, the last two exclusive
Point = tuple[int, int]

FONT = cv2.FONT_HERSHEY_SIMPLEX
_STRIP = 64  # rows that are mixed at once
_CELLS = 8  # along the longer side of what is hidden


@dataclass(frozen=True, slots=True)
class Lettering:
    """How a text is set.

    Attributes:
        at: where its base line starts, from the rectangle's corner.
        colour: of the letters.
        scale, weight: of the font.
    """

    at: Point
    colour: Colour
    scale: float
    weight: int

    def write(self, image: Image, corner: Point, text: str, colour: Colour | int) -> None:
        """Write into pixels, in a colour that has as many parts as they have."""
        at = corner[0] + self.at[0], corner[1] + self.at[1]
        cv2.putText(image, text, at, FONT, self.scale, colour, self.weight, cv2.LINE_AA)


class Canvas(Protocol):
    """A picture that is drawn on."""

    width: int
    height: int

    def fill(self, rectangle: Rectangle, colour: Colour) -> None:
        """Fill a rectangle."""
        ...

    def outline(self, rectangle: Rectangle, colour: Colour, thickness: int) -> None:
        """Draw the edges of a rectangle, from its sides inwards."""
        ...

    def label(self, rectangle: Rectangle, colour: Colour, text: str, lettering: Lettering) -> None:
        """Fill a rectangle and write a text into it; in a tiny picture it may reach over the right and lower edge."""
        ...

    def tint(self, rectangle: Rectangle, opacity: NDArray[np.uint8], colour: Colour) -> None:
        """Mix a colour into a rectangle inside the picture; opacity is (height, width), 255 hides what was there."""
        ...

    def line(self, points: NDArray[np.int32], colour: Colour, thickness: int) -> None:
        """Join (N, 2) points, x and y in pixels, by a line."""
        ...

    def hide(self, rectangle: Rectangle, *, smooth: bool) -> None:
        """Leave a few cells of a rectangle inside the picture, blurred or as they are."""
        ...


def edges_of(rectangle: Rectangle, thickness: int) -> tuple[Rectangle, ...]:
    """The four bars that are a rectangle's outline.

    Their sides lie on whole pixels, so there is nothing to anti-alias; cv2's thick line would round the corners.
    """
    x1, y1, x2, y2 = rectangle
    return (
        (x1, y1, x2, min(y1 + thickness, y2)),
        (x1, max(y2 - thickness, y1), x2, y2),
        (x1, y1, min(x1 + thickness, x2), y2),
        (max(x2 - thickness, x1), y1, x2, y2),
    )


def canvas_of(picture: Picture) -> Canvas:
    """What draws on a picture, which must be a copy of one's own."""
    return PlanarCanvas(picture) if isinstance(picture, Planes) else RgbCanvas(picture.rgb())


class RgbCanvas:
    """(H, W, 3) uint8 RGB pixels."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self.height, self.width = image.shape[:2]

    def fill(self, rectangle: Rectangle, colour: Colour) -> None:
        """See Canvas."""
        left, top, right, bottom = rectangle
        cv2.rectangle(self._image, (left, top), (right - 1, bottom - 1), colour, cv2.FILLED)

    def outline(self, rectangle: Rectangle, colour: Colour, thickness: int) -> None:
        """See Canvas."""
        for edge in edges_of(rectangle, thickness):
            self.fill(edge, colour)

    def label(self, rectangle: Rectangle, colour: Colour, text: str, lettering: Lettering) -> None:
        """See Canvas."""
        self.fill(rectangle, colour)
        lettering.write(self._image, rectangle[:2], text, lettering.colour)

    def tint(self, rectangle: Rectangle, opacity: NDArray[np.uint8], colour: Colour) -> None:
        """See Canvas."""
        left, top, right, bottom = rectangle
        _mix(self._image[top:bottom, left:right], opacity, colour)

    def line(self, points: NDArray[np.int32], colour: Colour, thickness: int) -> None:
        """See Canvas."""
        cv2.polylines(self._image, [points], False, colour, thickness, cv2.LINE_AA)

    def hide(self, rectangle: Rectangle, *, smooth: bool) -> None:
        """See Canvas."""
        left, top, right, bottom = rectangle
        _hide(self._image[top:bottom, left:right], smooth)


class PlanarCanvas:
    """Planes that may be written to."""

    def __init__(self, planes: Planes) -> None:
        self._planes = planes
        self.width, self.height = planes.width, planes.height

    def fill(self, rectangle: Rectangle, colour: Colour) -> None:
        """See Canvas."""
        left, top, right, bottom = rectangle
        luma, *chroma = self._planes.samples(colour)
        self._planes.luma[top:bottom, left:right] = luma
        for plane, sample in zip(self._planes.chroma, chroma, strict=True):
            plane[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2] = sample

    def outline(self, rectangle: Rectangle, colour: Colour, thickness: int) -> None:
        """See Canvas."""
        for edge in edges_of(rectangle, thickness):
            self.fill(edge, colour)

    def label(self, rectangle: Rectangle, colour: Colour, text: str, lettering: Lettering) -> None:
        """See Canvas."""
        left, top, right, bottom = rectangle
        right, bottom = min(right, self.width), min(bottom, self.height)
        # How much of each pixel is ink; starts on a sample of chroma, so that both lie on the same grid.
        odd_x, odd_y = left % 2, top % 2
        height, width = bottom - top + odd_y, right - left + odd_x
        ink = np.zeros((height + height % 2, width + width % 2), np.uint8)
        lettering.write(ink, (odd_x, odd_y), text, 255)
        half = cv2.resize(ink, (ink.shape[1] // 2, ink.shape[0] // 2), interpolation=cv2.INTER_AREA)
        samples = zip(self._planes.samples(colour), self._planes.samples(lettering.colour), strict=True)
        luma, *chroma = (_shades(*pair) for pair in samples)
        self._planes.luma[top:bottom, left:right] = cv2.LUT(ink, luma)[odd_y:height, odd_x:width]
        for plane, shades in zip(self._planes.chroma, chroma, strict=True):
            y, x = top // 2, left // 2
            plane[y : y + half.shape[0], x : x + half.shape[1]] = cv2.LUT(half, shades)

    def tint(self, rectangle: Rectangle, opacity: NDArray[np.uint8], colour: Colour) -> None:
        """See Canvas."""
        left, top, right, bottom = rectangle
        luma, *chroma = self._planes.samples(colour)
        _mix(self._planes.luma[top:bottom, left:right], opacity, luma)
        halves = slice(top // 2, (bottom + 1) // 2), slice(left // 2, (right + 1) // 2)
        for plane, sample in zip(self._planes.chroma, chroma, strict=True):
            region = plane[halves]
            half = np.asarray(cv2.resize(opacity, region.shape[::-1], interpolation=cv2.INTER_AREA), np.uint8)
            _mix(region, half, sample)

    def line(self, points: NDArray[np.int32], colour: Colour, thickness: int) -> None:
        """See Canvas."""
        luma, *chroma = self._planes.samples(colour)
        cv2.polylines(self._planes.luma, [points], False, luma, thickness, cv2.LINE_AA)
        for plane, sample in zip(self._planes.chroma, chroma, strict=True):
            cv2.polylines(plane, [points // 2], False, sample, (thickness + 1) // 2, cv2.LINE_8)

    def hide(self, rectangle: Rectangle, *, smooth: bool) -> None:
        """See Canvas."""
        left, top, right, bottom = rectangle
        _hide(self._planes.luma[top:bottom, left:right], smooth)
        for plane in self._planes.chroma:
            _hide(plane[top // 2 : (bottom + 1) // 2, left // 2 : (right + 1) // 2], smooth)


def _mix(region: NDArray[np.uint8], opacity: NDArray[np.uint8], colour: Colour | int) -> None:
    """Mix a colour into pixels of one or three parts, by (height, width) opacity; a strip at a time."""
    for start in range(0, len(region), _STRIP):
        rows = slice(start, start + _STRIP)
        share = opacity[rows] if region.ndim == 2 else opacity[rows, :, None]
        if share.any():
            part = region[rows]
            part[:] = part + (np.array(colour) - part.astype(np.float32)) * (share / np.float32(255))


def _hide(region: NDArray[np.uint8], smooth: bool) -> None:
    """Leave as many cells as show that something is there, and not who."""
    height, width = region.shape[:2]
    if height == 0 or width == 0:
        return
    cell = max(height, width) / _CELLS
    cells = max(1, round(width / cell)), max(1, round(height / cell))
    coarse = cv2.resize(region, cells, interpolation=cv2.INTER_AREA)
    region[:] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST)


@lru_cache(maxsize=4096)
def _shades(ground: int, ink: int) -> NDArray[np.uint8]:
    """(256,) uint8: the sample for each fraction of ink."""
    return np.linspace(ground, ink, 256).round().astype(np.uint8)
