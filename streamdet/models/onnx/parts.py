"""What segmentation and pose networks give beside boxes: masks from prototypes, and keypoints.

Shapes: P candidates, M prototypes, m kept candidates.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import clip_boxes
from streamdet.masks import GRID, sampled
from streamdet.models.onnx.file import literal
from streamdet.models.onnx.names import names_in
from streamdet.models.onnx.reading import Column, Floats, sigmoid
from streamdet.models.onnx.seen import Array, Seen
from streamdet.skeleton import Skeleton, skeleton_of

_AT_ONCE = 16
"""Masks of whole images that are held at once."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Numbers of each candidate after those of its box and classes.

    Attributes:
        prototypes: M, of masks: each candidate has so many weights of them.
        keypoints: how many each candidate has.
        per_keypoint: 2 for x and y in pixels, 3 with a score.
        skeleton: what the keypoints are.
    """

    prototypes: int = 0
    keypoints: int = 0
    per_keypoint: int = 3
    skeleton: Skeleton | None = None

    @property
    def numbers(self) -> int:
        """How many they are together."""
        return self.prototypes + self.keypoints * self.per_keypoint

    def __str__(self) -> str:
        return (" + masks" if self.prototypes else "") + (" + keypoints" if self.keypoints else "")

    def columns(
        self, numbers_PN: Array, boxes_P4: Floats, outputs: Sequence[Array], height: int, width: int
    ) -> Mapping[str, Column]:
        """Columns of Detections; masks are of the boxes clipped to the image."""
        found: dict[str, Column] = {}
        if self.prototypes:
            weights, prototypes = numbers_PN[:, : self.prototypes], outputs[1][0]
            inside = clip_boxes(boxes_P4, width, height)
            found["masks"] = lambda rows: _masks(weights[rows], prototypes, inside[rows], height, width)
        if self.keypoints:
            places = numbers_PN[:, self.prototypes :]
            found["keypoints"] = lambda rows: self._keypoints(places[rows])
        return found

    def _keypoints(self, places_mN: Array) -> Floats:
        places = np.asarray(places_mN, np.float32).reshape(-1, self.keypoints, self.per_keypoint)
        if self.per_keypoint == 3:
            return places
        return np.concatenate([places, np.ones_like(places[..., :1])], axis=2)


def parts_of(seen: Seen) -> Parts | None:
    """What there is beside boxes and classes; None where outputs or task are of something else."""
    task = seen.metadata.get("task", "detect")
    if task == "pose" and len(seen.shapes) == 1:
        shape = literal(seen.metadata.get("kpt_shape"))
        if isinstance(shape, list | tuple) and len(shape) == 2 and shape[1] in (2, 3):
            points, names = int(shape[0]), literal(seen.metadata.get("kpt_names"))
            skeleton = skeleton_of(
                points, names_in(next(iter(names.values()), None) if isinstance(names, dict) else names)
            )
            return Parts(keypoints=points, per_keypoint=int(shape[1]), skeleton=skeleton)
        return None
    if task in ("detect", "segment") and len(seen.shapes) == 2 and len(seen.shapes[1]) == 4:
        return Parts(prototypes=seen.shapes[1][1])
    return Parts() if task == "detect" and len(seen.shapes) == 1 else None


def _masks(weights_mM: Array, prototypes_Mhw: Array, boxes_m4: Floats, height: int, width: int) -> NDArray[np.uint8]:
    """(m, 28, 28) uint8: where in its box each object is."""
    _, rows, columns = prototypes_Mhw.shape
    weights, prototypes = weights_mM.astype(np.float32), prototypes_Mhw.astype(np.float32)
    parts = (np.tensordot(weights[n : n + _AT_ONCE], prototypes, 1) for n in range(0, len(weights), _AT_ONCE))
    scale = np.array([columns / width, rows / height] * 2, np.float32)
    return grids(chain.from_iterable(parts), boxes_m4 * scale)


def grids(logits_mhw: Iterable[Floats], boxes_m4: Floats) -> NDArray[np.uint8]:
    """Masks of whole images as grids over their boxes.

    Args:
        logits_mhw: m of (h, w) float32, above 0 where the object is; one is taken at a time.
        boxes_m4: (m, 4) float32, xyxy, pixels of the masks.

    Returns:
        (m, 28, 28) uint8, 0 to 255, over 127 where the object is.
    """
    masks = np.zeros((len(boxes_m4), GRID, GRID), np.uint8)
    for mask, logits, box in zip(masks, logits_mhw, boxes_m4.tolist(), strict=True):
        mask[:] = np.rint(255 * sigmoid(sampled(logits, box)))
    return masks
