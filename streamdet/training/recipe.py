"""Reads what `streamdet train` is given: a recipe, or a data set, on which the embedded model is fine-tuned."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from streamdet.datasets.marks import IGNORE
from streamdet.datasets.yolo import read_description
from streamdet.errors import ConfigError
from streamdet.training.config import AnyRecipe, ForeignRecipe, TrainingConfig
from streamdet.yaml_file import Override, find_yaml, load_yaml

FINETUNE: dict[str, Any] = {
    "name": "finetune",
    "steps": 250,
    "frames": 6,
    "lanes": 4,
    "streaming_lanes": 2,
    "canvases": [[192, 320], [192, 320], [224, 384]],
    "learning_rate": 4e-4,
    "warm_up_steps": 25,
    "memory_rate": 1,
    "backbone_rate": 0,
    "alpha": [1, 1],
    "augment": {"zoom": 0.25, "drift": 0.05, "colour": 0.2, "occluders": 0.3, "spells": 0.3},
}
"""The phase of configs/finetune.yaml."""
_STEPS = "steps="


def read_recipe(path: Path, settings: Sequence[str] = ()) -> AnyRecipe:
    """Read a recipe, or make one for a YOLO data.yaml.

    Args:
        path: the YAML file, or the name of a recipe in the package.
        settings: `key=value` each; `steps=N` is the steps of a recipe's only phase.

    Raises:
        ConfigError: if it is neither, or something in it or in the settings is wrong.
    """
    if not path.is_dir():
        path = find_yaml(path, "configs")
    if path.suffix.lower() not in (".yaml", ".yml") or path.is_dir():
        raise ConfigError(
            f"{path}: expected a recipe such as configs/finetune.yaml, which names labelled sets under `sets`, or a "
            "YOLO data.yaml"
        )
    made = _for_data_set(path) if _is_data_set(path) else None
    file, first = (path, []) if made is None else (None, made)
    foreign = made is None and _is_foreign(path)
    short = [text for text in settings if text.startswith(_STEPS)]
    if not short:
        return _load(file, [*first, *settings], foreign=foreign)
    others = [text for text in settings if text not in short]
    names = [phase.name for phase in _load(file, [*first, *others], foreign=foreign).phases]
    if len(names) > 1:
        each = ", ".join(f"phases.{number}.steps=N ({name})" for number, name in enumerate(names))
        raise ConfigError(f"--set {short[0]}: the recipe has {len(names)} phases; expected {each}")
    return _load(file, [*first, *others, *(f"phases.0.{text}" for text in short)], foreign=foreign)


class _Model(BaseModel):
    """What tells recipes apart: those for detectors of other libraries name one."""

    model: dict[str, Any] = {}


def _is_foreign(path: Path) -> bool:
    try:
        return "detector" in load_yaml(path, _Model).model
    except ConfigError:  # which is said when all of it is read
        return False


def _load(file: Path | None, settings: Sequence[str | Override], *, foreign: bool) -> AnyRecipe:
    return load_yaml(file, ForeignRecipe, settings) if foreign else load_yaml(file, TrainingConfig, settings)


def _is_data_set(path: Path) -> bool:
    """Whether it describes a YOLO set: the names of its classes, and no phases."""
    try:
        return bool(read_description(path).names)
    except ConfigError:
        return False


def _for_data_set(path: Path) -> list[Override]:
    """A recipe that fine-tunes `street` on the split train and evaluates it on val."""
    description = read_description(path)
    splits = description.splits
    if "train" not in splits:
        raise ConfigError(f"{path}: is a data set without `train`; expected the folder or list of its pictures")
    sets = [{"name": "train", "path": path.name, "split": "train"}]
    sets += [{"name": "val", "path": path.name, "split": "val", "role": "validate"}] if "val" in splits else []
    classes = [name for name in dict.fromkeys(description.names.values()) if name != IGNORE]
    recipe: dict[str, Any] = {
        "model": {"name": path.resolve().parent.name or "model", "classes": classes},
        "data": str(path.parent),
        "initialise": "street",
        "validate_every": 50,
        "sets": sets,
        "phases": [copy.deepcopy(FINETUNE)],
    }
    return [Override(key, value, str(path)) for key, value in recipe.items()]
