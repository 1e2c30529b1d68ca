"""What is going on in a stream, and how sure that has been over the last seconds."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.drawing.canvas import Canvas, Colour
from streamdet.drawing.labels import font_of, write_label
from streamdet.drawing.options import AnnotateOptions
from streamdet.drawing.style import colour_of
from streamdet.result import ClipClass

_SHOWN_S, _COLUMNS = 10.0, 40
_GROUND: Colour = (24, 24, 24)
_DIM = 150  # opacity of what is behind the bars, of 255
_POINT = np.dtype([("time_s", np.float64), ("class_id", np.int64), ("probability", np.float64)])


class ClipClassAnnotator:
    """Draws a bar for each moment of the last ten seconds, high as the probability, and the class of now below."""

    def __init__(self, options: AnnotateOptions) -> None:
        self._font_scale = options.font_scale
        self._points: NDArray[np.void] = np.zeros(0, _POINT)

    def draw(self, canvas: Canvas, clip_class: ClipClass | None, time_s: float) -> None:
        """Draw on a picture; remembers this frame."""
        if clip_class is None:
            return
        now = np.array([(time_s, clip_class.class_id, clip_class.probability)], _POINT)
        points = np.concatenate([self._points, now])
        self._points = points[points["time_s"] > time_s - _SHOWN_S]
        height = round(3.5 * font_of(canvas, self._font_scale)[2]) + 12
        width = min(max(canvas.width // 3, _COLUMNS), canvas.width)
        top = min(height, canvas.height)
        canvas.tint((0, 0, width, top), np.full((top, width), _DIM, np.uint8), _GROUND)
        columns = ((self._points["time_s"] - time_s) / _SHOWN_S * _COLUMNS + _COLUMNS - 1).round().astype(int)
        for column, point in dict(zip(columns.tolist(), self._points.tolist(), strict=True)).items():
            bar = max(1, round(point[2] * top))
            left, right = width * column // _COLUMNS, width * (column + 1) // _COLUMNS
            if column >= 0:
                canvas.fill((left, top - bar, right, top), colour_of(point[1]))
        text = f"{clip_class.name} {clip_class.probability:.2f}"
        write_label(
            canvas,
            text,
            (0, canvas.height if top == canvas.height else 2 * top),
            colour_of(clip_class.class_id),
            self._font_scale,
        )

    def reset(self) -> None:
        """Forget earlier frames, as after a gap."""
        self._points = self._points[:0]

    def state_dict(self) -> dict[str, NDArray[Any]]:
        """What the next frame depends on, as copies."""
        return {f"clip_{name}": self._points[name].copy() for name in _POINT.names or ()}

    def load_state_dict(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue where state_dict was taken; what has no such entries was taken without a classifier."""
        self._points = np.zeros(len(state.get("clip_time_s", ())), _POINT)
        for name in _POINT.names or ():
            if len(self._points):
                self._points[name] = state[f"clip_{name}"]
