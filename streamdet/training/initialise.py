"""What a detector starts from: NanoDet-m's weights, or a streamdet model whose classes may be others."""

from collections.abc import Callable
from pathlib import Path

import torch

from streamdet.errors import CheckpointError
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import detector_of
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.registry import EMBEDDED_MODELS
from streamdet.runtimes.loading import load_weights
from streamdet.training.config import TrainingConfig
from streamdet.training.nanodet import initialise_from_nanodet

# What may differ without a weight having another shape or meaning.
_FREE = {"name", "classes", "image_size"}
_NANODET = ".ckpt"


def complete_recipe(config: TrainingConfig) -> TrainingConfig:
    """The recipe, with what its model section leaves out taken from the model that training starts from.

    Raises:
        CheckpointError: if there is no such model, or its file is damaged.
    """
    given = None if config.initialise is None else _built_like(config.initialise, config.data)
    if given is None:
        return config
    left_out = {key: value for key, value in given if key not in config.model.model_fields_set}
    return config.model_copy(update={"model": config.model.model_copy(update=left_out)})


def open_model(
    path: Path, model: ModelConfig, *, data: Path = Path(), seed: int = 0, say: Callable[[str], None] = lambda _: None
) -> RecurrentDetector:
    """A detector with the weights of a file.

    Args:
        path: `street`, a streamdet checkpoint, or NanoDet-m's .ckpt.
        model: the detector wanted. Name, classes and image size may be others than those of a streamdet checkpoint.
        data: folder that the path is relative to, unless it is the name of a model in the package.
        seed: draws the weights that the file does not have.
        say: called with the classes that the file does not know.

    Raises:
        CheckpointError: if the file does not fit.
    """
    torch.manual_seed(seed)
    detector = build_detector(model)
    if path.suffix == _NANODET:
        initialise_from_nanodet(detector, data / path)
        return detector
    name = _find(path, data)
    new = _take_over(detector, detector_of(load_weights(name)), name)
    if new:
        known = ", ".join(cls for cls in model.classes if cls not in new) or "none of the classes"
        say(f"{name} knows {known}; new classes, trained from nothing: {', '.join(new)}")
    return detector


def open_teacher(path: Path, model: ModelConfig, *, data: Path = Path()) -> RecurrentDetector:
    """A detector to learn from: as `open_model`, but built as it is itself; NanoDet-m has no memory."""
    given = _built_like(path, data) or model.model_copy(update={"recurrent_channels": 0, "inner_widths": None})
    return open_model(path, given.model_copy(update={"classes": model.classes}), data=data)


def _built_like(path: Path, data: Path) -> ModelConfig | None:
    """How a streamdet model is built; None for NanoDet-m's."""
    return None if path.suffix == _NANODET else load_weights(_find(path, data)).config


def _find(path: Path, data: Path) -> str:
    """The name of a model in the package, or a path."""
    return str(path) if str(path) in EMBEDDED_MODELS else str(data / path)


@torch.no_grad()
def _take_over(detector: RecurrentDetector, source: RecurrentDetector, name: str) -> list[str]:
    """Copy all weights, those of the scores class by class; returns the classes that the source does not have."""
    wanted, given = (config.model_dump(exclude=_FREE) for config in (detector.config, source.config))
    wrong = [f"{key} {given[key]}, the recipe's model {wanted[key]}" for key in wanted if wanted[key] != given[key]]
    if wrong:
        raise CheckpointError(
            f"{name} has {wrong[0]}; to start from it, the recipe's model must have the same architecture"
        )
    tensors = source.state_dict()
    own = detector.state_dict()
    rows = [(to, source.classes.index(cls)) for to, cls in enumerate(detector.classes) if cls in source.classes]
    for key in tensors:
        if key.startswith("head.score_convs."):
            for to, origin in rows:
                own[key][to] = tensors[key][origin]
        else:
            own[key].copy_(tensors[key])
    return [cls for cls in detector.classes if cls not in source.classes]
