"""What the JSON files of a model of transformers say: which classes it has, and which images it takes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from streamdet.models.contract import InputSpec
from streamdet.models.onnx.names import NO_CLASS, names_in

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
_MOST_BYTES = 2**20
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_UNNAMED = ("N/A", "")


class Described(NamedTuple):
    """What was found; None where it is not said.

    Attributes:
        names: of the columns of scores.
        image: which images it takes.
    """

    names: tuple[str, ...] | None = None
    image: InputSpec | None = None


def described_beside(model: Path) -> Described:
    """What the files beside a model say, or those in the folder above, as published models have their ONNX files."""
    for folder in (model.parent, model.parent.parent):
        config, preprocessor = _read(folder / CONFIG), _read(folder / PREPROCESSOR)
        if config is None:
            continue
        labels = config.get("id2label")
        if isinstance(labels, dict):
            labels = {key: NO_CLASS if name in _UNNAMED else name for key, name in labels.items()}
        try:
            image = None if preprocessor is None else image_of(preprocessor)
        except (ValueError, KeyError, TypeError, AttributeError):
            image = None
        return Described(names_in(labels), image)
    return Described()


def image_of(values: Mapping[str, Any], multiple: int = 32) -> InputSpec:
    """Which images a preprocessor_config.json asks for.

    Args:
        values: of the file.
        multiple: of which the model's sides are whole multiples.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: it does not say it.
    """
    size = values["size"]
    height, width = size.get("height"), size.get("width")
    side = int(size["longest_edge"] if height is None else max(height, width))
    if not 0 < side <= 4096:
        raise ValueError(f"size {side}")
    normal = values.get("do_normalize", True)
    return InputSpec(
        side,
        multiple=multiple,
        fit="pad" if height is None else "stretch",
        fixed=None if height == width else (height, width),
        scale=float(values.get("rescale_factor", 1 / 255)) if values.get("do_rescale", True) else 1.0,
        mean=_three(values.get("image_mean") or _MEAN) if normal else (0.0, 0.0, 0.0),
        std=_three(values.get("image_std") or _STD) if normal else (1.0, 1.0, 1.0),
    )


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object; None where there is none that is readable."""
    try:
        if not path.is_file() or path.stat().st_size > _MOST_BYTES:
            return None
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return values if isinstance(values, dict) else None


def _three(values: Any) -> tuple[float, float, float]:
    red, green, blue = map(float, values)
    return red, green, blue
