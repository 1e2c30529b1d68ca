"""ONNX files of LibreYOLO: their metadata name the family, which says what shapes cannot.

Source: files that LibreYOLO 1.6.0 exported, and what it makes of them itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from streamdet.models.contract import InputSpec
from streamdet.models.onnx.reading import IMAGENET, RGB_0_1

_BGR_IMAGENET = InputSpec(640, channel_order="bgr", mean=(103.53, 116.28, 123.675), std=(57.375, 57.12, 58.395))
_STRETCHED, _STRETCHED_IMAGENET = replace(RGB_0_1, fit="stretch"), replace(IMAGENET, fit="stretch")


@dataclass(frozen=True, slots=True)
class Family:
    """What a family's files have in common.

    Attributes:
        layout: its name.
        input: the images that it takes.
        overlapping: whether boxes of one object may be among the candidates.
    """

    layout: str
    input: InputSpec
    overlapping: bool = True


FAMILIES: Mapping[str, Family] = {
    "yolo7": Family("corners", RGB_0_1),
    "yolo9": Family("corners", RGB_0_1),
    "yolo9_e2e": Family("corners", RGB_0_1, overlapping=False),
    "yolox": Family("yolox", InputSpec(640, channel_order="bgr", fit="square")),
    "yolonas": Family("boxes", replace(RGB_0_1, channel_order="bgr")),
    "rtmdet": Family("corners", _BGR_IMAGENET),
    "picodet": Family("corners", _STRETCHED_IMAGENET),
    "ppyoloe": Family("boxes", _STRETCHED_IMAGENET),
    "ssd": Family("corners", InputSpec(300, mean=(123.0, 117.0, 104.0), fit="stretch")),
    "detr": Family("detr", _STRETCHED_IMAGENET, overlapping=False),
    "lwdetr": Family("detr-sigmoid", _STRETCHED_IMAGENET, overlapping=False),
    "dfine": Family("detr-sigmoid", _STRETCHED, overlapping=False),
    "deim": Family("detr-sigmoid", _STRETCHED, overlapping=False),
    "deimv2": Family("detr-sigmoid", _STRETCHED, overlapping=False),
}
_WITH_DINO = ("s", "m", "l", "x")  # sizes of DEIMv2 whose backbone is DINOv3


def family_of(metadata: Mapping[str, str]) -> str | None:
    """The family that a file of LibreYOLO names; None for files of other tools."""
    return metadata.get("model_family", "") if "libreyolo_version" in metadata else None


def facts_of(metadata: Mapping[str, str]) -> Family | None:
    """What is known of a file's family; None where nothing is."""
    family = family_of(metadata)
    facts = FAMILIES.get(family or "")
    if facts is not None and family == "deimv2" and metadata.get("size") in _WITH_DINO:
        return replace(facts, input=_STRETCHED_IMAGENET)
    return facts
