"""How the outputs of a network are read as candidates."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from streamdet.models.contract import InputSpec
from streamdet.models.onnx.seen import Array
from streamdet.skeleton import Skeleton

Floats = NDArray[np.float32]
Column = Callable[[NDArray[np.int64]], Array]
"""A column of Detections for the candidates of these rows: only those that are kept are worth its computation."""


class Found(NamedTuple):
    """Candidates of one image.

    Attributes:
        boxes: (P, 4) float32, xyxy, pixels.
        scores: (P, columns) float32, 0 to 1.
        more: optional columns of Detections by name, such as masks.
    """

    boxes: Floats
    scores: Floats
    more: Mapping[str, Column] = {}


Decode = Callable[[Sequence[Array], int, int], Found]
"""Takes the outputs for one image, and its height and width in pixels."""


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
        background: which column of scores, if any, is of no class and has no name.
        skeleton: of keypoints, where there are some.
    """

    says: str
    columns: int
    decode: Decode
    overlapping: bool
    input: InputSpec
    knows_range: bool = True
    knows_order: bool = True
    background: Literal["none", "first", "last"] = "none"
    skeleton: Skeleton | None = None


RGB_0_1 = InputSpec(640, scale=1 / 255)
IMAGENET = InputSpec(640, scale=1 / 255, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


def corners(boxes_P4: Array) -> Floats:
    """(P, 4) centre x, centre y, width, height to xyxy."""
    centre, half = boxes_P4[:, :2], boxes_P4[:, 2:4] / 2
    return np.concatenate([centre - half, centre + half], axis=1, dtype=np.float32)


def sigmoid(values: Array) -> Floats:
    """Of each value, without overflow."""
    return np.asarray(0.5 * np.tanh(0.5 * np.asarray(values, np.float32)) + 0.5, np.float32)


def one_class(scores_P: Array, class_ids_P: Array, columns: int) -> Floats:
    """(P,) scores and (P,) class ids to (P, columns), 0 for all other classes; a class that is none scores nothing."""
    ids = np.asarray(class_ids_P).astype(np.int64)
    scores = np.zeros((len(ids), columns), np.float32)
    rows = np.flatnonzero((ids >= 0) & (ids < columns))
    scores[rows, ids[rows]] = scores_P[rows]
    return scores


def sizes(height: int, width: int) -> Floats:
    """(4,) float32: what relative boxes are multiplied by."""
    return np.array([width, height, width, height], np.float32)
