"""Where points lie: in polygons, beside lines, and on the ground."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_TINY = 1e-9


def polygon_distances(points: Floats, polygon: Floats) -> Floats:
    """How deep points are inside a polygon.

    Args:
        points: (N, 2), x and y.
        polygon: (C, 2), its corners; it may cross itself, then what is enclosed twice is outside.

    Returns:
        (N,) distance to its edge in the unit of the points, negative outside.
    """
    start, end = polygon, np.roll(polygon, -1, axis=0)
    edge = end - start
    offset = points[:, None] - start
    length2 = np.maximum((edge**2).sum(axis=1), _TINY)
    along = np.clip((offset * edge).sum(axis=2) / length2, 0.0, 1.0)
    distances = np.linalg.norm(offset - along[..., None] * edge, axis=2).min(axis=1, initial=np.inf)
    x, y = points[:, 0, None], points[:, 1, None]
    straddles = (start[:, 1] > y) != (end[:, 1] > y)
    rise = np.where(edge[:, 1] == 0, 1.0, edge[:, 1])
    crossings = straddles & (x < start[:, 0] + (y - start[:, 1]) / rise * edge[:, 0])
    inside = crossings.sum(axis=1) % 2 == 1
    return np.asarray(np.where(inside, distances, -distances), np.float64)


def line_places(points: Floats, line: Floats) -> tuple[Floats, Floats]:
    """Where points are beside a line.

    Args:
        points: (N, 2), x and y, y downwards.
        line: (2, 2), its ends.

    Returns:
        (N,) distance to the line, which has no end here, in the unit of the points, positive to the right of who looks
        from the first end to the second; (N,) place along it, 0 at the first end and 1 at the second.
    """
    start, end = line
    direction = end - start
    length = float(np.linalg.norm(direction))
    offset = points - start
    beside = (direction[0] * offset[:, 1] - direction[1] * offset[:, 0]) / length
    return beside, offset @ direction / length**2


def homography(image: Floats, ground: Floats) -> Floats:
    """The perspective map that takes four points to four others.

    Args:
        image, ground: (4, 2) each, no three of them on one line.

    Returns:
        (3, 3), positive in its third row at the first point.

    Source: Hartley and Zisserman, Multiple View Geometry, 4.1: the direct linear transformation.
    """
    rows = []
    for (x, y), (u, v) in zip(image, ground, strict=True):
        rows.append([x, y, 1, 0, 0, 0, -u * x, -u * y, -u])
        rows.append([0, 0, 0, x, y, 1, -v * x, -v * y, -v])
    matrix = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    return np.asarray(matrix * np.sign(matrix[2] @ (*image[0], 1.0)), np.float64)


def project(points: Floats, matrix: Floats) -> Floats:
    """(N, 2) points through a (3, 3) perspective map; NaN for those at its horizon or beyond it."""
    mapped = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    scale = np.where(mapped[:, 2:] > _TINY, mapped[:, 2:], np.nan)
    return np.asarray(mapped[:, :2] / scale, np.float64)


def slope(times_s: Sequence[float], places: Sequence[Sequence[float]]) -> float:
    """Speed of a point: the length of the least-squares slope of its places over time.

    Args:
        times_s: (K,) seconds, at least two that differ.
        places: (K, 2).
    """
    t = np.asarray(times_s) - np.mean(times_s)
    velocity = t @ np.asarray(places) / (t @ t)
    return float(np.linalg.norm(velocity))
