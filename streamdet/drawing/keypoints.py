"""Keypoints of objects, and the lines between them."""

import numpy as np

from streamdet.detections import Detections
from streamdet.drawing.canvas import Canvas, Colour
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import auto_line_width, colours_of
from streamdet.skeleton import skeleton_of

MIN_SCORE = 0.3
_DOT: Colour = (255, 255, 255)


class KeypointAnnotator:
    """Draws points that are sure enough, and the lines of their skeleton. Uses keypoints, colour and line_width."""

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """See Annotator."""
        if detections.keypoints is None or not self._options.keypoints:
            return
        width = self._options.line_width
        thickness = auto_line_width(canvas.height, canvas.width) if width == "auto" else width
        links = (detections.skeleton or skeleton_of(detections.keypoints.shape[1])).links
        limits = np.array([canvas.width, canvas.height])
        for points, colour in zip(detections.keypoints, colours_of(detections, self._options.colour), strict=True):
            sure = np.isfinite(points).all(axis=1) & (points[:, 2] >= MIN_SCORE)
            places = np.clip(np.where(sure[:, None], points[:, :2], 0), -limits, 2 * limits).round().astype(np.int32)
            for first, second in links:
                if sure[first] and sure[second]:
                    canvas.line(places[[first, second]], colour, thickness)
            for x, y in places[sure].tolist():
                _dot(canvas, x, y, thickness + 1)


def _dot(canvas: Canvas, x: int, y: int, radius: int) -> None:
    left, top = max(x - radius, 0), max(y - radius, 0)
    right, bottom = min(x + radius, canvas.width), min(y + radius, canvas.height)
    if left < right and top < bottom:
        canvas.fill((left, top, right, bottom), _DOT)
