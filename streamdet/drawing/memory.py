"""How much of each box is due to earlier frames."""

import numpy as np

from streamdet.boxes import box_areas
from streamdet.detections import Detections
from streamdet.drawing.canvas import Canvas, Colour
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import outlines

PAST: Colour = (255, 140, 0)
_NOW: Colour = (30, 30, 30)
_HELD = 70  # opacity of the tint of an object that was not found, of 255


class MemoryAnnotator:
    """Draws a bar inside the left edge of each box, filled from below as far as the box is due to the past, and tints
    what was not found but is held. Uses memory and line_width of the options.
    """

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """See Annotator."""
        if not self._options.memory or detections.support is None:
            return
        boxes, thicknesses = outlines(detections, canvas.height, canvas.width, self._options.line_width)
        held = np.zeros(len(boxes), bool) if detections.carried is None else detections.carried
        for n in (-box_areas(boxes)).argsort(kind="stable").tolist():
            left, top, right, bottom = boxes[n].tolist()
            edge = int(thicknesses[n])
            left, top, right, bottom = left + edge, top + edge, right - edge, bottom - edge
            if left >= right or top >= bottom:
                continue
            if held[n]:
                canvas.tint((left, top, right, bottom), np.full((bottom - top, right - left), _HELD, np.uint8), PAST)
            width = min(max(2 * edge, 3), right - left)
            filled = round((bottom - top) * float(detections.support[n]))
            canvas.fill((left, top, left + width, bottom), _NOW)
            if filled:
                canvas.fill((left, bottom - filled, left + width, bottom), PAST)
