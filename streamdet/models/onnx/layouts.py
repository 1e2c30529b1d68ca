"""Which layout a network has: told by shapes, by names and metadata, and by the values for one grey image.

What is in doubt is refused: the user can say it by `--layout`.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from streamdet.errors import ConfigError
from streamdet.models.contract import InputSpec
from streamdet.models.onnx.boxes import boxes_and_scores, seven_columns, six_columns, six_relative_columns
from streamdet.models.onnx.cells import anchor_free, anchored, corner_table, nanodet_plus, yolox
from streamdet.models.onnx.libreyolo import facts_of, family_of
from streamdet.models.onnx.names import COCO_BY_COUNT
from streamdet.models.onnx.queries import boxes_with_scores, detr, detr_sigmoid, rfdetr, rtdetr, sized, torchvision
from streamdet.models.onnx.reading import IMAGENET, Reading
from streamdet.models.onnx.seen import Seen

LAYOUTS: Mapping[str, Callable[[Seen], Reading | None]] = {
    "yolov8": anchor_free,
    "corners": corner_table,
    "yolov5": anchored,
    "yolox": yolox,
    "nanodet-plus": nanodet_plus,
    "boxes": boxes_and_scores,
    "nms": six_columns,
    "nms-relative": six_relative_columns,
    "yolov7-nms": seven_columns,
    "rtdetr": rtdetr,
    "detr-sized": sized,
    "rfdetr": rfdetr,
    "detr": detr,
    "detr-sigmoid": detr_sigmoid,
    "torchvision": torchvision,
    "mmdet": boxes_with_scores,
}
"""By the name that `--layout` takes."""

_TASKS = ("detect", "segment", "pose")
PLAIN = InputSpec(640)
"""Images as they are: 0 to 255, without a mean."""
PIXELS: Mapping[str, Mapping[str, Any]] = {
    "rgb": {"channel_order": "rgb"},
    "bgr": {"channel_order": "bgr"},
    "0-1": {"scale": 1 / 255, "mean": PLAIN.mean, "std": PLAIN.std},
    "0-255": {"scale": 1.0, "mean": PLAIN.mean, "std": PLAIN.std},
    "imagenet": {"scale": 1 / 255, "mean": IMAGENET.mean, "std": IMAGENET.std},
    "pad": {"fit": "pad"},
    "square": {"fit": "square"},
    "stretch": {"fit": "stretch"},
}
"""What `--layout` may say of the images, besides the name of a layout."""


def read_layout(text: str | None) -> tuple[str | None, dict[str, Any]]:
    """A layout's name and fields of InputSpec, from text such as `boxes,bgr,stretch`.

    Raises:
        ConfigError: if a word is not known, or there are two names.
    """
    name: str | None = None
    pixels: dict[str, Any] = {}
    for word in (text or "").split(",") if text else []:
        wanted = word.strip()
        if wanted in PIXELS:
            pixels.update(PIXELS[wanted])
        elif wanted in LAYOUTS and name is None:
            name = wanted
        else:
            raise ConfigError(
                f"layout {text}: expected one of {', '.join(LAYOUTS)}, and of {', '.join(PIXELS)}, got {wanted!r}"
            )
    return name, pixels


def tell(seen: Seen, wanted: str | None, file: str) -> tuple[str, Reading]:
    """The layout's name and how it is read.

    Args:
        seen: what the network shows.
        wanted: a layout's name, where the user says it.
        file: for messages.

    Raises:
        ConfigError: if none fits, or more than one.
    """
    task = seen.metadata.get("task", "detect")
    if task not in _TASKS:
        raise ConfigError(f"{file}: is for the task {task}, expected a detector: {', '.join(_TASKS)}")
    if wanted is None and family_of(seen.metadata) is not None:
        return _tell_by_family(seen, file)
    known = LAYOUTS if wanted is None else {wanted: LAYOUTS[wanted]}
    seen = replace(seen, said=wanted is not None)
    fitting = {name: reading for name, look in known.items() if (reading := look(seen)) is not None}
    if len(fitting) > 1 and seen.names is None:
        usual = {name: reading for name, reading in fitting.items() if reading.columns in COCO_BY_COUNT}
        fitting = usual or fitting
    if len(fitting) == 1:
        return next(iter(fitting.items()))
    if not fitting and wanted is not None:
        raise ConfigError(f"{file}: its outputs do not have the layout {wanted}: {seen.describe()}")
    if not fitting:
        raise ConfigError(
            f"{file}: is no detector of a known layout ({', '.join(LAYOUTS)}): {seen.describe()}"
            + ("" if seen.names is None else f"; {len(seen.names)} class names")
        )
    could_be = " or ".join(f"{name} ({reading.columns} classes)" for name, reading in fitting.items())
    raise ConfigError(f"{file}: could be {could_be}: say --layout NAME or --class-names A,B,...; {seen.describe()}")


def _tell_by_family(seen: Seen, file: str) -> tuple[str, Reading]:
    facts = facts_of(seen.metadata)
    reading = None if facts is None else LAYOUTS[facts.layout](replace(seen, said=True))
    if facts is None or reading is None:
        raise ConfigError(
            f"{file}: is of LibreYOLO's family {family_of(seen.metadata)}, which is not known in this form: "
            f"say --layout, such as boxes,bgr,0-255,stretch; {seen.describe()}"
        )
    told = replace(reading, input=facts.input, overlapping=facts.overlapping, knows_range=True, knows_order=True)
    return facts.layout, told
