"""Geometry of boxes in NumPy: overlap, suppression, conversion, and how a frame is fitted into a model image.

Boxes are xyxy, pixels: left, top, right, bottom, the origin at the picture's upper left corner. N, G and M are numbers
of boxes. Any real dtype is accepted.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[Any]
Floats = NDArray[np.float64]

_EPSILON = 1e-12
_BLOCK = 256  # boxes that are compared with each other at once by `nms`


def box_areas(boxes: Boxes) -> Floats:
    """(N, 4) to (N,) square pixels; 0 for an inverted box."""
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 0)
    return np.asarray(sides[:, 0] * sides[:, 1], np.float64)


def box_intersection(a: Boxes, b: Boxes) -> Floats:
    """(N, 4) and (G, 4) to the (N, G) square pixels that each pair shares."""
    width = np.minimum(a[:, None, 2], b[None, :, 2]) - np.maximum(a[:, None, 0], b[None, :, 0])
    height = np.minimum(a[:, None, 3], b[None, :, 3]) - np.maximum(a[:, None, 1], b[None, :, 1])
    return np.asarray(np.maximum(width, 0) * np.maximum(height, 0), np.float64)


def box_iou(a: Boxes, b: Boxes) -> Floats:
    """Intersection over union of every pair of boxes.

    Args:
        a: (N, 4).
        b: (G, 4).

    Returns:
        (N, G) float64, 0 to 1; 0 where both boxes are empty.
    """
    intersection = box_intersection(a, b)
    union = box_areas(a)[:, None] + box_areas(b)[None, :] - intersection
    return np.asarray(intersection / np.maximum(union, _EPSILON), np.float64)


def paired_iou(a: Boxes, b: Boxes) -> Floats:
    """(N, 4) and (N, 4) to the (N,) IoU of each row with the same row of the other."""
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0.0)
    intersection = sides[:, 0] * sides[:, 1]
    return np.asarray(intersection / np.maximum(box_areas(a) + box_areas(b) - intersection, _EPSILON), np.float64)


def buffered_iou(a: Boxes, b: Boxes, margins: Floats) -> Floats:
    """IoU of every pair, both boxes grown by the margin of the first.

    A box whose place is uncertain still meets one that it would miss by a few pixels.

    Args:
        a: (N, 4).
        b: (G, 4).
        margins: (N, 2) float64, pixels added on both sides in x and in y; 0 gives the plain IoU.

    Returns:
        (N, G) float64, 0 to 1.

    Source: Yang et al. 2023 (C-BIoU), where the margin is a constant fraction of the box.
    """
    grow = 2 * margins[:, None, :]
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    # Growing both boxes by m on every side grows their overlap by 2m, or closes a distance of 2m.
    shared = np.maximum(high - low + grow, 0.0).prod(axis=2)
    area_a = (a[:, None, 2:] - a[:, None, :2] + grow).prod(axis=2)
    area_b = (b[None, :, 2:] - b[None, :, :2] + grow).prod(axis=2)
    union = area_a + area_b - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def covered_fraction(boxes: Boxes, regions: Boxes) -> Floats:
    """Fraction of each box's area that lies inside the union of the regions.

    Exact also where regions overlap: their edges cut the plane into cells that are covered wholly or not at all.

    Args:
        boxes: (N, 4).
        regions: (M, 4).

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
    return np.asarray(covered / np.maximum(box_areas(boxes), _EPSILON), np.float64)


def _interval_overlap(low: NDArray[Any], high: NDArray[Any], edges: NDArray[Any]) -> Floats:
    """(N,), (N,) and K + 1 ascending edges to the (N, K) lengths that [low, high] shares with each interval."""
    length = np.minimum(high[:, None], edges[1:]) - np.maximum(low[:, None], edges[:-1])
    return np.asarray(np.maximum(length, 0.0), np.float64)


def clip_boxes(boxes: Boxes, width: float, height: float) -> Boxes:
    """(N, 4) clipped to a picture of that size, in the dtype they have."""
    return np.clip(boxes, 0, np.array([width, height, width, height], boxes.dtype))


def xywh_from_xyxy(boxes: Boxes) -> Boxes:
    """(..., 4) left, top, right, bottom to left, top, width, height."""
    return np.concatenate([boxes[..., :2], boxes[..., 2:] - boxes[..., :2]], axis=-1)


def xyxy_from_xywh(boxes: Boxes) -> Boxes:
    """(..., 4) left, top, width, height to left, top, right, bottom."""
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def nms(boxes: Boxes, scores: NDArray[Any], iou: float, class_ids: NDArray[Any] | None = None) -> NDArray[np.int64]:
    """Non-maximum suppression: of boxes that overlap, the one with the highest score.

    Args:
        boxes: (N, 4).
        scores: (N,); of equal ones the first wins.
        iou: overlap above which the lower of two boxes goes.
        class_ids: (N,), where only boxes of one class suppress each other; all do when None.

    Returns:
        (M,) int64, the rows that stay, highest score first.
    """
    waiting = np.argsort(-scores, kind="stable")
    kept: list[NDArray[np.int64]] = []
    while len(waiting):
        block, waiting = waiting[:_BLOCK], waiting[_BLOCK:]
        block = block[_greedy(np.triu(_rivals(boxes, block, block, iou, class_ids), 1))]
        kept.append(block)
        if len(waiting):
            waiting = waiting[~_rivals(boxes, block, waiting, iou, class_ids).any(axis=0)]
    return np.concatenate(kept) if kept else np.zeros(0, np.int64)


def _rivals(
    boxes: Boxes, rows: NDArray[np.int64], columns: NDArray[np.int64], iou: float, class_ids: NDArray[Any] | None
) -> NDArray[np.bool_]:
    """Whether each pair overlaps too much to be two objects."""
    x1, y1, x2, y2 = boxes[columns].T
    left, top, right, bottom = (edge[:, None] for edge in boxes[rows].T)
    common = np.maximum(np.minimum(right, x2) - np.maximum(left, x1), 0)
    common *= np.maximum(np.minimum(bottom, y2) - np.maximum(top, y1), 0)
    union = (right - left) * (bottom - top) + (x2 - x1) * (y2 - y1) - common
    rivals: NDArray[np.bool_] = common > iou * union
    if class_ids is not None:
        rivals &= class_ids[rows][:, None] == class_ids[columns]
    return rivals


def _greedy(suppresses: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows stay when each that stays, from the first on, suppresses later ones; (N, N) above its diagonal."""
    stays = np.ones(len(suppresses), bool)
    for row in np.flatnonzero(suppresses.any(axis=1)).tolist():
        if stays[row]:
            stays &= ~suppresses[row]
    return stays


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How frames of one size become model images: scaled, then padded at the right and the bottom.

    Attributes:
        width, height: pixels of the frame.
        scaled_width, scaled_height: pixels of the frame inside the model image.
        model_width, model_height: pixels of the model image.
    """

    width: int
    height: int
    scaled_width: int
    scaled_height: int
    model_width: int
    model_height: int

    @classmethod
    def fit(
        cls,
        width: int,
        height: int,
        image_size: int | tuple[int, int],
        multiple: int = 32,
        pixel_aspect: Fraction = Fraction(1),
    ) -> "Letterbox":
        """Fit a frame.

        Args:
            width, height: pixels of the frame.
            image_size: the longer side in pixels, or (height, width) that the frame must fit into. Only as much is
                padded as `multiple` needs, so that 16:9 at 320 is 192 x 320, not 320 x 320.
            multiple: what both sides of the model image are multiples of: the detector's coarsest stride, pixels.
            pixel_aspect: width of a pixel of the frame over its height; those of the model image are square.
        """
        box_height, box_width = (image_size, image_size) if isinstance(image_size, int) else image_size
        shown_width = float(width * pixel_aspect)
        scale = min(box_width / shown_width, box_height / height)
        scaled_width, scaled_height = max(1, round(shown_width * scale)), max(1, round(height * scale))
        model_width, model_height = (-(-side // multiple) * multiple for side in (scaled_width, scaled_height))
        return cls(width, height, scaled_width, scaled_height, model_width, model_height)

    def restore(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Boxes of the model image as boxes of the frame, clipped to it: (N, 4) float32."""
        scale = np.array([self.width / self.scaled_width, self.height / self.scaled_height] * 2, np.float32)
        return np.asarray(clip_boxes(boxes * scale, self.width, self.height), np.float32)
