"""Areas and lines with their counts, and the heat map."""

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.drawing.canvas import Canvas, Colour
from streamdet.drawing.labels import write_label
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import auto_line_width
from streamdet.result import ZonePlace, ZoneReport

_AREA: Colour = (255, 200, 60)
_LINE: Colour = (70, 220, 255)
_HEAT: Colour = (255, 60, 0)
_FILLED = 40  # opacity of an area that somebody is in, of 255
_HOTTEST = 170


class ZoneAnnotator:
    """Draws the outline of every area, the line and the direction "in" of every line, and their counts.

    Uses zones, line_width and font_scale of the options.
    """

    def __init__(self, options: AnnotateOptions) -> None:
        self._options = options

    def draw(self, canvas: Canvas, zones: ZoneReport) -> None:
        """Draw on a picture."""
        if not self._options.zones:
            return
        if zones.heat is not None and zones.heat.max() > 0:
            self._draw_heat(canvas, zones.heat)
        for place in zones.places:
            points = np.array(place.points) * (canvas.width - 1, canvas.height - 1)
            if place.is_line:
                self._draw_line(canvas, place, points.round().astype(np.int32))
            else:
                self._draw_area(canvas, place, points.round().astype(np.int32))

    def _draw_heat(self, canvas: Canvas, heat: NDArray[np.float32]) -> None:
        share = np.sqrt(heat / heat.max())  # so that what is rarely walked on shows, too
        opacity = cv2.resize(share * _HOTTEST, (canvas.width, canvas.height), interpolation=cv2.INTER_LINEAR)
        canvas.tint((0, 0, canvas.width, canvas.height), opacity.astype(np.uint8), _HEAT)

    def _draw_area(self, canvas: Canvas, place: ZonePlace, corners: NDArray[np.int32]) -> None:
        if place.counts["inside"]:
            left, top = corners.min(axis=0).tolist()
            right, bottom = (corners.max(axis=0) + 1).tolist()
            opacity = np.zeros((bottom - top, right - left), np.uint8)
            cv2.fillPoly(opacity, [corners - (left, top)], _FILLED)
            canvas.tint((left, top, right, bottom), opacity, _AREA)
        canvas.line(np.concatenate([corners, corners[:1]]), _AREA, self._thickness(canvas))
        highest = corners[corners[:, 1].argmin()]
        write_label(
            canvas, f"{place.name}: {place.counts['inside']}", highest.tolist(), _AREA, self._options.font_scale
        )

    def _draw_line(self, canvas: Canvas, place: ZonePlace, ends: NDArray[np.int32]) -> None:
        thickness = self._thickness(canvas)
        canvas.line(ends, _LINE, thickness)
        along = (ends[1] - ends[0]).astype(float)
        along /= max(float(np.hypot(*along)), 1.0)
        to_the_right = np.array([-along[1], along[0]])
        length = 6.0 * thickness + 6
        middle = ends.mean(axis=0)
        tip = middle + length * to_the_right
        barbs = [tip - 0.45 * length * (to_the_right + side * along) for side in (1, -1)]
        arrow = np.array([middle, tip, barbs[0], tip, barbs[1]]).round().astype(np.int32)
        canvas.line(arrow, _LINE, thickness)
        counts = place.counts
        text = f"{place.name}: {counts['in']} in, {counts['out']} out"
        write_label(canvas, text, ends[0].tolist(), _LINE, self._options.font_scale)

    def _thickness(self, canvas: Canvas) -> int:
        width = self._options.line_width
        return auto_line_width(canvas.height, canvas.width) if width == "auto" else int(width)
