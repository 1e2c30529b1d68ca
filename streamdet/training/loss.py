"""What training minimises.

Shapes: B lanes, T frames, P cells, K classes, Q distance bins, A assigned cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss

from streamdet.models.recurrent.boxes import decode_boxes, expected_distances
from streamdet.models.recurrent.detector import RawOutputs
from streamdet.training.assign import assign_aligned

_BOX_WEIGHT = 2.0
_DISTANCE_WEIGHT = 0.25


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is true in one frame, in pixels of the training image.

    Attributes:
        boxes: (M, 4) float32, xyxy.
        class_ids: (M,) int64, of the detector's classes.
        ignore: (I, 4) float32, xyxy; nothing inside counts.
        labelled: (K,) bool, classes that are marked here; all False where the frame has no labels.
    """

    boxes: Tensor
    class_ids: Tensor
    ignore: Tensor
    labelled: Tensor


def detection_loss(
    raw: RawOutputs, targets: Sequence[Sequence[Targets]], total_of: Callable[[Tensor], Tensor] = lambda own: own
) -> dict[str, Tensor]:
    """Quality focal loss of the scores, GIoU and distribution focal loss of the boxes.

    Args:
        raw: what the head said for (B, T) frames.
        targets: B lists of T.
        total_of: where this is a part of a larger batch: from the part's summed quality to the whole batch's, by
            which the loss is divided; the losses of the parts then add up to the batch's.

    Returns:
        `loss` and its weighted parts `score`, `box`, `distance`, scalars.

    Source: Li et al. 2020 (Generalized Focal Loss), eq. 2 and 6; Rezatofighi et al. 2019 (GIoU).
    """
    flat = [frame for lane in targets for frame in lane]
    score_logits = raw.score_logits.flatten(0, 1).float()
    distance_logits = raw.distance_logits.flatten(0, 1).float()
    boxes = decode_boxes(expected_distances(distance_logits, raw.strides), raw.centres)
    wanted, weight = torch.zeros_like(score_logits), torch.ones_like(score_logits)
    frames, cells, quality, true_boxes = [], [], [], []
    for number, target in enumerate(flat):
        weight[number] = target.labelled.to(weight.dtype)
        if len(target.ignore):
            weight[number][_inside(raw.centres, target.ignore)] = 0.0
        found = assign_aligned(
            score_logits[number].sigmoid().detach(),
            boxes[number].detach(),
            raw.centres,
            raw.strides,
            target.boxes,
            target.class_ids,
        )
        class_ids = target.class_ids[found.objects]
        wanted[number, found.cells, class_ids] = found.quality
        weight[number, found.cells, class_ids] = 1.0
        frames.append(torch.full_like(found.cells, number))
        cells.append(found.cells)
        quality.append(found.quality)
        true_boxes.append(target.boxes[found.objects])
    n, p, q = torch.cat(frames), torch.cat(cells), torch.cat(quality)
    total = total_of(q.sum()).clamp(min=1.0)
    score = (_quality_focal(score_logits, wanted) * weight).sum() / total
    true = torch.cat(true_boxes)
    box = _BOX_WEIGHT * (generalized_box_iou_loss(boxes[n, p], true) * q).sum() / total
    spread = _distribution_focal(distance_logits[n, p], true, raw.centres[p], raw.strides[p])
    distance = _DISTANCE_WEIGHT * (spread * q).sum() / total
    return {"loss": score + box + distance, "score": score, "box": box, "distance": distance}


def _inside(centres: Tensor, areas: Tensor) -> Tensor:
    x, y = centres[:, None].unbind(-1)
    x1, y1, x2, y2 = areas.unbind(-1)
    return ((x > x1) & (x < x2) & (y > y1) & (y < y2)).any(dim=1)


def _quality_focal(logits: Tensor, wanted: Tensor) -> Tensor:
    distance = (wanted - logits.sigmoid()).abs()
    return F.binary_cross_entropy_with_logits(logits, wanted, reduction="none") * distance**2


def _distribution_focal(distance_logits_A4Q: Tensor, true: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Mean over the sides of the cross entropy with the two bins beside the true distance: (A,)."""
    last = distance_logits_A4Q.shape[-1] - 1
    sides = torch.cat((centres - true[:, :2], true[:, 2:] - centres), dim=1) / strides[:, None]
    sides = sides.clamp(0, last - 0.01)
    lower = sides.floor().long()
    share = sides - lower
    log_p = distance_logits_A4Q.log_softmax(-1)
    at_lower = log_p.gather(-1, lower[..., None])[..., 0]
    at_upper = log_p.gather(-1, lower[..., None] + 1)[..., 0]
    return -(at_lower * (1 - share) + at_upper * share).mean(dim=1)
