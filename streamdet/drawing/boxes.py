"""Boxes around what was found."""

from streamdet.boxes import box_areas
from streamdet.detections import Detections
from streamdet.drawing.canvas import Canvas, Colour
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
            _outline(canvas, boxes[n].tolist(), int(thicknesses[n]), colours[n])


def _outline(canvas: Canvas, box: list[int], thickness: int, colour: Colour) -> None:
    x1, y1, x2, y2 = box
    bars = (
        (x1, y1, x2, min(y1 + thickness, y2)),
        (x1, max(y2 - thickness, y1), x2, y2),
        (x1, y1, min(x1 + thickness, x2), y2),
        (max(x2 - thickness, x1), y1, x2, y2),
    )
    # Their sides lie on whole pixels, so there is nothing to anti-alias; cv2's thick line would round the corners.
    for bar in bars:
        canvas.fill(bar, colour)
