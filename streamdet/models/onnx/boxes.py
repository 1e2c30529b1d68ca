"""Layouts of boxes that are decoded already.

Shapes: P candidates, K classes.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from streamdet.models.onnx.parts import Parts, parts_of
from streamdet.models.onnx.reading import RGB_0_1, Found, Reading, corners, one_class, sizes
from streamdet.models.onnx.seen import Array, Seen, are_fractions, are_whole

_RELATIVE_BELOW = 4.0
_STRETCHED = replace(RGB_0_1, fit="stretch")


def boxes_and_scores(seen: Seen) -> Reading | None:
    """(1, P, 4) or (1, P, 1, 4) boxes and (1, P, K) scores, 0 to 1, in any order; boxes in pixels or relative.

    Corners or centres: only of corners the second is never smaller than the first, over all of many boxes.
    """
    if len(seen.shapes) != 2 or any(len(shape) < 3 for shape in seen.shapes) or "logits" in seen.arrays:
        return None
    flat = [array.reshape(*array.shape[:2], -1) for array in seen.values]
    if flat[0].shape[:2] != flat[1].shape[:2]:
        return None
    places = [
        index
        for index in (0, 1)
        if flat[index].shape[2] == 4 and seen.could_have(flat[1 - index].shape[2]) and are_fractions(flat[1 - index])
    ]
    if len(places) == 2:
        places = [index for index in places if not are_fractions(flat[index])]
    if len(places) != 1:
        return None
    boxes = flat[places[0]].reshape(-1, 4)
    are_corners = bool((boxes[:, 2:] >= boxes[:, :2]).all())
    relative = float(np.abs(boxes).max()) < _RELATIVE_BELOW
    decode = partial(_decode_two, boxes_at=places[0], are_corners=are_corners, relative=relative)
    says = f"boxes ({'corners' if are_corners else 'centres'}, {'relative' if relative else 'pixels'}) + scores"
    columns = flat[1 - places[0]].shape[2]
    return Reading(says, columns, decode, overlapping=True, input=RGB_0_1, knows_range=False, knows_order=False)


def _decode_two(
    outputs: Sequence[Array], height: int, width: int, boxes_at: int, are_corners: bool, relative: bool
) -> Found:
    boxes = np.asarray(outputs[boxes_at][0].reshape(-1, 4), np.float32)
    if relative:
        boxes = boxes * sizes(height, width)
    scores = np.asarray(outputs[1 - boxes_at][0], np.float32)
    return Found(boxes if are_corners else corners(boxes), scores)


def six_columns(seen: Seen) -> Reading | None:
    """(1, P, 6): corners in pixels, score, class; each is one object. Masks and keypoints add columns.

    Source: the ONNX exports of Ultralytics with nms=True, and of YOLOv10 and YOLO26.
    """
    parts = _six(seen)
    if parts is None or "RTDETR" in seen.metadata.get("head", "") or _are_relative(seen.values[0]):
        return None
    decode = partial(_decode_six, parts=parts, columns=len(seen.names or ()), relative=False)
    says, columns = f"boxes, score, class{parts}", len(seen.names or ())
    return Reading(says, columns, decode, overlapping=False, input=RGB_0_1, skeleton=parts.skeleton)


def six_relative_columns(seen: Seen) -> Reading | None:
    """(1, P, 6): centre, width and height relative to the image, score, class; each is one object.

    Source: the ONNX export of Ultralytics for RT-DETR.
    """
    parts = _six(seen)
    boxes = None if parts is None else seen.values[0][..., :4]
    if parts is None or (boxes is not None and boxes.any() and not _are_relative(boxes)):
        return None
    if seen.metadata.get("head") is not None and "RTDETR" not in seen.metadata["head"]:
        return None
    decode = partial(_decode_six, parts=parts, columns=len(seen.names or ()), relative=True)
    return Reading("relative centres, score, class", len(seen.names or ()), decode, overlapping=False, input=_STRETCHED)


def _six(seen: Seen) -> Parts | None:
    parts = parts_of(seen)
    fits = parts is not None and len(seen.shapes[0]) == 3 and seen.shapes[0][2] == 6 + parts.numbers
    return parts if fits and are_whole(seen.values[0][..., 5]) else None


def _are_relative(rows: Array) -> bool:
    """Whether boxes are there, all of them within 0 and 1 or near it."""
    return 0 < float(np.abs(rows[..., :4]).max(initial=0)) < _RELATIVE_BELOW


def _decode_six(outputs: Sequence[Array], height: int, width: int, parts: Parts, columns: int, relative: bool) -> Found:
    rows = np.asarray(outputs[0][0], np.float32)
    boxes = corners(rows[:, :4]) * sizes(height, width) if relative else rows[:, :4]
    more = parts.columns(rows[:, 6:], boxes, outputs, height, width)
    return Found(boxes, one_class(rows[:, 4], rows[:, 5], columns), more)


def seven_columns(seen: Seen) -> Reading | None:
    """(P, 7): number of the image, corners in pixels, class, score; each is one object.

    Source: the ONNX export of the YOLOv7 repository with suppression inside.
    """
    if len(seen.shapes) != 1 or len(seen.shapes[0]) != 2 or seen.shapes[0][1] != 7:
        return None
    columns = len(seen.names or ())

    def decode(outputs: Sequence[Array], height: int, width: int) -> Found:
        rows = np.asarray(outputs[0], np.float32)
        return Found(rows[:, 1:5], one_class(rows[:, 6], rows[:, 5], columns))

    return Reading("boxes, class, score", columns, decode, overlapping=False, input=RGB_0_1)
