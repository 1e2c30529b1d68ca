"""Which anchors are responsible for which object.

Shapes: P anchors of all levels, M objects.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchvision.ops import box_iou

CANDIDATES = 9
"""Cells of a level, those nearest to an object, whose anchors may train it."""
_MARGIN_PX = 0.01


@torch.no_grad()
def assign_anchors(anchors: Tensor, levels: Sequence[int], shapes: int, boxes: Tensor) -> Tensor:
    """Give each object the anchors that lie inside it and fit it clearly better than most of those near it.

    An anchor that two objects want goes to the one that it overlaps most.

    Args:
        anchors: (P, 4) float32, xyxy, pixels, level by level.
        levels: number of anchors of each level.
        shapes: anchors of a cell.
        boxes: (M, 4) float32, xyxy, pixels.

    Returns:
        (P,) int64, the object that each trains; -1 for none.

    Source: Zhang et al. 2020 (ATSS), algorithm 1.
    """
    owner = torch.full((len(anchors),), -1, dtype=torch.long, device=anchors.device)
    if len(boxes) == 0:
        return owner
    overlap_PM = box_iou(anchors, boxes)
    centres, middles = ((box[:, :2] + box[:, 2:]) / 2 for box in (anchors, boxes))
    near, start = [], 0
    for distance in torch.split(torch.cdist(centres, middles), list(levels)):
        nearest = distance.topk(min(CANDIDATES * shapes, len(distance)), dim=0, largest=False)
        near.append(nearest.indices + start)
        start += len(distance)
    chosen_QM = torch.cat(near)
    fit_QM = overlap_PM.gather(0, chosen_QM)
    at = centres[chosen_QM]
    inside_QM = torch.minimum(at - boxes[:, :2], boxes[:, 2:] - at).amin(dim=-1) > _MARGIN_PX
    good_QM = (fit_QM >= fit_QM.mean(dim=0) + fit_QM.std(dim=0)) & inside_QM
    fit_PM = torch.zeros_like(overlap_PM).scatter_(0, chosen_QM, torch.where(good_QM, fit_QM, 0.0))
    best, which = fit_PM.max(dim=1)
    return torch.where(best > 0, which, owner)
