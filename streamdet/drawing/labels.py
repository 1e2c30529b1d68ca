"""Labels such as `person 7 0.91` beside boxes, readable at any size of the picture."""

from collections.abc import Sequence
from functools import lru_cache
from math import isfinite
from typing import Literal

import cv2
import numpy as np

from streamdet.boxes import box_areas, box_intersection
from streamdet.columns import Detection
from streamdet.detections import Detections
from streamdet.drawing.canvas import FONT, Canvas, Colour, Lettering
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import Ints, colours_of, outlines, text_colour_on

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


class LabelAnnotator:
    """Writes what each box is, where it covers the least; nothing where the label would be larger than its box.

    Uses labels, colour, line_width and font_scale of the options.
    """

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """See Annotator."""
        if self._options.labels == "none" or len(detections) == 0:
            return
        scale, weight, padding = font_of(canvas, self._options.font_scale)
        texts = label_texts(detections, self._options.labels)
        ascent, descent = text_size("0", scale, weight)[1:]
        widths = [text_size(text, scale, weight)[0] if text else 0 for text in texts]
        sizes = np.array([[width + 2 * padding, ascent + descent + 2 * padding] for width in widths])
        boxes, _ = outlines(detections, canvas.height, canvas.width, self._options.line_width)
        shown = np.flatnonzero((np.array(widths) > 0) & (sizes.prod(axis=1) <= box_areas(boxes)))
        places = place_labels(boxes, shown, sizes[shown], canvas.width, canvas.height).tolist()
        colours = colours_of(detections, self._options.colour)
        # The surest last, on top.
        for n in detections.scores[shown].argsort(kind="stable").tolist():
            (left, top, right, bottom), row = places[n], shown[n]
            lettering = Lettering((padding, padding + ascent), text_colour_on(colours[row]), scale, weight)
            canvas.label((left, top, right, bottom), colours[row], texts[row], lettering)


def write_label(canvas: Canvas, text: str, at: Sequence[int], colour: Colour, font_scale: float) -> None:
    """Write a label with its lower left corner at a point; moved into the picture where it would leave it."""
    scale, weight, padding = font_of(canvas, font_scale)
    text = text.encode("ascii", "replace").decode()  # the font has no other letters
    width, ascent, descent = text_size(text, scale, weight)
    width, height = width + 2 * padding, ascent + descent + 2 * padding
    left = max(min(int(at[0]), canvas.width - width), 0)
    top = max(min(int(at[1]) - height, canvas.height - height), 0)
    lettering = Lettering((padding, padding + ascent), text_colour_on(colour), scale, weight)
    canvas.label((left, top, left + width, top + height), colour, text, lettering)


def font_of(canvas: Canvas, font_scale: float) -> tuple[float, int, int]:
    """Scale and weight of letters that suit a picture, and the space around them in pixels."""
    scale = font_scale * max(0.36, 0.18 + min(canvas.height, canvas.width) / 2200)
    return scale, 1 if scale < 0.8 else round(scale * 1.6), max(1, round(scale * 4))


def label_texts(detections: Detections, form: Literal["full", "id"]) -> list[str]:
    """What the labels say; with the speed of objects where it is known."""
    texts = [label_text(row, form) for row in detections]
    if detections.speeds_mps is None or form == "id":
        return texts
    speeds = detections.speeds_mps.tolist()
    return [f"{text} {3.6 * v:.0f} km/h" if isfinite(v) else text for text, v in zip(texts, speeds, strict=True)]


def label_text(row: Detection, form: Literal["full", "id"]) -> str:
    """What a label says; nothing for the id of a box that has none."""
    if form == "id":
        return str(row.track_id) if row.track_id >= 0 else ""
    track = f" {row.track_id}" if row.track_id >= 0 else ""
    return f"{row.class_name}{track} {row.score:.2f}"


def place_labels(boxes: Ints, rows: Ints, sizes: Ints, width: int, height: int) -> Ints:
    """Find a place inside the picture for each label.

    A label goes where it covers the least: of objects, each by its fraction, so that a small one stays visible; and of
    the labels of the boxes before it.

    Args:
        boxes: (N, 4), xyxy, whole pixels.
        rows: (L,), which of them have a label.
        sizes: (L, 2), width and height of the labels, pixels.
        width, height: of the picture, pixels.

    Returns:
        (L, 4), xyxy, whole pixels.
    """
    labelled = boxes[rows]
    corner = labelled[:, None, :2] + _OF_BOX * (labelled[:, None, 2:] - labelled[:, None, :2])
    corner = corner + _OF_LABEL * sizes[:, None]
    corner = np.maximum(np.minimum(corner, np.array([width, height]) - sizes[:, None]), 0)
    candidates = np.concatenate([corner, corner + sizes[:, None]], axis=2)
    covered = box_intersection(candidates.reshape(-1, 4), boxes) / box_areas(boxes)
    costs = _RELUCTANCE + covered.sum(axis=1).reshape(len(rows), len(_PLACES))
    label_areas = sizes.prod(axis=1)
    chosen: Ints = candidates[np.arange(len(rows)), costs.argmin(axis=1)]
    # Labels before the first that would cover another one are where they belong.
    clashes = np.triu(box_intersection(chosen, chosen) > 0, 1).any(axis=0)
    for n in range(int(clashes.argmax()) if clashes.any() else len(rows), len(rows)):
        overprinted = box_intersection(candidates[n], chosen[:n]).sum(axis=1) / label_areas[n]
        chosen[n] = candidates[n, np.argmin(costs[n] + _OVERPRINTED * overprinted)]
    return chosen


@lru_cache(maxsize=4096)
def text_size(text: str, scale: float, weight: int) -> tuple[int, int, int]:
    """Width, height over the base line, and depth below it, pixels."""
    (width, ascent), descent = cv2.getTextSize(text, FONT, scale, weight)
    return width, ascent, descent
