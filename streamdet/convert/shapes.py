"""Masks and keypoints of detections as labels have them, and back."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from streamdet.datasets.labels import Labels, Segmentation
from streamdet.detections import Detections
from streamdet.masks import GRID, grid_of_outlines, grid_of_rle
from streamdet.result import Result

_SEEN = 0.3
"""Score from which a keypoint counts as seen."""


def label_shapes(result: Result) -> list[dict[str, Any]]:
    """What COCO has of each detection beside its box: segmentation and area, keypoints and num_keypoints."""
    found = result.detections
    rows: list[dict[str, Any]] = [{} for _ in range(len(found))]
    if found.masks is not None:
        areas = [int(plane.sum()) for _, plane in found.planes(result.width, result.height)]
        for row, rle, area in zip(rows, found.rles(result.width, result.height), areas, strict=True):
            row.update(segmentation=rle, area=area)
    for row, points in zip(rows, visible_keypoints(found), strict=found.keypoints is not None):
        row.update(
            keypoints=[value for point in points for value in point], num_keypoints=sum(p[2] > 0 for p in points)
        )
    return rows


def label_outlines(result: Result) -> list[dict[str, Any]]:
    """The outline of each detection's mask, with few corners; of an empty one that of its box."""
    found = result.detections
    if found.masks is None:
        return [{} for _ in range(len(found))]
    return [
        {"outline": outline_of([cv2.approxPolyDP(part, 1.0, True)[:, 0] for part in parts], row.box)}
        for parts, row in zip(found.polygons(), found, strict=True)
    ]


def visible_keypoints(found: Detections) -> list[list[tuple[float, float, int]]]:
    """x, y and 2 of each object's keypoints that are seen, and zeros of the others; empty where there are none."""
    if found.keypoints is None:
        return []
    return [
        [(round(x, 2), round(y, 2), 2) if score >= _SEEN else (0.0, 0.0, 0) for x, y, score in points]
        for points in np.nan_to_num(found.keypoints).tolist()
    ]


def columns_of(labels: Labels) -> dict[str, Any]:
    """Masks and keypoints of labels as columns of detections, where every object has them."""
    columns: dict[str, Any] = {}
    shapes = labels.shapes
    if shapes and all(shape.segmentation is not None for shape in shapes):
        pairs = zip(shapes, labels.boxes, strict=True)
        columns["masks"] = [_grid(shape.segmentation, box) for shape, box in pairs if shape.segmentation is not None]
    counts = {0 if shape.keypoints is None else len(shape.keypoints) for shape in shapes}
    if len(counts) == 1 and 0 not in counts:
        points = np.array([shape.keypoints for shape in shapes], np.float32).reshape(len(shapes), -1, 3)
        points[..., 2] = points[..., 2] > 0
        columns["keypoints"] = points
    return columns


def _grid(segmentation: Segmentation, box: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    try:
        return grid_of_rle(segmentation, box) if isinstance(segmentation, dict) else grid_of_outlines(segmentation, box)
    except ValueError:  # runs of another picture
        return np.zeros((GRID, GRID), np.uint8)


def outline_of(polygons: Sequence[Any], box: Sequence[float]) -> list[tuple[float, float]]:
    """The outline of an object's largest part; of an empty mask that of its box."""
    x1, y1, x2, y2 = box
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]
    return max((polygon.tolist() for polygon in polygons), key=_area, default=corners)


def _area(polygon: Sequence[Sequence[float]]) -> float:
    x, y = np.array(polygon).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
