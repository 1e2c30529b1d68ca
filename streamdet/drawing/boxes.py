"""Boxes and their labels on a picture, readable at any size of it."""

import colorsys
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.detections import Detections
from streamdet.drawing.canvas import FONT, Canvas, Colour, Lettering, RgbCanvas
from streamdet.frames import Image

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]

_GOLDEN_RATIO = 0.618033988749895

# Where a label may stand, relative to its box: multiples of the box's (width, height) and of the label's that are
# added to the box's upper left corner; and what a place costs before it covers anything. So labels stay where the eye
# expects them, and do not jump about when another place becomes a little better.
_PLACES = (
    ((0, 0), (0, -1), 0.0),  # above
    ((0, 0), (0, 0), 0.05),  # inside
    ((0, 1), (0, 0), 0.15),  # below
    ((1, 0), (-1, -1), 0.2),  # above, flush right
    ((1, 1), (-1, 0), 0.25),  # below, flush right
    ((1, 0), (0, 0), 0.25),  # right
    ((0, 0), (-1, 0), 0.3),  # left
    ((0, 0), (0, -2), 0.35),  # above, one label higher
)
_OF_BOX = np.array([of_box for of_box, _, _ in _PLACES])
_OF_LABEL = np.array([of_label for _, of_label, _ in _PLACES])
_RELUCTANCE = np.array([cost for _, _, cost in _PLACES])
_OVERPRINTED = 3.0  # what covering a whole label costs; a whole object costs 1. A few pixels take a letter away


def draw(image: Image, detections: Detections) -> Image:
    """Draw boxes and labels such as `person 7 0.91` on a copy of the picture.

    A box has the colour of its identity, or of its class while it has none.

    Args:
        image: (H, W, 3) uint8 RGB.
        detections: boxes in pixels of the image.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    drawn = image.copy()
    draw_on(RgbCanvas(drawn), detections)
    return drawn


def draw_on(canvas: Canvas, detections: Detections) -> None:
    """Draw as `draw` does, on a picture that may be changed."""
    detections = detections.finite()
    if len(detections) == 0:
        return
    boxes, thicknesses = _outlines(detections, canvas.height, canvas.width)
    colours = [
        _colour(track if track >= 0 else class_id)
        for track, class_id in zip(detections.track_ids.tolist(), detections.class_ids.tolist(), strict=True)
    ]
    # The largest first, so that a small box in front of it is whole.
    for n in np.argsort(-(boxes[:, 2:] - boxes[:, :2]).prod(axis=1), kind="stable").tolist():
        _draw_outline(canvas, boxes[n].tolist(), int(thicknesses[n]), colours[n])
    _draw_labels(canvas, detections, boxes, colours)


def _outlines(detections: Detections, height: int, width: int) -> tuple[Ints, Ints]:
    """Lines around boxes, so that they cover little of what is in them; at the picture's edge they are inside.

    Returns:
        (N, 4) outer edges in whole pixels, xyxy, the last ones exclusive, inside the picture; (N,) thickness of the
        lines, less for small boxes.
    """
    limits = np.array([width, height])
    low = np.clip(np.floor(detections.boxes[:, :2]), 0, limits - 1)
    high = np.clip(np.ceil(detections.boxes[:, 2:]), low + 1, limits)
    thicknesses = np.clip((high - low).min(axis=1) // 6, 1, max(1, round(0.7 + min(height, width) / 400)))
    low, high = np.maximum(low - thicknesses[:, None], 0), np.minimum(high + thicknesses[:, None], limits)
    return np.concatenate([low, high], axis=1).astype(np.int64), thicknesses.astype(np.int64)


def _draw_outline(canvas: Canvas, box: list[int], thickness: int, colour: Colour) -> None:
    x1, y1, x2, y2 = box
    bars = (
        (x1, y1, x2, y1 + thickness),
        (x1, y2 - thickness, x2, y2),
        (x1, y1, x1 + thickness, y2),
        (x2 - thickness, y1, x2, y2),
    )
    # Their sides lie on whole pixels, so there is nothing to anti-alias; cv2's thick line would round the corners.
    for bar in bars:
        canvas.fill(bar, colour)


def _draw_labels(canvas: Canvas, detections: Detections, boxes: Ints, colours: list[Colour]) -> None:
    height, width = canvas.height, canvas.width
    scale = max(0.36, 0.18 + min(height, width) / 2200)
    weight = 1 if scale < 0.8 else round(scale * 1.6)
    padding = max(1, round(scale * 4))
    texts = [
        _text(*row)
        for row in zip(detections.class_names, detections.track_ids.tolist(), detections.scores.tolist(), strict=True)
    ]
    (_, ascent), descent = cv2.getTextSize("0", FONT, scale, weight)
    widths = [cv2.getTextSize(text, FONT, scale, weight)[0][0] for text in texts]
    sizes = np.array([[w + 2 * padding, ascent + descent + 2 * padding] for w in widths])
    labels = _place(boxes, sizes, width, height).tolist()
    # The surest last, on top.
    for n in np.argsort(detections.scores, kind="stable").tolist():
        left, top, right, bottom = labels[n]
        lettering = Lettering((padding, padding + ascent), _text_colour(colours[n]), scale, weight)
        canvas.label((left, top, right, bottom), colours[n], texts[n], lettering)


def _text(class_name: str, track: int, score: float) -> str:
    return f"{class_name} {track} {score:.2f}" if track >= 0 else f"{class_name} {score:.2f}"


def _place(boxes: Ints, sizes: Ints, width: int, height: int) -> Ints:
    """(N, 4) whole pixels, xyxy: a rectangle for each label, inside the picture.

    A label goes where it covers the least: of objects, each by its share, so that a small one stays visible; and of
    the labels of the boxes before it.
    """
    corner = boxes[:, None, :2] + _OF_BOX * (boxes[:, None, 2:] - boxes[:, None, :2]) + _OF_LABEL * sizes[:, None]
    corner = np.maximum(np.minimum(corner, np.array([width, height]) - sizes[:, None]), 0)
    candidates = np.concatenate([corner, corner + sizes[:, None]], axis=2).astype(np.float32)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    costs = _RELUCTANCE + (_shared(candidates[:, :, None], boxes[None, None].astype(np.float32)) / areas).sum(axis=2)
    label_areas = sizes.prod(axis=1)
    chosen = np.zeros((len(boxes), 4), np.float32)
    for n in range(len(boxes)):
        covered = _shared(candidates[n, :, None], chosen[None, :n]).sum(axis=1) / label_areas[n]
        chosen[n] = candidates[n, np.argmin(costs[n] + _OVERPRINTED * covered)]
    return chosen.astype(np.int64)


def _shared(a: Floats, b: Floats) -> Floats:
    """Pixels that rectangles have in common."""
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    area: Floats = np.maximum(width, 0) * np.maximum(height, 0)
    return area


@lru_cache(maxsize=4096)
def _colour(number: int) -> Colour:
    """Bright, the same for the same number in every run; numbers near each other are far apart in hue."""
    hue = number * _GOLDEN_RATIO % 1.0
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.85 if number % 2 else 0.65, 1.0)
    return round(255 * red), round(255 * green), round(255 * blue)


@lru_cache(maxsize=4096)
def _text_colour(background: Colour) -> Colour:
    """Black or white, whichever has more contrast.

    Source: WCAG 2.1, relative luminance; both contrasts are equal at 0.179.
    """
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in (v / 255 for v in background)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return (0, 0, 0) if luminance > 0.179 else (255, 255, 255)
