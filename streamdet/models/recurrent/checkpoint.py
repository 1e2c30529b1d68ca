"""Model files of detectors in torch; `weights` reads them, and says what they are."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.weights import CHECKPOINT_FORMAT, Weights, read_weights
from streamdet.models.safetensors_file import FORMAT, write_file


def save_checkpoint(path: Path, detector: RecurrentDetector, training: Mapping[str, Any]) -> str:
    """Write a model file; it appears under its name only when whole.

    Args:
        path: the file, usually *.safetensors.
        detector: the model.
        training: facts about how it came to be (data, steps, figures); anything JSON can hold.

    Returns:
        the file's SHA-256.
    """
    header = {
        FORMAT: str(CHECKPOINT_FORMAT),
        "model": detector.config.model_dump_json(exclude_none=True),
        "training": json.dumps(dict(training), sort_keys=True),
    }
    if detector.int8_ranges:
        header["int8_ranges"] = json.dumps(detector.int8_ranges)
    return write_file(path, save(_tensors(detector), metadata=header))


def load_checkpoint(path: Path) -> tuple[RecurrentDetector, dict[str, Any]]:
    """Read a model file.

    Returns:
        the detector on the CPU in evaluation mode, and its training facts.

    Raises:
        CheckpointError: see weights.read_weights.
    """
    weights = read_weights(path)
    return detector_of(weights), dict(weights.training)


def detector_of(weights: Weights) -> RecurrentDetector:
    """A detector in torch, on the CPU in evaluation mode."""
    detector = build_detector(weights.config)
    detector.load_state_dict({name: torch.tensor(x) for name, x in weights.arrays.items()}, strict=False)
    detector.int8_ranges = dict(weights.int8_ranges)
    detector.sha256 = weights.sha256
    return detector.eval()


def weights_of(detector: RecurrentDetector) -> Weights:
    """What a file of a detector would hold, but for its training facts."""
    arrays = {name: value.numpy() for name, value in _tensors(detector).items()}
    return Weights(detector.config, arrays, detector.sha256, detector.int8_ranges, {})


def _tensors(detector: RecurrentDetector) -> dict[str, torch.Tensor]:
    return {
        name: value.detach().cpu().contiguous()
        for name, value in detector.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
