"""Overlaps of boxes, in NumPy: IoU, and the share of a box that regions cover."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def box_areas(boxes: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 4) xyxy to (N,) square pixels."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0.0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float64)


def box_intersection(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 4) and (G, 4) xyxy to the (N, G) square pixels that each pair shares."""
    corners_low = np.maximum(a[:, None, :2], b[None, :, :2])
    corners_high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    sides = np.maximum(corners_high - corners_low, 0.0)
    return np.asarray(sides[..., 0] * sides[..., 1], np.float64)


def box_iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Intersection over union of every pair of boxes.

    Args:
        a: (N, 4) xyxy, pixels.
        b: (G, 4) xyxy, pixels.

    Returns:
        (N, G) float64, 0 to 1; 0 where both boxes are empty.
    """
    intersection = box_intersection(a, b)
    union = box_areas(a)[:, None] + box_areas(b)[None, :] - intersection
    return np.asarray(intersection / np.maximum(union, 1e-12), np.float64)


def covered_share(boxes: NDArray[Any], regions: NDArray[Any]) -> NDArray[np.float64]:
    """Share of each box's area that lies inside the union of the regions.

    Exact also where regions overlap: their edges cut the plane into cells that are covered wholly or not at all.

    Args:
        boxes: (N, 4) xyxy, pixels.
        regions: (M, 4) xyxy, pixels.

    Returns:
        (N,) float64, 0 to 1; 0 for an empty box.
    """
    if len(boxes) == 0 or len(regions) == 0:
        return np.zeros(len(boxes))
    x_edges, y_edges = np.unique(regions[:, [0, 2]]), np.unique(regions[:, [1, 3]])
    inside_x = (regions[:, :1] <= x_edges[:-1]) & (regions[:, 2:3] >= x_edges[1:])
    inside_y = (regions[:, 1:2] <= y_edges[:-1]) & (regions[:, 3:] >= y_edges[1:])
    cells = np.any(inside_x[:, :, None] & inside_y[:, None, :], axis=0)
    overlap_x = _interval_overlap(boxes[:, 0], boxes[:, 2], x_edges)
    overlap_y = _interval_overlap(boxes[:, 1], boxes[:, 3], y_edges)
    covered = np.einsum("nx,ny,xy->n", overlap_x, overlap_y, cells.astype(np.float64))
    return np.asarray(covered / np.maximum(box_areas(boxes), 1e-12), np.float64)


def _interval_overlap(low: NDArray[Any], high: NDArray[Any], edges: NDArray[Any]) -> NDArray[np.float64]:
    """(N,), (N,) and K + 1 ascending edges to the (N, K) lengths that [low, high] shares with each interval."""
    length = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    return np.asarray(np.maximum(length, 0.0), np.float64)


def paired_iou(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """(N, 4) and (N, 4) xyxy to the (N,) IoU of each row with its partner."""
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0.0)
    intersection = sides[:, 0] * sides[:, 1]
    return np.asarray(intersection / np.maximum(box_areas(a) + box_areas(b) - intersection, 1e-12), np.float64)
