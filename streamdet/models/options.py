"""What may be asked of a detector; without numpy, so that the command line can read a job before it loads anything."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field

from streamdet.yaml_file import Section

_MIN_SIDE, _MAX_SIDE = 64, 4096

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Runtime = Literal["auto", "torch", "openvino", "onnxruntime"]


Score = Annotated[float, Field(ge=0, le=1)]


class DetectOptions(Section):
    """Which boxes are kept.

    Attributes:
        conf: lowest score.
        class_conf: the same of single classes, by their names, in place of conf.
        iou: of boxes of one class, or of classes that exclude each other, that overlap more, only the best is kept.
        exclusive: groups of names; an object is of one class of a group at most. Names that the detector does not
            know have no effect.
        max_detections: most boxes in a frame.
        classes: names of the classes wanted; None: all.
    """

    conf: Score = Field(default=0.25)
    class_conf: dict[str, Score] = Field(default_factory=dict)
    iou: float = Field(default=0.45, ge=0, le=1)
    exclusive: tuple[tuple[str, ...], ...] = (("car", "motorcycle", "bus", "truck"),)
    max_detections: int = Field(default=300, ge=1, le=10_000)
    classes: tuple[str, ...] | None = Field(default=None, min_length=1)

    @property
    def lowest_conf(self) -> float:
        """The lowest score that any box may have."""
        return min(self.conf, *self.class_conf.values()) if self.class_conf else self.conf


KEEP = DetectOptions()
"""Where nothing else is asked for."""


def read_image_size(value: Any) -> int | tuple[int, int] | None:
    """Size of the model image from N, [H, W], "N" or "HxW", pixels; None stays.

    Raises:
        ValueError: if it is nothing of these, or too small or large.
    """
    if value is None:
        return None
    sides = value
    if isinstance(value, str):
        sides = [int(side) if side.isascii() and side.isdigit() else side for side in value.lower().split("x")]
    elif not isinstance(value, list | tuple):
        sides = [value]
    if len(sides) not in (1, 2) or any(type(side) is not int for side in sides):
        raise ValueError(f"expected N or HxW in pixels, such as 320 or 192x320, got {json.dumps(value)}")
    for side in sides:
        if not _MIN_SIDE <= side <= _MAX_SIDE:
            raise ValueError(f"expected {_MIN_SIDE} to {_MAX_SIDE} pixels, got {side}")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])
