"""Which cells are responsible for which object.

Shapes: P cells, M objects, K classes.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

CANDIDATES = 10
"""Cells an object trains, at most."""
_SCORE_POWER = 1.0
_IOU_POWER = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Assignment:
    """Result for one frame.

    Attributes:
        cells: (A,) int64, the cells that train an object.
        objects: (A,) int64, which object each trains.
        quality: (A,) float32, 0 to 1, the score each should have.
    """

    cells: Tensor
    objects: Tensor
    quality: Tensor


@torch.no_grad()
def assign_aligned(
    scores: Tensor, boxes: Tensor, centres: Tensor, strides: Tensor, object_boxes: Tensor, object_classes: Tensor
) -> Assignment:
    """Give each object the cells inside it whose score and box fit it best.

    Args:
        scores: (P, K) float32, 0 to 1.
        boxes: (P, 4) float32, xyxy, pixels, as predicted.
        centres: (P, 2) float32, pixels.
        strides: (P,) float32, pixels.
        object_boxes: (M, 4) float32, xyxy, pixels.
        object_classes: (M,) int64.

    Source: Feng et al. 2021 (TOOD), task alignment learning. An object smaller than a cell may use the cells
    around its centre, else it would train none.
    """
    none = torch.zeros(0, dtype=torch.long, device=boxes.device)
    if len(object_boxes) == 0:
        return Assignment(none, none, boxes.new_zeros(0))
    overlap_MP = box_iou(object_boxes, boxes)
    metric_MP = scores[:, object_classes].T ** _SCORE_POWER * overlap_MP**_IOU_POWER
    near_MP = _near(object_boxes, centres, strides)
    metric_MP = torch.where(near_MP, metric_MP + 1e-12, 0.0)
    best = metric_MP.topk(min(CANDIDATES, metric_MP.shape[1]), dim=1)
    chosen_MP = torch.zeros_like(near_MP).scatter_(1, best.indices, best.values > 0)
    # A cell that several objects want goes to the one its box overlaps most.
    claimed_MP = torch.where(chosen_MP, overlap_MP + 1e-9, -1.0)
    value, owner = claimed_MP.max(dim=0)
    cells = (value > 0).nonzero()[:, 0]
    objects = owner[cells]
    # The best cell of an object aims at the object's best IoU, the others at less in proportion.
    picked = metric_MP[objects, cells]
    most = torch.zeros(len(object_boxes), device=boxes.device).scatter_reduce(0, objects, picked, "amax")
    top_iou = torch.zeros_like(most).scatter_reduce(0, objects, overlap_MP[objects, cells], "amax")
    return Assignment(cells, objects, picked / most[objects] * top_iou[objects])


def _near(object_boxes: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    middle = (object_boxes[:, :2] + object_boxes[:, 2:]) / 2
    half = (object_boxes[:, 2:] - object_boxes[:, :2]) / 2
    reach = torch.maximum(half[:, None], strides[None, :, None].expand(len(half), -1, 2))
    inside_own = ((centres - middle[:, None]).abs() < half[:, None]).all(dim=-1)
    # Only the finest level takes an object that lies between cell centres.
    around = ((centres - middle[:, None]).abs() < reach).all(dim=-1) & (strides == strides.min())
    return inside_own | around
