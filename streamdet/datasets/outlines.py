"""The upright box around an outline, a turned box, points or a mask."""

import math
from collections.abc import Sequence

from streamdet.datasets.marks import XYXY


def box_around(points: Sequence[Sequence[float]]) -> XYXY:
    """Around at least one point (x, y)."""
    xs, ys = [point[0] for point in points], [point[1] for point in points]
    return min(xs), min(ys), max(xs), max(ys)


def box_around_flat(coordinates: Sequence[float]) -> XYXY:
    """Around x1 y1 x2 y2 ..."""
    xs, ys = coordinates[::2], coordinates[1::2]
    return min(xs), min(ys), max(xs), max(ys)


def box_around_turned(box: XYXY, degrees: float, pivot: tuple[float, float] | None = None) -> XYXY:
    """Around a box that is turned clockwise about a point, its centre where none is given."""
    x1, y1, x2, y2 = box
    x, y = pivot or ((x1 + x2) / 2, (y1 + y2) / 2)
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = [(a - x, b - y) for a in (x1, x2) for b in (y1, y2)]
    return box_around([(x + a * cos - b * sin, y + a * sin + b * cos) for a, b in corners])


def box_around_ellipse(x: float, y: float, radius_x: float, radius_y: float, degrees: float = 0.0) -> XYXY:
    """Around an ellipse that is turned about its centre."""
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    half_width, half_height = math.hypot(radius_x * cos, radius_y * sin), math.hypot(radius_x * sin, radius_y * cos)
    return x - half_width, y - half_height, x + half_width, y + half_height


def box_around_runs(counts: Sequence[int], height: int) -> XYXY | None:
    """Around a mask given by the lengths of its runs of 0 and 1, by columns; None where it is empty."""
    low_x, low_y, high_x, high_y = math.inf, math.inf, 0, 0
    position = 0
    for index, count in enumerate(counts):
        if index % 2 and count > 0:
            (x1, y1), (x2, y2) = divmod(position, height), divmod(position + count - 1, height)
            low_x, high_x = min(low_x, x1), max(high_x, x2 + 1)
            # A run over the end of a column holds its last row, and the first row of the next.
            low_y, high_y = min(low_y, y1 if x1 == x2 else 0), max(high_y, y2 + 1 if x1 == x2 else height)
        position += count
    return (low_x, low_y, high_x, high_y) if high_x else None
