"""Drawing in words: what would be drawn on a picture, as the texts of a subtitle track (Advanced SubStation Alpha).

Source: the format's tags as libass documents them: github.com/libass/libass/wiki/ASSv5-Override-Tags.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.drawing.canvas import Colour, Lettering, Rectangle

_HEADER = """[Script Info]
; Boxes, labels and tracks of streamdet
ScriptType: v4.00+
PlayResX: {width}
PlayResY: {height}
LayoutResX: {width}
LayoutResY: {height}
WrapStyle: 2
ScaledBorderAndShadow: yes
YCbCr Matrix: None

[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, \
StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Shape,Arial,20,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,0,0,7,0,0,0,1
Style: Label,Arial,20,&H00000000,&H00000000,&H00FFFFFF,&H00FFFFFF,0,0,0,0,100,100,0,0,3,1,0,7,0,0,0,1

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
_MASKS, _LINES, _BOXES, _LABELS = range(4)  # layers, from the ground up
_LEGIBLE = str.maketrans({"{": "(", "}": ")", "\\": "/", "\n": " ", "\r": " ", "\t": " "})


@dataclass(frozen=True, slots=True)
class Drawn:
    """One thing in a picture.

    Attributes:
        layer: higher ones are in front.
        style: of `header`.
        text: of the event.
    """

    layer: int
    style: str
    text: str


def header(width: int, height: int) -> str:
    """The head of a script for pictures of that size in pixels, up to its first event."""
    return _HEADER.format(width=width, height=height)


class ScriptCanvas:
    """A Canvas that notes what is drawn on it.

    Args:
        width, height: of the picture, pixels.

    Attributes:
        drawn: all of it.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.drawn: list[Drawn] = []

    def fill(self, rectangle: Rectangle, colour: Colour) -> None:
        """See Canvas."""
        self._shape(_BOXES, colour, [_corners(rectangle)])

    def outline(self, rectangle: Rectangle, colour: Colour, thickness: int) -> None:
        """See Canvas."""
        left, top, right, bottom = rectangle
        inner = left + thickness, top + thickness, right - thickness, bottom - thickness
        hollow = inner[0] < inner[2] and inner[1] < inner[3]
        # The inner one runs the other way round, which makes it a hole.
        self._shape(_BOXES, colour, [_corners(rectangle), *([_corners(inner)[::-1]] if hollow else [])])

    def label(self, rectangle: Rectangle, colour: Colour, text: str, lettering: Lettering) -> None:
        """See Canvas; the rectangle gets as wide as the player's font wants it."""
        left, top, _, bottom = rectangle
        padding = lettering.at[0]
        tags = (
            rf"\pos({left + padding},{top + padding})\fs{bottom - top - 2 * padding}\bord{padding}"
            rf"\1c{_colour(lettering.colour)}\3c{_colour(colour)}"
        )
        self.drawn.append(Drawn(_LABELS, "Label", f"{{{tags}}}{text.translate(_LEGIBLE)}"))

    def tint(self, rectangle: Rectangle, opacity: NDArray[np.uint8], colour: Colour) -> None:
        """See Canvas; in polygons of one opacity, four on each other where it has many values."""
        values = np.unique(opacity[opacity > 0])
        steps = values.tolist() if len(values) < 2 else [int(values[-1]) * step // 4 for step in range(1, 5)]
        for before, step in zip([0, *steps], steps, strict=False):
            # Those of holes run the other way round.
            mask = (opacity >= max(1, step)).astype(np.uint8)
            contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
            paths = [cv2.approxPolyDP(contour, 0.7, True)[:, 0] + rectangle[:2] for contour in contours]
            if paths := [path.tolist() for path in paths if len(path) > 2]:
                self._shape(_MASKS, colour, paths, 255 - (step - before))

    def line(self, points: NDArray[np.int32], colour: Colour, thickness: int) -> None:
        """See Canvas."""
        path = points[np.concatenate([[True], (np.diff(points, axis=0) != 0).any(axis=1)])].astype(np.float64)
        if len(path) < 2:
            return
        along = np.gradient(path, axis=0)
        aside = along[:, ::-1] * (-1, 1) / np.maximum(np.hypot(*along.T), 1e-6)[:, None] * (thickness / 2)
        ribbon = np.concatenate([path + aside, (path - aside)[::-1]])
        self._shape(_LINES, colour, [ribbon.round(1).tolist()])

    def hide(self, rectangle: Rectangle, *, smooth: bool) -> None:
        """Nothing can be hidden by what may be switched off.

        Raises:
            ValueError: always.
        """
        raise ValueError("a subtitle track hides nothing; pictures have to be changed for that")

    def _shape(self, layer: int, colour: Colour, paths: Iterable[Iterable[Iterable[float]]], alpha: int = 0) -> None:
        tags = rf"\pos(0,0)\1c{_colour(colour)}" + (rf"\1a&H{alpha:02X}&" if alpha else "")
        self.drawn.append(Drawn(layer, "Shape", f"{{{tags}\\p1}}" + " ".join(_path(path) for path in paths)))


def _corners(rectangle: Rectangle) -> list[tuple[int, int]]:
    left, top, right, bottom = rectangle
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def _path(points: Iterable[Iterable[float]]) -> str:
    first, *others = (" ".join(f"{value:g}" for value in point) for point in points)
    return f"m {first} l {' '.join(others)}"


def _colour(colour: Colour) -> str:
    red, green, blue = colour
    return f"&H{blue:02X}{green:02X}{red:02X}&"
