"""Colours and line widths."""

import colorsys
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.drawing.canvas import Colour

Ints = NDArray[np.int64]

_GOLDEN_RATIO = 0.618033988749895


def colours_of(detections: Detections, by: Literal["track", "class"]) -> list[Colour]:
    """The colour of each box: that of its track, or of its class while it has none or where classes are asked for."""
    numbers = detections.class_ids
    if by == "track":
        numbers = np.where(detections.track_ids >= 0, detections.track_ids, numbers)
    return [colour_of(number) for number in numbers.tolist()]


@lru_cache(maxsize=4096)
def colour_of(number: int) -> Colour:
    """Bright, the same for the same number in every run; numbers near each other are far apart in hue."""
    hue = number * _GOLDEN_RATIO % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85 if number % 2 else 0.65, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


@lru_cache(maxsize=4096)
def text_colour_on(background: Colour) -> Colour:
    """Black or white, whichever has more contrast.

    Source: WCAG 2.1, relative luminance; both contrasts are equal at 0.179.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in background)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)


def auto_line_width(height: int, width: int) -> int:
    """Pixels, for a picture of that size."""
    return max(1, round(0.7 + min(height, width) / 400))


def outlines(
    detections: Detections, height: int, width: int, line_width: Literal["auto"] | int = "auto"
) -> tuple[Ints, Ints]:
    """Lines around boxes, so that they cover little of what is in them; at the picture's edge they are inside.

    Returns:
        (N, 4) outer edges in whole pixels, xyxy, the last ones exclusive, inside the picture; (N,) thickness of the
        lines, less for small boxes where the width is auto.
    """
    limits = np.array([width, height])
    low = np.clip(np.floor(detections.boxes[:, :2]), 0, limits - 1)
    high = np.clip(np.ceil(detections.boxes[:, 2:]), low + 1, limits)
    if line_width == "auto":
        thicknesses = np.clip((high - low).min(axis=1) // 6, 1, auto_line_width(height, width))
    else:
        thicknesses = np.full(len(low), line_width)
    low, high = np.maximum(low - thicknesses[:, None], 0), np.minimum(high + thicknesses[:, None], limits)
    return np.concatenate([low, high], axis=1).astype(np.int64), thicknesses.astype(np.int64)
