"""What the memory is asked for: the score, the box, its steadiness and the class."""

import torch
import torch.nn.functional as F
from torch import Tensor

from streamdet.training.object_memory.network import Refined
from streamdet.training.object_memory.sequences import RIGHT, WRONG

Lanes = dict[str, Tensor]
"""Columns of `sequences.Columns`, (B, T, ...)."""

_UNMATCHED_WEIGHT = 0.6
_HIT_IOU = 0.5
_EXACT_SHARE = 0.5  # of what a score says that is due to how exact the box is; the rest is due to the hit


def losses_of(refined: Refined, step: Lanes) -> dict[str, Tensor]:
    """Each loss, weighted, by its name.

    Args:
        refined: by the network.
        step: what it was given, and what is right.
    """
    on, off = step["state"] == RIGHT, step["state"] == WRONG
    overlap, giou = _overlaps(refined.boxes, step["truth"])
    named = refined.evidence.argmax(2) == step["truth_class"]
    good = (on & (named | (step["truth_class"] < 0))).float() * _worth(overlap.detach())
    used = (on | off).float() * torch.where(step["matched"], 1.0, _UNMATCHED_WEIGHT)
    score = F.binary_cross_entropy_with_logits(refined.logits, good, reduction="none") * used
    objects = on.sum().clamp(min=1)
    error = _error(refined.boxes, step["truth"])
    place = (F.smooth_l1_loss(error, torch.zeros_like(error), beta=0.1, reduction="none").sum(2) * on).sum() / objects
    pair = on[:, 1:] & on[:, :-1] & ~step["starts"][:, 1:]
    change = F.smooth_l1_loss(error[:, 1:], error[:, :-1], beta=0.05, reduction="none").sum(2)
    told = on & step["matched"] & (step["truth_class"] >= 0)
    entropy = F.cross_entropy(
        refined.evidence.flatten(0, 1), step["truth_class"].clamp(min=0).flatten(), reduction="none"
    )
    return {
        "score": score.sum() / used.sum().clamp(min=1),
        "giou": ((1 - giou) * on).sum() / objects,
        "place": place,
        "steady": 0.5 * (change * pair).sum() / pair.sum().clamp(min=1),
        "class": 0.2 * (entropy.view(told.shape) * told).sum() / told.sum().clamp(min=1),
    }


def _worth(overlap: Tensor) -> Tensor:
    """(...) 0 to 1, of IoU: a hit counts half, the rest grows with it, as average precision counts it."""
    hit = (overlap >= _HIT_IOU).float()
    exact = ((overlap - _HIT_IOU) / (1 - _HIT_IOU)).clamp(0, 1)
    return (1 - _EXACT_SHARE) * hit + _EXACT_SHARE * exact


def _error(boxes: Tensor, truth: Tensor) -> Tensor:
    """(..., 4) offset of the centre in sizes of the object, logarithm of the ratio of the sizes."""
    size = (truth[..., 2:] - truth[..., :2]).clamp(min=1)
    off = (boxes[..., :2] + boxes[..., 2:] - truth[..., :2] - truth[..., 2:]) / 2 / size
    return torch.cat([off, torch.log((boxes[..., 2:] - boxes[..., :2]).clamp(min=1) / size)], -1)


def _overlaps(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (Rezatofighi et al. 2019), row with row."""
    shared = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0).prod(-1)
    union = (a[..., 2:] - a[..., :2]).clamp(min=0).prod(-1) + (b[..., 2:] - b[..., :2]).clamp(min=0).prod(-1) - shared
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1).clamp(min=1e-6)
    iou = shared / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull
