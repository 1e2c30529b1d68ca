"""Layouts with a prediction for every cell of grids over the image: YOLO and its kin, NanoDet-Plus.

Shapes: P cells, K classes.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np

from streamdet.models.contract import InputSpec
from streamdet.models.onnx.parts import Parts, parts_of
from streamdet.models.onnx.reading import RGB_0_1, Floats, Found, Reading, corners, sigmoid
from streamdet.models.onnx.seen import Array, Seen, are_fractions

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (4, 8, 16, 32))
_NANODET_STRIDES = (8, 16, 32, 64)
_NANODET_BINS = 8
_ALONE = Parts()
_RAW_BELOW = 32.0
"""Cells' own coordinates stay below, pixels do not."""
_MOST_RELATIVE, _MOSTLY = 2.0, 0.99
_OF_SUPPRESSED = 6
"""Corners, score and class: what suppression leaves."""


def anchor_free(seen: Seen) -> Reading | None:
    """(1, 4 + K, P), or (1, P, 4 + K): centre, width and height in pixels, and a score for each class.

    Segmentation and pose add rows, see models.onnx.parts.

    Source: the ONNX exports of Ultralytics for YOLOv5u, v8, v9, v11 and v12.
    """
    parts = parts_of(seen)
    if parts is None or len(seen.shapes[0]) != 3:
        return None
    for across in (True, False):
        cells, numbers = seen.shapes[0][2 if across else 1], seen.shapes[0][1 if across else 2]
        columns = numbers - 4 - parts.numbers
        if (
            _strides(seen, cells)
            and seen.could_have(columns)
            and (seen.said or not _are_corners(_rows(seen.values[0], across)))
        ):
            decode = partial(_decode_anchor_free, across=across, parts=parts, columns=columns)
            says = f"cells + scores{parts}"
            return Reading(says, columns, decode, overlapping=True, input=RGB_0_1, skeleton=parts.skeleton)
    return None


def _decode_anchor_free(
    outputs: Sequence[Array], height: int, width: int, across: bool, parts: Parts, columns: int
) -> Found:
    rows = _rows(outputs[0], across)
    boxes, scores = corners(rows[:, :4]), np.asarray(rows[:, 4 : 4 + columns], np.float32)
    return Found(boxes, scores, parts.columns(rows[:, 4 + columns :], boxes, outputs, height, width))


def corner_table(seen: Seen) -> Reading | None:
    """(1, 4 + K, P), or (1, P, 4 + K): corners in pixels, and a score for each class.

    Source: the ONNX exports of LibreYOLO for YOLOv7, YOLOv9, RTMDet, PicoDet and SSD.
    """
    if not _is_table(seen):
        return None
    for across in (True, False):
        numbers = seen.shapes[0][1 if across else 2]
        if numbers == _OF_SUPPRESSED and not seen.said:
            continue
        if seen.could_have(numbers - 4) and (seen.said or _are_corners(_rows(seen.values[0], across))):
            decode = partial(_decode_corners, across=across)
            return Reading("corners + scores", numbers - 4, decode, overlapping=True, input=RGB_0_1, knows_range=False)
    return None


def _decode_corners(outputs: Sequence[Array], height: int, width: int, across: bool) -> Found:
    rows = np.asarray(_rows(outputs[0], across), np.float32)
    return Found(rows[:, :4], rows[:, 4:])


def _rows(output: Array, across: bool) -> Array:
    rows: Array = output[0].T if across else output[0]
    return rows


def _are_corners(rows: Array) -> bool:
    """Whether rows start with x1, y1, x2, y2 in pixels; centres and sides are seldom in such order."""
    boxes = rows[:, :4]
    ordered = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return bool(len(boxes)) and float(boxes.max()) > _MOST_RELATIVE and float(ordered.mean()) > _MOSTLY


def anchored(seen: Seen) -> Reading | None:
    """(1, 3 P, 5 + K), of three anchors a cell: centre, width and height in pixels, objectness, score of each class.

    Segmentation adds columns, see models.onnx.parts. The maps that the table is made of, (1, 3, h, w, 5 + K) each, may
    follow it.

    Source: the ONNX exports of the YOLOv5 and YOLOv7 repositories.
    """
    first = {name: array for name, array in seen.arrays.items() if array.ndim != 5}
    parts = parts_of(replace(seen, arrays=first))
    if parts is None or list(first) != list(seen.arrays)[: len(first)] or len(seen.shapes[0]) != 3:
        return None
    _, rows, numbers = seen.shapes[0]
    columns = numbers - 5 - parts.numbers
    if rows % 3 or not _strides(seen, rows // 3) or not seen.could_have(columns):
        return None
    decode = partial(_decode_objectness, parts=parts, columns=columns)
    return Reading(f"anchors + objectness{parts}", columns, decode, overlapping=True, input=RGB_0_1)


def _decode_objectness(
    outputs: Sequence[Array], height: int, width: int, parts: Parts = _ALONE, columns: int | None = None
) -> Found:
    rows = outputs[0][0]
    last = rows.shape[1] if columns is None else 5 + columns
    boxes, scores = corners(rows), np.asarray(rows[:, 5:last] * rows[:, 4:5], np.float32)
    return Found(boxes, scores, parts.columns(rows[:, last:], boxes, outputs, height, width))


def yolox(seen: Seen) -> Reading | None:
    """(1, P, 5 + K): centre, width and height, in pixels or in each cell's own units; objectness, scores.

    Source: Ge et al. 2021 (YOLOX) and the ONNX export of its repository.
    """
    if not _is_table(seen) or not seen.could_have(seen.shapes[0][2] - 5):
        return None
    _, rows, numbers = seen.shapes[0]
    strides = _strides(seen, rows)
    if not strides:
        return None
    pixels = InputSpec(640, channel_order="bgr", fit="square")
    if float(np.abs(seen.values[0][..., :2]).max()) >= _RAW_BELOW:
        return Reading("YOLOX, decoded", numbers - 5, _decode_objectness, overlapping=True, input=pixels)
    decode = partial(_decode_yolox, strides=strides)
    return Reading("YOLOX, raw", numbers - 5, decode, overlapping=True, input=pixels)


def _decode_yolox(outputs: Sequence[Array], height: int, width: int, strides: tuple[int, ...]) -> Found:
    cells_P2, strides_P1 = _grid(height, width, strides)
    rows = outputs[0][0]
    centres, sides = (rows[:, :2] + cells_P2) * strides_P1, np.exp(rows[:, 2:4]) * strides_P1
    boxes = corners(np.concatenate([centres, sides], axis=1))
    return Found(boxes, np.asarray(rows[:, 5:] * rows[:, 4:5], np.float32))


def nanodet_plus(seen: Seen) -> Reading | None:
    """(1, P, K + 4 x 8): scores of classes, and of 8 distances to each side of the box, from the cell's corner.

    Source: RangiLyu's NanoDet-Plus; Li et al. 2020 (Generalized Focal Loss) for the distances.
    """
    if not _is_table(seen) or not seen.could_have(seen.shapes[0][2] - 4 * _NANODET_BINS):
        return None
    _, rows, numbers = seen.shapes[0]
    if rows != seen.cells(_NANODET_STRIDES):
        return None
    columns = numbers - 4 * _NANODET_BINS
    decode = partial(_decode_nanodet, raw=not are_fractions(seen.values[0][..., :columns]))
    pixels = InputSpec(
        416, multiple=64, channel_order="bgr", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395)
    )
    return Reading("NanoDet-Plus", columns, decode, overlapping=True, input=pixels)


def _decode_nanodet(outputs: Sequence[Array], height: int, width: int, raw: bool) -> Found:
    cells_P2, strides_P1 = _grid(height, width, _NANODET_STRIDES)
    bins, points_P2 = np.arange(_NANODET_BINS, dtype=np.float32), cells_P2 * strides_P1
    scores, logits = np.split(outputs[0][0], [-4 * _NANODET_BINS], axis=1)
    logits = logits.reshape(-1, 4, _NANODET_BINS)
    likely = np.exp(logits - logits.max(axis=2, keepdims=True))
    far_P4 = (likely @ bins) / likely.sum(axis=2) * strides_P1
    boxes = np.concatenate([points_P2 - far_P4[:, :2], points_P2 + far_P4[:, 2:]], axis=1, dtype=np.float32)
    return Found(boxes, sigmoid(scores) if raw else np.asarray(scores, np.float32))


def _is_table(seen: Seen) -> bool:
    return len(seen.shapes) == 1 and len(seen.shapes[0]) == 3


def _strides(seen: Seen, cells: int) -> tuple[int, ...] | None:
    """Strides of which the image has this number of cells."""
    return next((strides for strides in _STRIDES if seen.cells(strides) == cells), None)


@lru_cache(maxsize=16)
def _grid(height: int, width: int, strides: tuple[int, ...]) -> tuple[Floats, Floats]:
    """(P, 2) float32 column and row of each cell, and (P, 1) float32 its stride in pixels."""
    cells, sides = [], []
    for stride in strides:
        rows, columns = np.mgrid[: -(-height // stride), : -(-width // stride)]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        sides.append(np.full((rows.size, 1), stride))
    return np.concatenate(cells, dtype=np.float32), np.concatenate(sides, dtype=np.float32)
