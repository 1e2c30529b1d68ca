"""Masks of objects, as a tint."""

import numpy as np

from streamdet.boxes import box_areas
from streamdet.detections import Detections
from streamdet.drawing.canvas import Canvas
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import colours_of
from streamdet.masks import pasted, pixels_of

_OPACITY = np.uint8(110)  # of 255


class MaskAnnotator:
    """Tints what belongs to each object, where the detector gives masks. Uses masks and colour of the options."""

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """See Annotator."""
        if detections.masks is None or not self._options.masks:
            return
        rectangles = pixels_of(detections.boxes, canvas.width, canvas.height).tolist()
        colours = colours_of(detections, self._options.colour)
        for n in (-box_areas(detections.boxes)).argsort(kind="stable").tolist():
            opacity = pasted(detections.masks[n], rectangles[n]).astype(np.uint8)
            canvas.tint(rectangles[n], np.multiply(opacity, _OPACITY, out=opacity), colours[n])
