"""Layouts of boxes that are decoded already.

Shapes: N images, P candidates, K classes.
"""

from collections.abc import Sequence
from functools import partial

import numpy as np

from streamdet.models.contract import InputSpec
from streamdet.models.onnx.reading import Floats, Reading, corners
from streamdet.models.onnx.seen import Array, Seen, are_fractions

_RELATIVE_BELOW = 4.0


def boxes_and_scores(seen: Seen) -> Reading | None:
    """(N, P, 4) or (N, P, 1, 4) boxes and (N, P, K) scores, 0 to 1, in any order; boxes in pixels or relative.

    Corners or centres: only of corners the second is never smaller than the first, over all of many boxes.
    """
    if len(seen.shapes) != 2:
        return None
    flat = [array.reshape(*array.shape[:2], -1) if array.ndim > 2 else array for array in seen.values]
    if any(array.ndim != 3 for array in flat) or flat[0].shape[:2] != flat[1].shape[:2]:
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
    decode = partial(_decode, boxes_at=places[0], are_corners=are_corners, relative=relative)
    says = f"boxes ({'corners' if are_corners else 'centres'}, {'relative' if relative else 'pixels'}) + scores"
    pixels = InputSpec(640, scale=1 / 255)
    columns = flat[1 - places[0]].shape[2]
    return Reading(says, columns, decode, overlapping=True, input=pixels, knows_range=False, knows_order=False)


def _decode(
    outputs: Sequence[Array], height: int, width: int, boxes_at: int, are_corners: bool, relative: bool
) -> list[tuple[Floats, Floats]]:
    found = []
    for boxes, scores in zip(outputs[boxes_at], outputs[1 - boxes_at], strict=True):
        boxes_P4 = np.asarray(boxes.reshape(-1, 4), np.float32)
        if relative:
            boxes_P4 = boxes_P4 * np.array([width, height, width, height], np.float32)
        found.append((boxes_P4 if are_corners else corners(boxes_P4), np.asarray(scores, np.float32)))
    return found
