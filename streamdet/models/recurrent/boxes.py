"""Boxes in torch: from deltas to boxes, and the selection of `models.selection` for a GPU.

Shapes: F frames, P anchors, K classes, M boxes. Boxes are xyxy in pixels of the letterboxed
image.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdet.models.options import DetectOptions
from streamdet.models.recurrent.layout import DELTA_SCALES, MAX_GROWTH
from streamdet.models.selection import (
    CANDIDATES_PER_DETECTION,
    ONE_OBJECT_IOU,
    Selected,
    class_groups,
    lowest_scores,
    select_boxes,
)

_MOST_PAIRS = 1 << 24
"""Of boxes of all frames that are compared at once: each takes some 20 bytes."""
_ROUNDS = 4


def decode_boxes(deltas: Tensor, anchors: Tensor) -> Tensor:
    """Boxes from what the head says against its anchors.

    Args:
        deltas: (..., P, 4) float32: x, y, width, height.
        anchors: (P, 4) float32, xyxy, pixels.

    Returns:
        (..., P, 4) float32, xyxy, pixels; not clipped.

    Source: Girshick et al. 2014 (R-CNN), appendix C, with the scales of layout.DELTA_SCALES.
    """
    dx, dy, dw, dh = (part * scale for part, scale in zip(deltas.unbind(-1), DELTA_SCALES, strict=True))
    x1, y1, x2, y2 = anchors.unbind(-1)
    width, height = x2 - x1, y2 - y1
    x, y = (x1 + x2) / 2 + dx * width, (y1 + y2) / 2 + dy * height
    half_width, half_height = (
        side * grown.clamp(-MAX_GROWTH, MAX_GROWTH).exp() / 2 for side, grown in ((width, dw), (height, dh))
    )
    return torch.stack((x - half_width, y - half_height, x + half_width, y + half_height), dim=-1)


def select_boxes_together(
    boxes_FP4: Tensor,
    scores_FPK: Tensor,
    options: DetectOptions,
    classes: Sequence[str],
    groups: NDArray[np.int64] | None = None,
) -> list[Selected]:
    """What `selection.select_boxes` keeps of each of F frames, found for all of them where they are, and copied once.

    For a GPU, which frame by frame would mostly wait; its results are the same. Too many boxes for that are processed
    frame by frame on the CPU.

    Args:
        boxes_FP4: (F, P, 4) float32, xyxy, pixels.
        scores_FPK: (F, P, K) float32, 0 to 1.
        options, classes, groups: as in select_boxes.
    """
    picked, class_ids = _by_group(scores_FPK, groups)
    sure = picked >= torch.from_numpy(lowest_scores(options, classes)).to(picked.device)[class_ids]
    counts = sure.flatten(1).sum(1)
    most = int(counts.max()) if len(counts) else 0
    compared = min(most, CANDIDATES_PER_DETECTION * options.max_detections)
    if len(counts) * compared**2 > _MOST_PAIRS:
        frames = zip(boxes_FP4.cpu().numpy(), scores_FPK.cpu().numpy(), strict=True)
        return [select_boxes(boxes, scores, options, classes, groups) for boxes, scores in frames]
    table, places = _table(boxes_FP4, picked, class_ids, sure, counts, most)
    best_first = table[..., 4].argsort(dim=1, descending=True, stable=True)[:, :compared]
    table, places = table.gather(1, best_first[..., None].expand(-1, -1, 6)), places.gather(1, best_first)
    exclusive = torch.from_numpy(class_groups(options, classes, groups)).to(table.device)
    keep = _suppress_together(table, exclusive, options.iou)
    keep &= keep.cumsum(1) <= options.max_detections
    frames_kept = zip(table.cpu().numpy(), places.cpu().numpy(), keep.cpu().numpy(), strict=True)
    kept = ((rows[stays], where[stays]) for rows, where, stays in frames_kept)
    return [Selected(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64), where) for rows, where in kept]


def _by_group(scores_FPK: Tensor, groups: NDArray[np.int64] | None) -> tuple[Tensor, Tensor]:
    """Of every place and group the sum of its classes' scores, and its best class: (F, P, G) float32 and int64."""
    K = scores_FPK.shape[-1]
    own = torch.arange(K) if groups is None else torch.from_numpy(np.unique(groups, return_inverse=True)[1])
    member_GK = (own == torch.arange(int(own.max()) + 1)[:, None]).to(scores_FPK.device)
    by_class = torch.where(member_GK, scores_FPK[..., None, :], -1.0)
    return by_class.clamp(min=0).sum(-1), by_class.argmax(-1)


def _table(
    boxes_FP4: Tensor, picked: Tensor, class_ids: Tensor, sure: Tensor, counts: Tensor, most: int
) -> tuple[Tensor, Tensor]:
    """The candidates of each frame, in the order of places and groups, filled up with -1.

    Returns:
        (F, most, 6) float32: xyxy, score, class id; and (F, most) int64, the place of each.
    """
    frames, places, columns = sure.nonzero(as_tuple=True)
    row = torch.arange(len(frames), device=frames.device) - (counts.cumsum(0) - counts)[frames]
    found = frames, places, columns
    rows = torch.cat((boxes_FP4[frames, places], picked[found][:, None], class_ids[found][:, None]), dim=1)
    table = rows.new_full((len(counts), most, 6), -1.0)
    table[frames, row] = rows
    of_row = places.new_zeros((len(counts), most))
    of_row[frames, row] = places
    return table, of_row


def _suppress_together(table: Tensor, groups: Tensor, iou: float) -> Tensor:
    """`selection.suppress` in every frame of a table, (F, M, 6), best first: which boxes stay, (F, M) bool.

    groups: (K,) int64, equal for classes that exclude each other.
    """
    x1, y1, x2, y2, scores, class_ids = table.unbind(-1)
    widths = torch.minimum(x2[:, :, None], x2[:, None]) - torch.maximum(x1[:, :, None], x1[:, None])
    heights = torch.minimum(y2[:, :, None], y2[:, None]) - torch.maximum(y1[:, :, None], y1[:, None])
    common = widths.clamp(min=0) * heights.clamp(min=0)
    areas = (x2 - x1) * (y2 - y1)
    union = areas[:, :, None] + areas[:, None] - common
    group_ids = groups[class_ids.long()]
    rivals = (common > iou * union) & (group_ids[:, :, None] == group_ids[:, None])
    stay = _greedy(rivals, scores >= 0)
    return _greedy(common > max(iou, ONE_OBJECT_IOU) * union, stay)


def _greedy(suppresses: Tensor, alive: Tensor) -> Tensor:
    """Who stays when, from the first to the last, each who stays suppresses later ones.

    That is the one set in which each stays whom none who stays suppresses. A round of asking all at once settles one
    more in each chain of those who suppress each other; asking whether anything changed makes the CPU wait.

    Args:
        suppresses: (F, M, M) bool, whether the first suppresses the second.
        alive: (F, M) bool, who takes part.
    """
    suppresses = suppresses.triu(1)
    stay = alive
    while True:
        for _ in range(_ROUNDS):
            before, stay = stay, alive & ~(suppresses & stay[:, :, None]).any(1)
        if torch.equal(before, stay):
            return stay
