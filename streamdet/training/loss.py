"""What training minimises.

Shapes: B lanes, T frames, P anchors, K classes, G groups of them, M names, N objects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import box_iou, generalized_box_iou_loss

from streamdet.models.recurrent.boxes import decode_boxes
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RawOutputs
from streamdet.models.recurrent.layout import ANCHOR_SIDES
from streamdet.training.assign import assign_anchors

_ALPHA, _GAMMA = 0.25, 2.0
_BOX_WEIGHT = 2.0
_IGNORED_COVER, _IGNORED_IOU = 0.5, 0.25
"""Anchors that lie in an ignore region by more than this, or overlap one more, are not trained."""


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """What is true in one frame, in pixels of the training image.

    Attributes:
        boxes: (N, 4) float32, xyxy.
        class_ids: (N,) int64, of the detector's classes.
        ignore: (I, 4) float32, xyxy; nothing inside counts.
        labelled: (K,) bool, classes that are marked here; all False where the frame has no labels.
    """

    boxes: Tensor
    class_ids: Tensor
    ignore: Tensor
    labelled: Tensor


def detection_loss(
    raw: RawOutputs,
    targets: Sequence[Sequence[Targets]],
    config: ModelConfig,
    total_of: Callable[[Tensor], Tensor] = lambda own: own,
) -> dict[str, Tensor]:
    """Focal loss of the groups, GIoU of the boxes, cross entropy of centredness and of names.

    Args:
        raw: what the head said for (B, T) frames.
        targets: B lists of T.
        config: of the detector.
        total_of: where this is a part of a larger batch: from the part's number of trained anchors to the whole
            batch's, by which the loss is divided; the losses of the parts then add up to the batch's.

    Returns:
        `loss` and its parts `score`, `box`, `centred`, `name`, scalars.

    Sources: Lin et al. 2017 (focal loss), eq. 5; Rezatofighi et al. 2019 (GIoU); Zhang et al. 2020 (ATSS).
    """
    flat = [frame for lane in targets for frame in lane]
    groups, names, centred, deltas = (x.flatten(0, 1).float() for x in (raw.groups, raw.names, raw.centred, raw.deltas))
    group_of_class = torch.from_numpy(config.group_of_class).to(groups.device)
    wanted, weight = torch.zeros_like(groups), torch.ones_like(groups)
    frames, anchors, boxes, class_ids = [], [], [], []
    for number, target in enumerate(flat):
        owner = assign_anchors(raw.anchors, raw.levels, len(ANCHOR_SIDES), target.boxes)
        trained = (owner >= 0).nonzero()[:, 0]
        objects = owner[trained]
        of_group = group_of_class[target.class_ids[objects]]
        weight[number] = _labelled_groups(target.labelled, group_of_class, groups.shape[-1])
        if len(target.ignore):
            weight[number][_ignored(raw.anchors, target.ignore)] = 0.0
        wanted[number, trained, of_group] = 1.0
        weight[number, trained, of_group] = 1.0
        frames.append(torch.full_like(trained, number))
        anchors.append(trained)
        boxes.append(target.boxes[objects])
        class_ids.append(target.class_ids[objects])
    n, p = torch.cat(frames), torch.cat(anchors)
    true, of_class = torch.cat(boxes), torch.cat(class_ids)
    total = total_of(torch.tensor(float(len(p)), device=groups.device)).clamp(min=1.0)
    centredness = _centredness(raw.anchors[p], true)
    found = decode_boxes(deltas[n, p], raw.anchors[p])
    losses = {
        "score": (_focal(groups, wanted) * weight).sum(),
        "box": _BOX_WEIGHT * (generalized_box_iou_loss(found, true) * centredness).sum(),
        "centred": F.binary_cross_entropy_with_logits(centred[n, p], centredness, reduction="sum"),
        "name": _name_loss(names[n, p], of_class, config),
    }
    losses = {name: loss / total for name, loss in losses.items()}
    return {"loss": torch.stack(list(losses.values())).sum()} | losses


def _labelled_groups(labelled: Tensor, group_of_class: Tensor, groups: int) -> Tensor:
    """(G,) float32: 1 for groups all of whose classes are labelled; of another one, nothing is known to be absent."""
    missing = torch.zeros(groups, device=labelled.device).index_add_(0, group_of_class, (~labelled).float())
    return (missing == 0).float()


def _ignored(anchors: Tensor, areas: Tensor) -> Tensor:
    """(P,) bool."""
    low = torch.maximum(anchors[:, None, :2], areas[:, :2])
    shared = (torch.minimum(anchors[:, None, 2:], areas[:, 2:]) - low).clamp(min=0).prod(dim=-1)
    sizes = (anchors[:, 2:] - anchors[:, :2]).prod(dim=-1)[:, None]
    hit: Tensor = (shared > _IGNORED_COVER * sizes) | (box_iou(anchors, areas) > _IGNORED_IOU)
    return hit.any(dim=1)


def _focal(logits: Tensor, wanted: Tensor) -> Tensor:
    p = logits.sigmoid()
    weight = torch.where(wanted > 0, _ALPHA * (1 - p) ** _GAMMA, (1 - _ALPHA) * p**_GAMMA)
    loss: Tensor = weight * F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    return loss


def _centredness(anchors: Tensor, boxes: Tensor) -> Tensor:
    """(A,) float32, 0 to 1: Tian et al. 2019 (FCOS), eq. 3."""
    centres = (anchors[:, :2] + anchors[:, 2:]) / 2
    low, high = (centres - boxes[:, :2]).clamp(min=1e-3), (boxes[:, 2:] - centres).clamp(min=1e-3)
    return (torch.minimum(low, high) / torch.maximum(low, high)).prod(dim=-1).sqrt()


def _name_loss(logits: Tensor, class_ids: Tensor, config: ModelConfig) -> Tensor:
    """Sum over anchors, in every group that has their class beside others; logits: (A, M), class_ids: (A,)."""
    loss, first = logits.sum() * 0, 0
    for members in config.members.values():
        if len(members) == 1:
            continue
        place = torch.tensor([members.index(name) if name in members else -1 for name in config.classes])
        wanted = place.to(class_ids.device)[class_ids]
        of_group = logits[:, first : first + len(members)]
        loss = loss + F.cross_entropy(of_group, wanted, ignore_index=-1, reduction="sum")
        first += len(members)
    return loss
