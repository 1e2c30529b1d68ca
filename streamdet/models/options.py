"""What may be asked of a detector; without numpy, so that the command line can read a job before it loads anything."""

from typing import Literal

from pydantic import Field

from streamdet.yaml_file import Section

Precision = Literal["auto", "fp32", "bf16", "fp16", "int8"]
Runtime = Literal["auto", "torch", "openvino", "onnxruntime"]


class DetectOptions(Section):
    """Which boxes are kept.

    Attributes:
        conf: lowest score.
        iou: of boxes of one class, or of classes that exclude each other, that overlap more, only the best is kept.
        exclusive: groups of names; an object is of one class of a group at most. Names that the detector does not
            know have no effect.
        max_detections: most boxes in a frame.
        classes: names of the classes wanted; None: all.
    """

    conf: float = Field(default=0.35, ge=0, le=1)
    iou: float = Field(default=0.45, ge=0, le=1)
    exclusive: tuple[tuple[str, ...], ...] = (("car", "motorcycle", "bus", "truck"),)
    max_detections: int = Field(default=300, ge=1, le=10_000)
    classes: tuple[str, ...] | None = Field(default=None, min_length=1)


KEEP = DetectOptions()
"""Where nothing else is asked for."""
