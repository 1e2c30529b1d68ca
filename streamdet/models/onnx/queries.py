"""Layouts of detectors with queries (DETR and its kin) and of two stages: each candidate is one object.

Shapes: Q candidates, K classes.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal

import numpy as np

from streamdet.boxes import clip_boxes
from streamdet.models.onnx.parts import grids
from streamdet.models.onnx.reading import (
    IMAGENET,
    RGB_0_1,
    Column,
    Found,
    Reading,
    corners,
    one_class,
    sigmoid,
    sizes,
)
from streamdet.models.onnx.seen import Array, Seen, are_fractions, are_whole

SIZE_INPUTS = frozenset({"orig_target_sizes", "orig_size", "target_sizes"})
"""Inputs that take the width and height that boxes are to be in."""
QUERY_OUTPUTS = frozenset({"logits", "pred_boxes"})
"""Outputs of the detectors of Hugging Face."""
_STRETCHED = replace(RGB_0_1, fit="stretch")
_STRETCHED_IMAGENET = replace(IMAGENET, fit="stretch")


def rtdetr(seen: Seen) -> Reading | None:
    """(1, Q, 4 + K): centre, width and height relative to the image, and scores 0 to 1.

    Source: the ONNX export of Ultralytics for RT-DETR, before it gave the best classes alone.
    """
    if len(seen.shapes) != 1 or len(seen.shapes[0]) != 3 or not are_fractions(seen.values[0]):
        return None
    columns = seen.shapes[0][2] - 4
    others = seen.cells((8, 16, 32)) in seen.shapes[0] or are_whole(seen.values[0][..., 5:6])
    if others or not seen.could_have(columns) or seen.values[0][..., :4].max() == 0:
        return None

    def decode(outputs: Sequence[Array], height: int, width: int) -> Found:
        rows = np.asarray(outputs[0][0], np.float32)
        return Found(corners(rows[:, :4]) * sizes(height, width), rows[:, 4:])

    return Reading("relative centres + scores", columns, decode, overlapping=False, input=_STRETCHED)


def sized(seen: Seen) -> Reading | None:
    """Labels (1, Q) integers, boxes (1, Q, 4) in the pixels that an input says, scores (1, Q).

    Source: the ONNX exports of the RT-DETR, D-FINE and DEIM repositories.
    """
    places = _labels_boxes_scores(seen, batch=1, numbers=4)
    if places is None or not SIZE_INPUTS.intersection(seen.inputs):
        return None
    columns = len(seen.names or ())
    decode = partial(_decode_listed, places=places, columns=columns, first=0)
    return Reading("labels, boxes, scores", columns, decode, overlapping=False, input=_STRETCHED)


def torchvision(seen: Seen) -> Reading | None:
    """Boxes (Q, 4) in pixels, labels (Q,) from 1, scores (Q,), without a batch; masks (Q, 1, H, W).

    Source: torchvision's detection models as torch.onnx exports them.
    """
    places = _labels_boxes_scores(seen, batch=0, numbers=4)
    if places is None:
        return None
    columns = len(seen.names or ())
    first: Literal[0, 1] = 0 if seen.names is not None and seen.names[0] in ("-", "__background__") else 1
    masks = next((i for i, shape in enumerate(seen.shapes) if len(shape) == 4 and shape[1] == 1), None)
    decode = partial(_decode_listed, places=places, columns=columns, first=first, masks_at=masks)
    says = "boxes, labels, scores" + ("" if masks is None else " + masks")
    return Reading(says, columns, decode, overlapping=False, input=RGB_0_1)


def _labels_boxes_scores(seen: Seen, *, batch: int, numbers: int) -> tuple[int, int, int] | None:
    """Where labels, boxes and scores are among the outputs."""
    labels = [i for i, array in enumerate(seen.values) if array.ndim == 1 + batch and array.dtype.kind in "iu"]
    scores = [i for i, array in enumerate(seen.values) if array.ndim == 1 + batch and array.dtype.kind == "f"]
    boxes = [i for i, shape in enumerate(seen.shapes) if len(shape) == 2 + batch and shape[-1] == numbers]
    if len(labels) != 1 or len(scores) != 1 or len(boxes) != 1:
        return None
    return labels[0], boxes[0], scores[0]


def _decode_listed(
    outputs: Sequence[Array],
    height: int,
    width: int,
    places: tuple[int, int, int],
    columns: int,
    first: int,
    masks_at: int | None = None,
) -> Found:
    labels, boxes, scores = (outputs[place] for place in places)
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    found = one_class(scores.reshape(-1), labels.reshape(-1).astype(np.int64) - first, columns)
    more: dict[str, Column] = {}
    if masks_at is not None:
        pasted, inside = outputs[masks_at][:, 0], clip_boxes(boxes, width, height)
        more["masks"] = lambda rows: grids((_logits(pasted[row]) for row in rows), inside[rows])
    return Found(boxes, found, more)


def _logits(shares: Array) -> Array:
    """0 to 1 as what a sigmoid makes of it."""
    shares = np.clip(np.asarray(shares, np.float32), 1e-4, 1 - 1e-4)
    return np.asarray(np.log(shares / (1 - shares)), np.float32)


def boxes_with_scores(seen: Seen) -> Reading | None:
    """(1, Q, 5) corners in pixels and a score, and labels (1, Q) integers.

    Source: the ONNX exports of MMDetection.
    """
    if len(seen.shapes) != 2:
        return None
    labels = [i for i, array in enumerate(seen.values) if array.ndim == 2 and array.dtype.kind in "iu"]
    boxes = [i for i, shape in enumerate(seen.shapes) if len(shape) == 3 and shape[-1] == 5]
    if len(labels) != 1 or len(boxes) != 1:
        return None
    columns = len(seen.names or ())

    def decode(outputs: Sequence[Array], height: int, width: int) -> Found:
        rows = np.asarray(outputs[boxes[0]][0], np.float32)
        return Found(rows[:, :4], one_class(rows[:, 4], outputs[labels[0]].reshape(-1), columns))

    pixels = replace(IMAGENET, fit="pad")
    return Reading("boxes with scores, labels", columns, decode, overlapping=False, input=pixels, knows_range=False)


def rfdetr(seen: Seen) -> Reading | None:
    """Boxes `dets` (1, Q, 4), centres relative to the image, and `labels` (1, Q, K or K + 1) logits; `masks` maybe.

    Source: the ONNX export of RF-DETR.
    """
    if not {"dets", "labels"} <= set(seen.arrays) or seen.arrays["labels"].ndim != 3:
        return None
    columns = seen.arrays["labels"].shape[2]
    more = seen.could_have(columns - 1) and seen.names is not None
    if not seen.could_have(columns) and not more:
        return None
    order = list(seen.arrays)
    places = order.index("labels"), order.index("dets")
    decode = partial(_decode_logits, places=places, softmax=False, masks_at=_place(order, "masks"))
    last: Literal["none", "last"] = "last" if more else "none"
    says = "relative centres + logits"
    return Reading(says, columns, decode, overlapping=False, input=_STRETCHED_IMAGENET, background=last)


def detr(seen: Seen) -> Reading | None:
    """`logits` or `pred_logits` (1, Q, K + 1), the last of no object, and `pred_boxes` (1, Q, 4), relative centres.

    Source: the ONNX exports of Hugging Face's DETR and YOLOS, and of LibreYOLO's DETR.
    """
    columns, places = _queries(seen), _logits_and_boxes(seen)
    if columns is None or places is None or not seen.could_have(columns - 1):
        return None
    decode = partial(_decode_logits, places=places, softmax=True)
    says = "relative centres + softmax"
    return Reading(says, columns - 1, decode, overlapping=False, input=_STRETCHED_IMAGENET)


def detr_sigmoid(seen: Seen) -> Reading | None:
    """`logits` or `pred_logits` (1, Q, K) and `pred_boxes` (1, Q, 4), relative centres.

    Source: the ONNX exports of Hugging Face's RT-DETR, D-FINE and Deformable DETR, and of LibreYOLO's D-FINE and DEIM.
    """
    columns, places = _queries(seen), _logits_and_boxes(seen)
    if columns is None or places is None or not seen.could_have(columns):
        return None
    decode = partial(_decode_logits, places=places, softmax=False)
    return Reading("relative centres + logits", columns, decode, overlapping=False, input=_STRETCHED)


def _queries(seen: Seen) -> int | None:
    """How many logits a query has."""
    places = _logits_and_boxes(seen)
    if places is None:
        return None
    logits, boxes = (seen.values[place] for place in places)
    fits = logits.ndim == 3 and boxes.shape == (*logits.shape[:2], 4)
    return logits.shape[2] if fits else None


def _logits_and_boxes(seen: Seen) -> tuple[int, int] | None:
    order = list(seen.arrays)
    logits = next((place for place, name in enumerate(order) if name in ("logits", "pred_logits")), None)
    boxes = _place(order, "pred_boxes")
    return None if logits is None or boxes is None else (logits, boxes)


def _place(order: Sequence[str], name: str) -> int | None:
    return order.index(name) if name in order else None


def _decode_logits(
    outputs: Sequence[Array],
    height: int,
    width: int,
    places: tuple[int, int],
    softmax: bool,
    masks_at: int | None = None,
) -> Found:
    logits, boxes = np.asarray(outputs[places[0]][0], np.float32), np.asarray(outputs[places[1]][0], np.float32)
    if softmax:
        likely = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores = (likely / likely.sum(axis=1, keepdims=True))[:, :-1]
    else:
        scores = sigmoid(logits)
    found = corners(boxes) * sizes(height, width)
    more: dict[str, Column] = {}
    if masks_at is not None:
        masks = outputs[masks_at][0]
        inside = clip_boxes(found, width, height) * (sizes(*masks.shape[1:]) / sizes(height, width))
        more["masks"] = lambda rows: grids((np.asarray(masks[row], np.float32) for row in rows), inside[rows])
    return Found(found, scores, more)
