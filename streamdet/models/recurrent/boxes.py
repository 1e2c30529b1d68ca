"""Boxes: cell centres, distances to boxes, overlap, suppression.

Shapes: N images, F frames, P cells, K classes, Q distance bins, M boxes. Boxes are xyxy in pixels of the letterboxed
image.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ONE_OBJECT_IOU = 0.85
"""Boxes of different classes that overlap more are one object that two classes fit: the better one is kept."""
_FEW = 256
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


def select_boxes(
    boxes: Tensor,
    scores: Tensor,
    *,
    conf: float,
    iou: float,
    max_detections: int,
    classes: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep what is sure enough, best first, and of overlapping boxes of a class only the best.

    What two classes see in the same place is one object as well, see ONE_OBJECT_IOU.

    Args:
        boxes: (P, 4) float32, xyxy, pixels.
        scores: (P, K) float32, 0 to 1.
        conf: lowest score kept.
        iou: overlap above which the lower of two boxes of a class goes.
        max_detections: most boxes kept.
        classes: (K,) bool, classes wanted; all when None.

    Returns:
        boxes (M, 4) float32, scores (M,) float32 descending, class ids (M,) int64.
    """
    wanted = _wanted(scores, conf, classes)
    cells, class_ids = wanted.nonzero(as_tuple=True)
    picked = scores[cells, class_ids]
    if len(picked) > 10 * max_detections:
        # Suppression is quadratic: a flood of boxes must not stall a stream.
        picked, order = picked.topk(10 * max_detections)
        cells, class_ids = cells[order], class_ids[order]
    keep = _suppress(boxes[cells], picked, class_ids, iou)[:max_detections]
    return boxes[cells[keep]], picked[keep], class_ids[keep]


def select_boxes_together(
    boxes_FP4: Tensor,
    scores_FPK: Tensor,
    *,
    conf: float,
    iou: float,
    max_detections: int,
    classes: Tensor | None = None,
) -> list[tuple[Tensor, Tensor, Tensor]]:
    """What `select_boxes` keeps of each of F frames, found for all of them at once where they are, and copied once.

    For a GPU, which frame by frame would mostly wait; its results are the same. Too many boxes for that are looked at
    frame by frame.

    Args:
        boxes_FP4: (F, P, 4) float32, xyxy, pixels.
        scores_FPK: (F, P, K) float32, 0 to 1.
        conf, iou, max_detections, classes: as in select_boxes.

    Returns:
        of each frame, on the CPU, boxes (M, 4) float32, scores (M,) float32 descending, class ids (M,) int64.
    """
    wanted = _wanted(scores_FPK, conf, classes)
    counts = wanted.flatten(1).sum(1)
    most = int(counts.max()) if len(counts) else 0
    compared = min(most, 10 * max_detections)
    if len(counts) * compared**2 > _MOST_PAIRS:
        select = partial(select_boxes, conf=conf, iou=iou, max_detections=max_detections, classes=classes)
        each = (select(*frame) for frame in zip(boxes_FP4, scores_FPK, strict=True))
        return [(boxes.cpu(), scores.cpu(), class_ids.cpu()) for boxes, scores, class_ids in each]
    table = _table(boxes_FP4, scores_FPK, wanted, counts, most)
    best_first = table[..., 4].argsort(dim=1, descending=True, stable=True)[:, :compared]
    table = table.gather(1, best_first[..., None].expand(-1, -1, 6))
    keep = _suppress_together(table, iou)
    keep &= keep.cumsum(1) <= max_detections
    frames = table.masked_fill(~keep[..., None], -1.0).cpu()
    kept = (frame[frame[:, 4] >= 0] for frame in frames)
    return [(rows[:, :4], rows[:, 4], rows[:, 5].long()) for rows in kept]


def _wanted(scores: Tensor, conf: float, classes: Tensor | None) -> Tensor:
    """Which scores, (..., K), are high enough and of a wanted class."""
    wanted = scores >= conf
    return wanted if classes is None else wanted & classes.to(wanted.device)


def _table(boxes_FP4: Tensor, scores_FPK: Tensor, wanted: Tensor, counts: Tensor, most: int) -> Tensor:
    """What is wanted of each frame, in the order of cells and classes, filled up with -1.

    Returns:
        (F, most, 6) float32: xyxy, score, class id.
    """
    frames, cells, class_ids = wanted.nonzero(as_tuple=True)
    place = torch.arange(len(frames), device=frames.device) - (counts.cumsum(0) - counts)[frames]
    scores = scores_FPK[frames, cells, class_ids]
    rows = torch.cat((boxes_FP4[frames, cells], scores[:, None], class_ids[:, None]), dim=1)
    table = rows.new_full((len(counts), most, 6), -1.0)
    table[frames, place] = rows
    return table


def _suppress_together(table: Tensor, iou: float) -> Tensor:
    """`_suppress_few` of every frame of a table, (F, M, 6), best first: which boxes stay, (F, M) bool."""
    x1, y1, x2, y2, scores, class_ids = table.unbind(-1)
    widths = torch.minimum(x2[:, :, None], x2[:, None]) - torch.maximum(x1[:, :, None], x1[:, None])
    heights = torch.minimum(y2[:, :, None], y2[:, None]) - torch.maximum(y1[:, :, None], y1[:, None])
    common = widths.clamp(min=0) * heights.clamp(min=0)
    areas = (x2 - x1) * (y2 - y1)
    union = areas[:, :, None] + areas[:, None] - common
    rivals = (common > iou * union) & (class_ids[:, :, None] == class_ids[:, None])
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


def _suppress(boxes: Tensor, scores: Tensor, class_ids: Tensor, iou: float) -> Tensor:
    """Which boxes stay, best first: within each class, and then over all of them."""
    if boxes.device.type == "cpu" and len(boxes) <= _FEW:
        order = scores.argsort(descending=True, stable=True)
        return order[_suppress_few(boxes[order].numpy(), class_ids[order].numpy(), iou)]
    from torchvision.ops import batched_nms, nms  # a second to import, which a frame like others need not wait for

    keep: Tensor = batched_nms(boxes, scores, class_ids, iou)
    return keep[nms(boxes[keep], scores[keep], max(iou, ONE_OBJECT_IOU))]


def _suppress_few(boxes: NDArray[np.float32], class_ids: NDArray[np.int64], iou: float) -> NDArray[np.int64]:
    """The same for boxes that are in order already, from the overlaps of all pairs."""
    x1, y1, x2, y2 = boxes.T
    widths = np.minimum(x2[:, None], x2) - np.maximum(x1[:, None], x1)
    heights = np.minimum(y2[:, None], y2) - np.maximum(y1[:, None], y1)
    common = widths.clip(min=0) * heights.clip(min=0)
    areas = (x2 - x1) * (y2 - y1)
    union = areas[:, None] + areas - common
    alive = np.ones(len(boxes), bool)
    rivals = (common > iou * union) & (class_ids[:, None] == class_ids)
    for suppressed in (rivals, common > max(iou, ONE_OBJECT_IOU) * union):
        for i in range(len(boxes)):
            if alive[i]:
                alive[i + 1 :] &= ~suppressed[i, i + 1 :]
    return np.flatnonzero(alive)
