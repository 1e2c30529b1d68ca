"""Boxes around detected objects."""

from streamdet.boxes import box_areas
from streamdet.detections import Detections
from streamdet.drawing.canvas import Canvas
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import colours_of, outlines


class BoxAnnotator:
    """Draws the outline of every box. Uses colour and line_width of the options."""

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """See Annotator."""
        boxes, thicknesses = outlines(detections, canvas.height, canvas.width, self._options.line_width)
        colours = colours_of(detections, self._options.colour)
        # The largest first, so that a small box in front of it is whole.
        for n in (-box_areas(boxes)).argsort(kind="stable").tolist():
            left, top, right, bottom = boxes[n].tolist()
            canvas.outline((left, top, right, bottom), colours[n], int(thicknesses[n]))
