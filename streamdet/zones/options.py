"""What a user draws: areas, lines, and the ground that speeds are measured on."""

from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field, StringConstraints, ValidationInfo
from pydantic import field_validator as check

from streamdet.yaml_file import Section

_MAX_CORNERS = 100

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""Of the picture's width or height, 0 to 1: survives a change of resolution."""
Point = tuple[Share, Share]
Seconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _apart(points: tuple[Point, ...]) -> tuple[Point, ...]:
    if len(set(points)) < len(points):
        raise ValueError("expected points that differ from each other")
    return points


Polygon = Annotated[tuple[Point, ...], Field(min_length=3, max_length=_MAX_CORNERS), AfterValidator(_apart)]


class _Shape(Section):
    """What areas and lines have in common.

    Attributes:
        streams: names of the streams that it is for; None: all.
        classes: objects of these are counted; None: all.
    """

    streams: tuple[str, ...] | None = None
    classes: tuple[str, ...] | None = None

    def is_for(self, stream: str) -> bool:
        """Whether a stream has it."""
        return self.streams is None or stream in self.streams


class Area(_Shape):
    """A part of the picture.

    Attributes:
        polygon: its corners.
        dwell_s: an event when an object has been inside for so long; None: none.
        capacity: an event when more objects than this are inside; None: none.
    """

    polygon: Polygon
    dwell_s: Seconds | None = None
    capacity: int | None = Field(default=None, ge=0)


class Line(_Shape):
    """A line that objects cross.

    Attributes:
        points: its two ends. Who looks from the first to the second sees "in" as from left to right.
    """

    points: Annotated[tuple[Point, Point], AfterValidator(_apart)]


class Ground(Section):
    """Where four points of the picture lie on the ground.

    Attributes:
        image: the points in the picture.
        metres: the same points on the ground, in metres from anywhere.
        streams: names of the streams that it is for; None: all.
    """

    image: Annotated[tuple[Point, Point, Point, Point], AfterValidator(_apart)]
    metres: tuple[tuple[float, float], tuple[float, float], tuple[float, float], tuple[float, float]]
    streams: tuple[str, ...] | None = None

    @check("image", "metres")
    @classmethod
    def _no_three_on_a_line(cls, points: tuple[Point, ...], info: ValidationInfo) -> tuple[Point, ...]:
        p = np.array(points)
        for left_out in range(4):
            a, b, c = np.delete(p, left_out, axis=0)
            (ux, uy), (vx, vy) = b - a, c - a
            if abs(ux * vy - uy * vx) <= 1e-9 * max(float(np.ptp(p, axis=0).max()) ** 2, 1e-12):
                raise ValueError("expected four points of which no three are on one line")
        return points

    def is_for(self, stream: str) -> bool:
        """Whether a stream has it."""
        return self.streams is None or stream in self.streams


class ZoneOptions(Section):
    """All that is counted and measured.

    Attributes:
        areas, lines, grounds: by name; a name is that of one area or one line.
        anchor: the point of a box that counts: the middle of its lower edge, or its centre.
        hold_s: an object has to be on the other side for so long.
        margin: and so far beyond the edge, as a share of the picture's height: an object that trembles on a line
            counts once.
        gone_s: an object that is not seen for so long has left.
        heat_s: half of the heat map is forgotten after so long; None: no heat map.
    """

    areas: dict[Name, Area] = Field(default={})
    lines: dict[Name, Line] = Field(default={})
    grounds: dict[Name, Ground] = Field(default={})
    anchor: Literal["bottom", "centre"] = "bottom"
    hold_s: Seconds = 0.2
    margin: Annotated[float, Field(ge=0, le=0.5, allow_inf_nan=False)] = 0.01
    gone_s: Seconds = 2.0
    heat_s: Annotated[float, Field(gt=0, le=1e9, allow_inf_nan=False)] | None = None

    @check("lines")
    @classmethod
    def _one_name_each(cls, lines: dict[str, Line], info: ValidationInfo) -> dict[str, Line]:
        if both := set(lines) & set(info.data.get("areas", ())):
            raise ValueError(f"expected names that no area has, got {min(both)}")
        return lines

    @property
    def named_streams(self) -> list[tuple[str, str]]:
        """The name of an area, line or ground, and of a stream that it is for."""
        shapes: list[tuple[str, _Shape | Ground]] = [*self.areas.items(), *self.lines.items(), *self.grounds.items()]
        return [(name, stream) for name, shape in shapes for stream in shape.streams or ()]

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of all areas and lines."""
        shapes: list[_Shape] = [*self.areas.values(), *self.lines.values()]
        return tuple(dict.fromkeys(name for shape in shapes for name in shape.classes or ()))
