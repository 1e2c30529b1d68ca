"""Boxes: cell centres, distances to boxes, overlap, suppression.

Shapes: N images, P cells, Q distance bins, M boxes. Boxes are xyxy in pixels of the letterboxed image.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ONE_OBJECT_IOU = 0.85
"""Boxes of different classes that overlap more are one object that two classes fit: the better one is kept."""
_FEW = 256


def cell_centres(sizes: Sequence[tuple[int, int]], strides: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Where the cells of all levels lie.

    Args:
        sizes: (height, width) of each level's map, in cells.
        strides: pixels a cell of each level.

    Returns:
        centres (P, 2) float32, x y, pixels; and (P,) float32, the stride each belongs to.
    """
    centres, of_stride = [], []
    for (height, width), stride in zip(sizes, strides, strict=True):
        y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
        xy = torch.stack((x, y), dim=-1).reshape(-1, 2).float()
        centres.append((xy + 0.5) * stride)
        of_stride.append(torch.full((height * width,), float(stride)))
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
    wanted = scores >= conf
    if classes is not None:
        wanted &= classes
    cells, class_ids = wanted.nonzero(as_tuple=True)
    picked = scores[cells, class_ids]
    if len(picked) > 10 * max_detections:
        # Suppression is quadratic: a flood of boxes must not stall a stream.
        picked, order = picked.topk(10 * max_detections)
        cells, class_ids = cells[order], class_ids[order]
    keep = _suppress(boxes[cells], picked, class_ids, iou)[:max_detections]
    return boxes[cells[keep]], picked[keep], class_ids[keep]


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
