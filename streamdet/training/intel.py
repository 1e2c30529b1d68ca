"""The weights of Intel's person-vehicle-bike-detection-2003 and -2004, whose network is that of ours.

Source: OpenVINO Training Extensions, Apache-2.0, trained on pictures of surveillance cameras; exported to ONNX.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import numpy_helper

from streamdet.errors import CheckpointError
from streamdet.models.onnx.file import read_onnx
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.layout import STRIDES

GROUPS = ("vehicle", "person", "cycle")
"""What it tells apart, in its order."""
_PREFIX = "m."
_PARTS = {"laterals": "lateral", "outputs": "fpn"}
_TOWERS = {"class_tower": "cls_convs", "box_tower": "reg_convs"}
_BLOCK = {"expand": "conv.0.0", "depthwise": "conv.1.0", "reduce": "conv.2.0"}
_HEAD = {"groups": "cls", "centred": "ctr", "deltas": "reg"}


def read_intel(path: Path) -> RecurrentDetector:
    """A detector of GROUPS with the weights of an ONNX file.

    Raises:
        CheckpointError: if the file is missing or is another network.
    """
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in read_onnx(path).model.graph.initializer}
    detector = build_detector(ModelConfig(name="intel", classes=GROUPS))
    weights = {name: tensors.get(_PREFIX + name_there(name)) for name in detector.state_dict()}
    # Scales of the levels have no names there; they are the last numbers.
    scales = [tensor for name, tensor in tensors.items() if not name.startswith(_PREFIX) and tensor.ndim == 0]
    weights["head.delta_scales"] = np.array(scales[-len(STRIDES) :], np.float32)
    wrong = [name for name, value in detector.state_dict().items() if not _fits(weights[name], value.shape)]
    if wrong:
        raise CheckpointError(f"{path} is not person-vehicle-bike-detection-2003 or -2004: {wrong[0]} differs")
    state = {name: torch.tensor(value) for name, value in weights.items()}
    state["backbone.stem.weight"] = state["backbone.stem.weight"].flip(1)  # it reads BGR
    detector.load_state_dict(state)
    return detector.eval()


def _fits(value: NDArray[np.float32] | None, shape: torch.Size) -> bool:
    return value is not None and value.shape == tuple(shape)


def name_there(name: str) -> str:
    """What a tensor of ours is called in the file, without its prefix."""
    match name.split("."):
        case ["backbone", "stem", kind]:
            return f"features.0.0.{kind}"
        case ["backbone", "blocks", number, layer, kind]:
            return f"features.{int(number) + 1}.{_BLOCK[layer]}.{kind}"
        case ["neck", part, level, kind]:
            return f"{_PARTS[part]}.{level}.{kind}"
        case ["head", tower, block, layer, kind] if tower in _TOWERS:
            return f"head.{_TOWERS[tower]}.{block}.{0 if layer == 'conv' else 1}.{kind}"
        case ["head", part, kind] if part in _HEAD:
            return f"head.{_HEAD[part]}.{kind}"
    return ""
