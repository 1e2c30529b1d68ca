"""What keypoints are called, and which of them are joined."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Keypoints of an object.

    Attributes:
        names: of the P keypoints.
        links: pairs of indices into names: where a line is drawn.
    """

    names: tuple[str, ...]
    links: tuple[tuple[int, int], ...] = ()


COCO_PERSON = Skeleton(
    names=(
        "nose",
        "left_eye",
        "right_eye",
        "left_ear",
        "right_ear",
        "left_shoulder",
        "right_shoulder",
        "left_elbow",
        "right_elbow",
        "left_wrist",
        "right_wrist",
        "left_hip",
        "right_hip",
        "left_knee",
        "right_knee",
        "left_ankle",
        "right_ankle",
    ),
    links=(
        *((0, 1), (0, 2), (1, 2), (1, 3), (2, 4), (3, 5), (4, 6)),
        *((5, 6), (5, 7), (7, 9), (6, 8), (8, 10)),
        *((5, 11), (6, 12), (11, 12), (11, 13), (13, 15), (12, 14), (14, 16)),
    ),
)
"""The 17 keypoints of a person in COCO."""


def skeleton_of(keypoints: int, names: Sequence[str] | None = None) -> Skeleton:
    """The skeleton of so many keypoints: COCO's person of 17; others are joined by no lines."""
    if keypoints == len(COCO_PERSON.names) and (names is None or tuple(names) == COCO_PERSON.names):
        return COCO_PERSON
    if names is not None and len(names) == keypoints:
        return Skeleton(tuple(names))
    return Skeleton(tuple(f"point {number}" for number in range(1, keypoints + 1)))
