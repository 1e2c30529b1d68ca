"""AP50 by how fast objects move in the picture.

Speed is the mean IoU of an object's box with its own boxes within ±10 frames: above 0.9 slow, 0.7 to 0.9 medium, below
0.7 fast. Frames are the video's own, so the same object is faster in a video of fewer frames a second.

Source: Zhu et al. 2017 (Flow-Guided Feature Aggregation), section 5.
"""

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import paired_iou
from streamdet.evaluation.curve import Curve, curves
from streamdet.evaluation.outcomes import Objects, Outcomes

REACH_FRAMES = 10
SLOW_ABOVE = 0.9
FAST_BELOW = 0.7


def motion_curves(outcomes: Outcomes) -> dict[str, tuple[Curve, ...]]:
    """Curves at IoU 0.5, one a class, of the objects that are slow, medium and fast.

    An object of unknown speed is in none of them; false detections count in all three.
    """
    iou = self_iou(outcomes.objects)
    groups = {"slow": iou > SLOW_ABOVE, "medium": (iou >= FAST_BELOW) & (iou <= SLOW_ABOVE), "fast": iou < FAST_BELOW}
    return {name: curves(outcomes, objects=group) for name, group in groups.items()}


def self_iou(objects: Objects) -> NDArray[np.float64]:
    """Mean IoU of each object with itself within ±10 frames.

    An object that was linked by overlap and meets no box of its class in either neighbouring frame has moved out of
    its own box, so it gets 0.

    Returns:
        (O,) float64, 0 to 1; NaN where the object is in no other frame and nothing is known.
    """
    order = np.lexsort((objects.frames, objects.tracks))
    tracks, frames, boxes = objects.tracks[order], objects.frames[order], objects.boxes[order]
    total, count = np.zeros(len(order)), np.zeros(len(order))
    for step in range(1, min(REACH_FRAMES, len(order) - 1) + 1):
        near = (tracks[step:] == tracks[:-step]) & (frames[step:] - frames[:-step] <= REACH_FRAMES)
        earlier = np.flatnonzero(near)
        iou = paired_iou(boxes[earlier], boxes[earlier + step])
        for rows in (earlier, earlier + step):
            total[rows] += iou
            count[rows] += 1
    mean = np.full(len(order), np.nan)
    mean[order] = np.divide(total, count, out=np.full(len(order), np.nan), where=count > 0)
    mean[np.isnan(mean) & ~objects.named & objects.flanked] = 0.0
    return mean
