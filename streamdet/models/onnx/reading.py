"""How the outputs of a network are read as candidates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streamdet.models.contract import InputSpec
from streamdet.models.onnx.seen import Array

Floats = NDArray[np.float32]
Decode = Callable[[Sequence[Array], int, int], list[tuple[Floats, Floats]]]
"""Takes the outputs, and height and width of the images in pixels; gives boxes (P, 4), xyxy, pixels, and scores
(P, columns), 0 to 1, for each image."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One layout, as it fits a network.

    Attributes:
        says: what the outputs are, for people.
        columns: how many classes they have scores for.
        decode: reads them.
        overlapping: whether boxes of one object may be among the candidates.
        input: which images such networks take as a rule.
        knows_range: whether it is certain which values the pixels must have.
        knows_order: the same of the channels' order.
    """

    says: str
    columns: int
    decode: Decode
    overlapping: bool
    input: InputSpec
    knows_range: bool = True
    knows_order: bool = True


RGB_0_1 = InputSpec(640, scale=1 / 255)
IMAGENET = InputSpec(640, scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def corners(boxes_P4: Array) -> Floats:
    """(P, 4) centre x, centre y, width, height to xyxy."""
    centre, half = boxes_P4[:, :2], boxes_P4[:, 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=1, dtype=np.float32)


def sigmoid(values: Array) -> Floats:
    """Of each value, without overflow."""
    return np.asarray(0.5 * np.tanh(0.5 * np.asarray(values, np.float32)) + 0.5, np.float32)
