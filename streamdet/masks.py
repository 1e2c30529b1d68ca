"""Masks of objects: grids over their boxes, and what is made of them when it is asked for.

A grid is (28, 28) uint8 over a box, 128 and more where the object is. Nothing here allocates a whole picture: planes
are as large as a box at most.

Shapes: N objects, h, w pixels of a rectangle. Rectangles are left, top, right, bottom in whole pixels, the last two
exclusive.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

GRID = 28
SURE = 128
Floats = NDArray[np.floating[Any]]
Grids = NDArray[np.uint8]
Plane = NDArray[np.bool_]
Rectangle = tuple[int, int, int, int]
Runs = NDArray[np.int64]
"""Lengths of runs of 0 and 1 in turn, by columns of a picture, the first of 0."""

_STEPS = (np.arange(GRID) + 0.5) / GRID


def pixels_of(boxes: Floats, width: int | None = None, height: int | None = None) -> NDArray[np.int64]:
    """(N, 4) rectangles that boxes fill, each of one pixel at least, inside a picture where its size is given."""
    limits = np.array([np.inf if side is None else side for side in (width, height)])
    low = np.clip(np.round(boxes[:, :2].astype(np.float64)), 0, limits - 1)
    high = np.clip(np.round(boxes[:, 2:].astype(np.float64)), low + 1, limits)
    return np.concatenate([low, high], axis=1).astype(np.int64)


def pasted(grid: Grids, rectangle: Rectangle) -> Plane:
    """(h, w) bool: which pixels of a rectangle are the object, from its (28, 28) grid over the same box."""
    left, top, right, bottom = rectangle
    plane = cv2.resize(grid, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    return np.asarray(plane >= SURE, np.bool_)


def grid_of(plane: Plane) -> Grids:
    """(28, 28) grid from the (h, w) bool pixels of a box."""
    shrinks = min(plane.shape) >= GRID
    values = plane.astype(np.uint8) * np.uint8(255)
    grid = cv2.resize(values, (GRID, GRID), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(grid, np.uint8)


def sampled(plane: Floats, box: Sequence[float]) -> Floats:
    """(28, 28): values of a plane at the centres of the cells of a grid over a box, xyxy in pixels of the plane."""
    x1, y1, x2, y2 = box
    rows = _between(plane, y1 + _STEPS * (y2 - y1) - 0.5)
    return _between(rows.T, x1 + _STEPS * (x2 - x1) - 0.5).T


def grid_of_rle(rle: Mapping[str, Any], box: Floats) -> Grids:
    """(28, 28) grid over a box, (4,) xyxy in pixels, of a mask that COCO's tools write.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    height, width = map(int, rle["size"])
    given = rle["counts"]
    counts = np.array(unpacked_runs(given) if isinstance(given, str) else given, np.int64)
    if (counts < 0).any() or counts.sum() != width * height or not counts.size:
        raise ValueError(f"the runs of a mask do not fill {width}x{height} pixels")
    return grid_of(plane_of(counts, height, tuple(pixels_of(box[None], width, height)[0].tolist())))


def grid_of_outlines(segmentation: Sequence[Sequence[float]], box: Floats) -> Grids:
    """(28, 28) grid over a box, (4,) xyxy in pixels, of outlines, each x1 y1 x2 y2 ... in pixels."""
    left, top, right, bottom = pixels_of(box[None])[0].tolist()
    plane = np.zeros((bottom - top, right - left), np.uint8)
    corner = np.array([left, top]) + 0.5
    parts = [np.rint(np.reshape(outline, (-1, 2)) - corner).astype(np.int32) for outline in segmentation]
    cv2.fillPoly(plane, parts, 1)
    return grid_of(plane > 0)


def over_other_boxes(grids: Grids, boxes: Floats, others: Floats) -> Grids:
    """(N, 28, 28): the same masks as grids over other boxes, such as those clipped to the picture."""
    moved = np.flatnonzero((boxes != others).any(axis=1))
    if not len(moved):
        return grids
    result = grids.copy()
    sides = np.maximum(boxes[moved, 2:] - boxes[moved, :2], 1e-6)
    corners = (others[moved].reshape(-1, 2, 2) - boxes[moved, None, :2]) / sides[:, None] * GRID
    for row, box in zip(moved.tolist(), corners.reshape(-1, 4).tolist(), strict=True):
        result[row] = np.rint(sampled(grids[row].astype(np.float32), box))
    return result


def outlines(plane: Plane, left: int, top: int) -> list[NDArray[np.float32]]:
    """Outer outlines of an object's parts, each (P, 2) float32 x and y in pixels of the picture; holes are filled.

    Args:
        plane: (h, w) bool, of a rectangle.
        left, top: its corner.
    """
    contours, _ = cv2.findContours(plane.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    corner = np.array([left, top], np.float32) + np.float32(0.5)
    return [contour[:, 0].astype(np.float32) + corner for contour in contours if len(contour) > 2]


def runs_of(plane: Plane, left: int, top: int, width: int, height: int) -> Runs:
    """Runs of a whole picture that is 0 outside a rectangle.

    Args:
        plane: (h, w) bool, of the rectangle.
        left, top: its corner.
        width, height: of the picture, pixels.
    """
    rows = plane.shape[0] + 1
    columns = np.zeros((plane.shape[1], rows), np.bool_)  # a row of 0 below, so that no run goes over a column's end
    columns[:, :-1] = plane.T
    changes = np.flatnonzero(np.diff(columns.ravel(), prepend=False))
    places = (changes // rows + left) * height + changes % rows + top
    starts, ends = places[::2], places[1::2]
    joined = starts[1:] == ends[:-1]  # a run that fills a column to its end continues in the next
    starts, ends = starts[np.append(True, ~joined)[: len(starts)]], ends[np.append(~joined, True)[: len(ends)]]
    bounds = np.stack([starts, ends], axis=1).ravel()
    last = width * height
    counts = np.diff(np.concatenate([[0], bounds, [last] if not len(bounds) or bounds[-1] < last else []]))
    return counts.astype(np.int64)


def plane_of(counts: Sequence[int] | Runs, picture_height: int, rectangle: Rectangle) -> Plane:
    """(h, w) bool: the part of a picture's runs that lies in a rectangle."""
    left, top, right, bottom = rectangle
    width, height = right - left, bottom - top
    columns, rows = np.divmod(np.cumsum(np.asarray(counts, np.int64)), picture_height)
    # How many pixels of the rectangle, column by column, come before the end of each run.
    part = np.where((columns >= left) & (columns < right), np.clip(rows - top, 0, height), 0)
    before = np.clip(columns - left, 0, width) * height + part
    lengths = np.diff(before, prepend=0, append=width * height)
    values = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
    values[before[-1] :] = False  # runs may end before the picture does
    return np.ascontiguousarray(values.reshape(width, height).T)


def packed_runs(counts: Runs) -> str:
    """COCO's text of runs: five bits a character, low ones first; from the third run on, differences.

    Source: the format as `maskApi` of the COCO API defines it.
    """
    values = counts.copy()
    values[3:] -= counts[1:-2]
    groups = np.arange(int(np.abs(values).max(initial=0)).bit_length() // 5 + 1)
    bits = (values[:, None] >> (5 * groups)) & 31
    rest = values[:, None] >> (5 * (groups + 1))
    goes_on = np.where(bits & 16, rest != -1, rest != 0)
    written = np.concatenate([np.ones((len(values), 1), bool), np.logical_and.accumulate(goes_on, axis=1)[:, :-1]], 1)
    return bytes((bits + 32 * goes_on + 48)[written].astype(np.uint8)).decode("ascii")


def unpacked_runs(text: str) -> list[int]:
    """Lengths of runs from COCO's text, see packed_runs."""
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts


def coco_rle(plane: Plane, left: int, top: int, width: int, height: int) -> dict[str, Any]:
    """A mask as COCO's tools read it: {"size": [height, width], "counts": text}; see runs_of."""
    return {"size": [height, width], "counts": packed_runs(runs_of(plane, left, top, width, height))}


def _between(values: Floats, places: NDArray[np.float64]) -> Floats:
    """Rows of values between which these places lie, linearly interpolated."""
    places = places.clip(0, len(values) - 1)
    first = np.floor(places).astype(np.int64)
    share = (places - first).astype(np.float32)[:, None]
    return values[first] * (1 - share) + values[np.minimum(first + 1, len(values) - 1)] * share
