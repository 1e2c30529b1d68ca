"""Makes what must not be recognised unrecognisable."""

import numpy as np

from streamdet.detections import Detections
from streamdet.drawing.canvas import Canvas
from streamdet.drawing.options import AnnotateOptions


class HidingAnnotator:
    """Blurs or pixelates the boxes of some classes. Uses hide and hide_by of the options."""

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options

    def draw(self, canvas: Canvas, detections: Detections, time_s: float) -> None:
        """See Annotator."""
        names = [name for name in self._options.hide if name in detections.classes]
        if not names:
            return
        limits = np.array([canvas.width, canvas.height])
        boxes = detections.of_class(*names).boxes
        low = np.clip(np.floor(boxes[:, :2]), 0, limits - 1).astype(int)
        high = np.clip(np.ceil(boxes[:, 2:]), low + 1, limits).astype(int)
        for (left, top), (right, bottom) in zip(low.tolist(), high.tolist(), strict=True):
            canvas.hide((left, top, right, bottom), smooth=self._options.hide_by == "blur")
