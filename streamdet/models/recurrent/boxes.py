"""Boxes in torch: distances to boxes, and the selection of `models.selection` for a GPU.

Shapes: N images, F frames, P cells, K classes, Q distance bins, M boxes. Boxes are xyxy in pixels of the letterboxed
image.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from streamdet.models.options import DetectOptions
from streamdet.models.selection import (
    CANDIDATES_PER_DETECTION,
    ONE_OBJECT_IOU,
    class_groups,
    lowest_scores,
    select_boxes,
)

Selected = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]
_MOST_PAIRS = 1 << 24
"""Of boxes of all frames that are compared at once: each takes some 20 bytes."""
_ROUNDS = 4


def cell_centres(
    sizes: Sequence[tuple[int, int]], strides: Sequence[int], device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Where the cells of all levels lie.

    Args:
        sizes: (height, width) of each level's map, in cells.
        strides: pixels a cell of each level.
        device: where to make the result, so that none of it is uploaded; the CPU when None.

    Returns:
        centres (P, 2) float32, x y, pixels; and (P,) float32, the stride each belongs to.
    """
    centres, of_stride = [], []
    for (height, width), stride in zip(sizes, strides, strict=True):
        rows, columns = (torch.arange(length, device=device) for length in (height, width))
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        xy = torch.stack((x, y), dim=-1).reshape(-1, 2).float()
        centres.append((xy + 0.5) * stride)
        of_stride.append(torch.full((height * width,), float(stride), device=device))
    return torch.cat(centres), torch.cat(of_stride)


def expected_distances(distance_logits: Tensor, strides: Tensor) -> Tensor:
    """Mean of each side's distribution.

    Args:
        distance_logits: (..., P, 4, Q) float32.
        strides: (P,) float32, pixels.

    Returns:
        (..., P, 4) float32, left top right bottom, pixels, 0 to (Q - 1) strides.

    Source: Li et al. 2020 (Generalized Focal Loss), eq. 3.
    """
    bins = torch.arange(distance_logits.shape[-1], dtype=distance_logits.dtype, device=distance_logits.device)
    return (distance_logits.softmax(-1) * bins).sum(-1) * strides[:, None]


def decode_boxes(distances: Tensor, centres: Tensor) -> Tensor:
    """Turn distances to the four sides into boxes.

    Args:
        distances: (..., P, 4) float32, left top right bottom, pixels, >= 0.
        centres: (P, 2) float32, x y, pixels.

    Returns:
        (..., P, 4) float32, xyxy, pixels; not clipped.

    Raises:
        ValueError: if the last dimensions are not 4 and 2.

    Source: Tian et al. 2019 (FCOS), eq. 1.
    """
    if distances.shape[-1] != 4 or centres.shape[-1] != 2:
        raise ValueError(f"expected (..., 4) and (..., 2), got {tuple(distances.shape)}, {tuple(centres.shape)}")
    return torch.cat((centres - distances[..., :2], centres + distances[..., 2:]), dim=-1)


def select_boxes_together(
    boxes_FP4: Tensor, scores_FPK: Tensor, options: DetectOptions, classes: Sequence[str]
) -> list[Selected]:
    """What `selection.select_boxes` keeps of each of F frames, found for all of them where they are, and copied once.

    For a GPU, which frame by frame would mostly wait; its results are the same. Too many boxes for that are processed
    frame by frame on the CPU.

    Args:
        boxes_FP4: (F, P, 4) float32, xyxy, pixels.
        scores_FPK: (F, P, K) float32, 0 to 1.
        options, classes: as in select_boxes.

    Returns:
        of each frame boxes (M, 4) float32, scores (M,) float32 descending, class ids (M,) int64.
    """
    sure = scores_FPK >= torch.from_numpy(lowest_scores(options, classes)).to(scores_FPK.device)
    counts = sure.flatten(1).sum(1)
    most = int(counts.max()) if len(counts) else 0
    compared = min(most, CANDIDATES_PER_DETECTION * options.max_detections)
    if len(counts) * compared**2 > _MOST_PAIRS:
        frames = zip(boxes_FP4.cpu().numpy(), scores_FPK.cpu().numpy(), strict=True)
        return [select_boxes(boxes, scores, options, classes) for boxes, scores in frames]
    table = _table(boxes_FP4, scores_FPK, sure, counts, most)
    best_first = table[..., 4].argsort(dim=1, descending=True, stable=True)[:, :compared]
    table = table.gather(1, best_first[..., None].expand(-1, -1, 6))
    groups = torch.from_numpy(class_groups(options, classes)).to(table.device)
    keep = _suppress_together(table, groups, options.iou)
    keep &= keep.cumsum(1) <= options.max_detections
    frames_kept = table.masked_fill(~keep[..., None], -1.0).cpu().numpy()
    kept = (frame[frame[:, 4] >= 0] for frame in frames_kept)
    return [(rows[:, :4], rows[:, 4], rows[:, 5].astype(np.int64)) for rows in kept]


def _table(boxes_FP4: Tensor, scores_FPK: Tensor, sure: Tensor, counts: Tensor, most: int) -> Tensor:
    """The candidates of each frame, in the order of cells and classes, filled up with -1.

    Returns:
        (F, most, 6) float32: xyxy, score, class id.
    """
    frames, cells, class_ids = sure.nonzero(as_tuple=True)
    place = torch.arange(len(frames), device=frames.device) - (counts.cumsum(0) - counts)[frames]
    scores = scores_FPK[frames, cells, class_ids]
    rows = torch.cat((boxes_FP4[frames, cells], scores[:, None], class_ids[:, None]), dim=1)
    table = rows.new_full((len(counts), most, 6), -1.0)
    table[frames, place] = rows
    return table


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
