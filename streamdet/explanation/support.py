"""How much of a box is due to earlier frames, by ablation: the same frame with the state emptied."""

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import box_iou
from streamdet.detections import Detections

_SAME_IOU = 0.45


def scores_at(boxes: NDArray[np.float32], found: Detections) -> NDArray[np.float64]:
    """(N,) the best score of the detections at each of N boxes, (N, 4) xyxy; 0 where there is none."""
    if not len(found) or not len(boxes):
        return np.zeros(len(boxes))
    there = box_iou(boxes, found.boxes) >= _SAME_IOU
    return np.asarray((there * found.scores.astype(np.float64)).max(axis=1))


def feature_support(boxes: NDArray[np.float32], seen: Detections, alone: Detections) -> NDArray[np.float64]:
    """How much of what the detector says at each box comes from its recurrent state.

    Args:
        boxes: (N, 4) float32, xyxy.
        seen: what it found with its state, weak boxes too.
        alone: what it found in the same frame with the state emptied.

    Returns:
        (N,) 0 to 1: the part of the score that is lost without the state; 0 where nothing was found either way.
    """
    with_state, without = scores_at(boxes, seen), scores_at(boxes, alone)
    return np.clip(1 - without / np.maximum(with_state, 1e-6), 0, 1) * (with_state > 0)


def joined(objects: NDArray[np.float64], features: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) due to either memory: the object memory builds on what the detector found with its own."""
    return 1 - (1 - objects) * (1 - features)
