"""Masks of objects, as a tint."""

import cv2
import numpy as np

from streamdet.boxes import box_areas
from streamdet.detections import Detections
from streamdet.drawing.canvas import Canvas
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import colours_of

_SURE = 128
_OPACITY = 110  # of 255


class MaskAnnotator:
    """Tints what belongs to each object, where the detector gives masks. Uses colour of the options."""

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """See Annotator."""
        if detections.masks is None:
            return
        limits = np.array([canvas.width, canvas.height])
        low = np.clip(detections.boxes[:, :2].round(), 0, limits - 1).astype(int)
        high = np.clip(detections.boxes[:, 2:].round(), low + 1, limits).astype(int)
        colours = colours_of(detections, self._options.colour)
        for n in (-box_areas(detections.boxes)).argsort(kind="stable").tolist():
            (left, top), (right, bottom) = low[n].tolist(), high[n].tolist()
            grid = cv2.resize(detections.masks[n], (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
            opacity = np.where(grid >= _SURE, _OPACITY, 0).astype(np.uint8)
            canvas.tint((left, top, right, bottom), opacity, colours[n])
