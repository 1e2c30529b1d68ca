"""Start from NanoDet-m's COCO weights, whose backbone, neck and head have the shapes of ours.

Source: NanoDet-m by RangiLyu, Apache-2.0, trained on COCO train2017.
"""

import pickle
from pathlib import Path

import torch
from torch import Tensor

from streamdet.errors import CheckpointError
from streamdet.models.recurrent.detector import RecurrentDetector

COCO_INDEX = {"person": 0, "bicycle": 1, "car": 2, "motorcycle": 3, "bus": 5, "train": 6, "truck": 7}
_TOWER_LAYERS = {"depthwise": 0, "dwnorm": 1, "pointwise": 3, "pwnorm": 4}


def initialise_from_nanodet(detector: RecurrentDetector, path: Path) -> list[str]:
    """Copy NanoDet-m's weights into a detector.

    Args:
        detector: changed in place; everything but its memory is filled.
        path: NanoDet's .ckpt. It is read with torch's weights-only unpickler, which builds tensors and nothing else.

    Returns:
        names of the detector's tensors that NanoDet does not have (its memory).

    Raises:
        CheckpointError: if the file is missing or is not NanoDet-m.
    """
    unknown = [name for name in detector.classes if name not in COCO_INDEX]
    if unknown:
        raise CheckpointError(f"{path}: NanoDet-m gives no weights for {', '.join(unknown)}; start from street instead")
    if detector.config.inner_widths is not None:
        raise CheckpointError(f"{path}: NanoDet-m is not pruned, the recipe's model has inner_widths; leave them out")
    try:
        source = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        renamed = dict(_rename(source, detector.classes))
    except (OSError, KeyError, RuntimeError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is not a readable NanoDet-m checkpoint: {error}") from error
    result = detector.load_state_dict(renamed, strict=False)
    missing = [name for name in result.missing_keys if not name.startswith("memory.")]
    if missing or result.unexpected_keys:
        raise CheckpointError(f"{path} does not fit: missing {missing[:3]}, unexpected {result.unexpected_keys[:3]}")
    return list(result.missing_keys)


def _rename(source: dict[str, Tensor], classes: tuple[str, ...]) -> list[tuple[str, Tensor]]:
    rows = torch.tensor([COCO_INDEX[name] for name in classes])
    renamed = []
    for name, value in source.items():
        parts = name.removeprefix("model.").split(".")
        match parts:
            case ["backbone", "conv1", "0", "weight"]:
                renamed.append(("backbone.conv1.0.weight", value.flip(1)))  # NanoDet reads BGR
            case ["backbone", *rest]:
                renamed.append((".".join(["backbone", *rest]), value))
            case ["fpn", "lateral_convs", level, "conv", kind]:
                renamed.append((f"neck.laterals.{level}.{kind}", value))
            case ["head", "cls_convs", level, block, layer, kind]:
                renamed.append((f"head.towers.{level}.{block}.{_TOWER_LAYERS[layer]}.{kind}", value))
            case ["head", "gfl_cls", level, kind]:
                # One convolution gives 80 class logits and then the 4 x 8 distance logits; gfl_reg is not used.
                renamed.append((f"head.score_convs.{level}.{kind}", value[rows]))
                renamed.append((f"head.distance_convs.{level}.{kind}", value[80:]))
    return renamed
