"""Boxes as they would be had the camera stood still."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def path(camera: Floats, first: int, stop: int) -> Floats:
    """How places of one frame move with the camera.

    Args:
        camera: (F, 2, 3) float64, affine maps from the frame before to each frame.
        first: the frame where the path starts.
        stop: the frame after its last.

    Returns:
        (stop - first, 3, 3) float64, maps from `first` to each frame; the first is the identity.
    """
    maps = np.tile(np.eye(3), (stop - first, 1, 1))
    steps = camera[first + 1 : stop]
    if np.array_equal(steps, maps[1:, :2]):
        return maps
    for index, step in enumerate(steps, start=1):
        maps[index, :2] = step[:, :2] @ maps[index - 1, :2]
        maps[index, :2, 2] += step[:, 2]
    return maps


def moved_boxes(boxes: Floats, maps: Floats) -> Floats:
    """(T, 4) boxes, each carried by its map of (T, 3, 3): the centre moves, the size scales."""
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    scale = np.sqrt(np.abs(np.linalg.det(maps[:, :2, :2])))[:, None]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2 * scale
    there = np.einsum("tij,tj->ti", maps[:, :2, :2], centres) + maps[:, :2, 2]
    return np.concatenate([there - half, there + half], axis=1)
