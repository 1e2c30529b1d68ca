"""What a detector starts from: a streamdet model, whose classes may be others, or Intel's person-vehicle-bike one."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from streamdet.errors import CheckpointError
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import detector_of
from streamdet.models.recurrent.config import ModelConfig
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.models.recurrent.layout import ANCHOR_SIDES
from streamdet.models.registry import EMBEDDED_MODELS
from streamdet.runtimes.loading import load_weights
from streamdet.training.config import AnyRecipe, TrainingConfig
from streamdet.training.intel import read_intel

# What may differ without a weight having another shape or meaning; a model without a memory may get one.
_FREE = {"name", "classes", "groups", "image_size"}
_MEMORY = {"recurrent_channels", "recurrent_strides"}
_ONNX = ".onnx"


def complete_recipe(config: AnyRecipe) -> AnyRecipe:
    """The recipe, with what its model section leaves out taken from the model that training starts from.

    Raises:
        CheckpointError: if there is no such model, or its file is damaged.
    """
    if not isinstance(config, TrainingConfig):
        return config
    given = None if config.initialise is None else _built_like(config.initialise, config.data)
    if given is None:
        return config
    left_out = {key: value for key, value in given if key not in config.model.model_fields_set}
    if "groups" in left_out:
        left_out["groups"] = _groups_of(given, config.model.classes)
    return config.model_copy(update={"model": config.model.model_copy(update=left_out)})


def open_model(
    path: Path, model: ModelConfig, *, data: Path = Path(), seed: int = 0, say: Callable[[str], None] = lambda _: None
) -> RecurrentDetector:
    """A detector with the weights of a file.

    Args:
        path: `street`, a streamdet checkpoint, or the .onnx of person-vehicle-bike-detection-2003 or -2004.
        model: the detector wanted. Name, classes and image size may be others than those of a streamdet checkpoint.
        data: folder that the path is relative to, unless it is the name of a model in the package.
        seed: draws the weights that the file does not have.
        say: called with the classes that the file does not know.

    Raises:
        CheckpointError: if the file does not fit.
    """
    torch.manual_seed(seed)
    detector = build_detector(model)
    name = _find(path, data)
    source = read_intel(data / path) if path.suffix == _ONNX else detector_of(load_weights(name))
    new = _take_over(detector, source, name)
    if new:
        known = ", ".join(cls for cls in model.classes if cls not in new) or "none of the classes"
        say(f"{name} knows {known}; new classes, trained from nothing: {', '.join(new)}")
    return detector


def open_teacher(path: Path, model: ModelConfig, *, data: Path = Path()) -> RecurrentDetector:
    """A detector to learn from: as `open_model`, but built as it is itself."""
    given = _built_like(path, data) or model.model_copy(update={"recurrent_channels": 0})
    groups = _groups_of(given, model.classes)
    return open_model(path, given.model_copy(update={"classes": model.classes, "groups": groups}), data=data)


def _built_like(path: Path, data: Path) -> ModelConfig | None:
    """How a streamdet model is built; None for another's."""
    return None if path.suffix == _ONNX else load_weights(_find(path, data)).config


def _find(path: Path, data: Path) -> str:
    """The name of a model in the package, or a path."""
    return str(path) if str(path) in EMBEDDED_MODELS else str(data / path)


def _groups_of(given: ModelConfig, classes: tuple[str, ...]) -> dict[str, tuple[str, ...]] | None:
    """The groups of a model for other classes: a class with the name of a group is the whole group."""
    groups = {
        name: (name,) if name in classes else tuple(member for member in members if member in classes)
        for name, members in given.members.items()
    }
    groups = {name: members for name, members in groups.items() if members}
    grouped = {member for members in groups.values() for member in members}
    groups |= {name: (name,) for name in classes if name not in grouped}
    return None if all((name,) == members for name, members in groups.items()) else groups


@torch.no_grad()
def _take_over(detector: RecurrentDetector, source: RecurrentDetector, name: str) -> list[str]:
    """Copy all weights, those of groups and names one by one; returns the classes that the source does not have."""
    free = _FREE if source.config.recurrent_channels else _FREE | _MEMORY
    wanted, given = (config.model_dump(exclude=free) for config in (detector.config, source.config))
    wrong = [f"{key} {given[key]}, the recipe's model {wanted[key]}" for key in wanted if wanted[key] != given[key]]
    if wrong:
        raise CheckpointError(
            f"{name} has {wrong[0]}; to start from it, the recipe's model must have the same architecture"
        )
    groups, names = _same_groups(detector.config, source.config), _same_names(detector.config, source.config)
    rows = {"head.groups.": groups, "head.names.out.": names}
    own = detector.state_dict()
    for key, value in source.state_dict().items():
        matching = next((pairs for start, pairs in rows.items() if key.startswith(start)), None)
        if matching is not None and key in own:
            _copy_rows(own[key], value, matching)
        elif key in own:
            own[key].copy_(value)
    return _new_classes(detector.config, groups, names)


def _same_groups(config: ModelConfig, source: ModelConfig) -> dict[int, int]:
    """Which group of the source each group starts from, by numbers: that of its name, or that with its first class."""
    there = list(source.members)
    found = {}
    for number, (name, members) in enumerate(config.members.items()):
        if name in there:
            found[number] = there.index(name)
        elif members[0] in source.classes:
            found[number] = int(source.group_of_class[source.classes.index(members[0])])
    return found


def _same_names(config: ModelConfig, source: ModelConfig) -> dict[int, int]:
    """Which name of the source each name starts from, by numbers."""
    groups = _same_groups(config, source)
    wanted = [(groups.get(group), name) for group, name in config.names]
    return {to: source.names.index(name) for to, name in enumerate(wanted) if name in source.names}


def _new_classes(config: ModelConfig, groups: dict[int, int], names: dict[int, int]) -> list[str]:
    """Classes whose score starts from nothing."""
    numbers = enumerate(config.names)
    named = {name for number, (group, name) in numbers if number in names and group in groups}
    alone = {members[0] for number, members in enumerate(config.members.values()) if number in groups}
    single = {members[0] for members in config.members.values() if len(members) == 1}
    return [name for name in config.classes if name not in named | (alone & single)]


def _copy_rows(own: Tensor, given: Tensor, rows: dict[int, int]) -> None:
    """Copy outputs of a convolution that has as many for each anchor of a cell."""
    here, there = (x.view(len(ANCHOR_SIDES), -1, *x.shape[1:]) for x in (own, given))
    for to, origin in rows.items():
        here[:, to] = there[:, origin]
