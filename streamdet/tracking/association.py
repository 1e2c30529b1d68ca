"""Which box continues which track: overlap and the best assignment."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def buffered_iou(tracks: Floats, boxes: Floats, margins: Floats) -> Floats:
    """Overlap of every track with every box, both grown by the track's margin.

    With no margin it is the plain IoU. A track whose place is uncertain - just begun, hidden for a while, a low
    frame rate - still meets a box that it would miss by a few pixels.

    Args:
        tracks: (N, 4) float64, xyxy, pixels.
        boxes: (M, 4) float64, xyxy, pixels.
        margins: (N, 2) float64, pixels that are added on both sides in x and in y.

    Returns:
        (N, M) float64, 0 to 1.

    Source: Yang et al. 2023 (C-BIoU), where the margin is a constant share of the box.
    """
    grow = 2 * margins[:, None, :]
    low = np.maximum(tracks[:, None, :2], boxes[None, :, :2])
    high = np.minimum(tracks[:, None, 2:], boxes[None, :, 2:])
    # Growing both boxes by m on every side grows their overlap by 2m, or closes a distance of 2m.
    shared = np.maximum(high - low + grow, 0.0).prod(axis=2)
    area_tracks = (tracks[:, None, 2:] - tracks[:, None, :2] + grow).prod(axis=2)
    area_boxes = (boxes[None, :, 2:] - boxes[None, :, :2] + grow).prod(axis=2)
    union = area_tracks + area_boxes - shared
    overlap: Floats = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def assign(similarity: Floats, at_least: float) -> tuple[Ints, Ints]:
    """Pairs of row and column with the greatest sum of similarity, as many as reach at_least.

    Source: Bewley et al. 2016 (SORT), section 3.3: assignment by the Hungarian method, then a least overlap.
    """
    # A pair below the threshold is worth nothing, so it never takes the place of one above it.
    rows, columns = linear_sum_assignment(np.where(similarity >= at_least, similarity, 0.0), maximize=True)
    good = similarity[rows, columns] >= at_least
    return rows[good], columns[good]
