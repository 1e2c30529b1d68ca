"""Model files, read with numpy: safetensors with the architecture and the training's facts in the header.

Nothing is ever unpickled: a model file cannot run code.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from streamdet.errors import CheckpointError
from streamdet.models.contract import DetectorSpec
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.layout import int8_layers, tensor_shapes
from streamdet.models.safetensors_file import FORMAT, read_file

CHECKPOINT_FORMAT = 1
FOREIGN_FORMAT = 2
"""Of detectors of other libraries, see runtimes.foreign_file."""
Ranges = Mapping[str, tuple[float, float]]
_RANGES = TypeAdapter(dict[str, tuple[float, float]])


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """A recurrent detector as its file has it.

    Attributes:
        config: its architecture.
        arrays: float32 by name, see layout.tensor_shapes.
        sha256: hash of the file, empty if it did not come from one.
        int8_ranges: lowest and highest input of layers by their names, see compress.int8; empty without calibration.
        training: facts about how it came to be.
    """

    config: ModelConfig
    arrays: Mapping[str, NDArray[np.float32]]
    sha256: str
    int8_ranges: Ranges
    training: Mapping[str, Any]

    @property
    def spec(self) -> DetectorSpec:
        """What it is and which images it takes."""
        return self.config.spec(self.sha256)


def read_weights(path: Path) -> Weights:
    """Read a model file.

    Raises:
        CheckpointError: if the file is missing, damaged, of another format or holds other tensors than its
            architecture needs.
    """
    header, arrays = read_file(path)
    if header.get(FORMAT) == str(FOREIGN_FORMAT):
        raise CheckpointError(
            f"{path} is a detector of another library with a memory: it runs and is evaluated, and nothing else; "
            "expected one of streamdet's own"
        )
    if header.get(FORMAT) != str(CHECKPOINT_FORMAT):
        raise CheckpointError(
            f"{path} has format {header.get(FORMAT, 'none')}, expected {CHECKPOINT_FORMAT}: "
            "it was not written by this version of streamdet"
        )
    try:
        config = ModelConfig.model_validate_json(header.get("model", ""))
        training = json.loads(header.get("training", "{}"))
        ranges = _RANGES.validate_json(header.get("int8_ranges", "{}"))
        if ranges:
            _check_ranges(config, ranges)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(key) for key in first["loc"])
        raise CheckpointError(f"{path} has a wrong description of its model: {where}: {first['msg']}") from error
    except ValueError as error:
        raise CheckpointError(f"{path} has a wrong description of its model: {error}") from error
    _check_shapes(config, arrays, path)
    return Weights(config, arrays, hashlib.sha256(path.read_bytes()).hexdigest(), ranges, training)


def _check_ranges(config: ModelConfig, ranges: Ranges) -> None:
    """Refuse with a ValueError what are no ranges of this detector's layers."""
    wrong = sorted(set(ranges) ^ set(int8_layers(config)))
    wrong += [name for name, (lowest, highest) in ranges.items() if not -math.inf < lowest <= 0 <= highest < math.inf]
    if wrong:
        raise ValueError(f"int8_ranges: the range of {wrong[0]} is missing, not a range, or of no such layer")


def _check_shapes(config: ModelConfig, arrays: Mapping[str, NDArray[np.float32]], path: Path) -> None:
    expected = tensor_shapes(config)
    wrong = sorted(set(expected) ^ set(arrays))
    wrong += [name for name, shape in expected.items() if name in arrays and arrays[name].shape != shape]
    if wrong:
        raise CheckpointError(f"{path} does not hold the tensors of its model: {', '.join(wrong[:3])} differ")
