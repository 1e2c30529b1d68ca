"""What models there are: in the package, of torchvision and of plug-ins, and any file. Nothing is downloaded.

Shapes: H, W pixels of the model image.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import entry_points
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.classify.spec import CLIPS
from streamdet.models.contract import Detector
from streamdet.models.onnx.names import COCO_IDS
from streamdet.models.recurrent.weights import CHECKPOINT_FORMAT, FOREIGN_FORMAT
from streamdet.models.registry import EMBEDDED_MODELS, GROUP
from streamdet.models.safetensors_file import FORMAT, read_header
from streamdet.runtimes.devices import has_torch, require_torch

_OBJECTS = "streamdet object memory 1"
_KINDS = {
    str(CHECKPOINT_FORMAT): ("detector", "OpenVINO, ONNX Runtime or torch"),
    str(FOREIGN_FORMAT): ("detector of another library with a recurrent state", "torch, torchvision"),
    CLIPS: ("classifier of clips", "torch, torchvision"),
    _OBJECTS: ("object memory", "no more"),
}
_ROUNDS, _WARM_UP = 8, 2


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of a model.

    Attributes:
        name: as --model takes it, or the path of a file.
        kind: what it is.
        classes: their names; empty where that is only known once it runs.
        parameters: their number; None where unknown.
        licence: of its weights, as its makers state it.
        needs: what has to be installed or downloaded.
        file_mb: size of its file in MB; None where unknown.
        ap: COCO box AP that its makers state; None where they state none.
        ms: of one frame on this machine; None where it was not measured.
        measured: what ran it, and at which size.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    parameters: int | None
    licence: str
    needs: str
    file_mb: float | None = None
    ap: float | None = None
    ms: float | None = None
    measured: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it, with COCO's category id of each class, null where COCO has none of the name."""
        return {**asdict(self), "coco_ids": [COCO_IDS.get(name) for name in self.classes]}


def catalogue() -> Iterator[ModelFacts]:
    """All models that are known by name."""
    folder = files("streamdet") / "weights"
    for name in EMBEDDED_MODELS:
        with as_file(folder / f"{name}.safetensors") as path:
            yield _of_file(path, name, "Apache-2.0")
    with as_file(folder / "object_memory.safetensors") as path:
        yield _of_file(path, "object_memory", "Apache-2.0")
    if has_torch():
        from torchvision.models import detection, list_models

        for builder in list_models(module=detection):
            yield _of_torchvision(builder)
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        package = point.dist.name if point.dist is not None else point.value
        yield ModelFacts(point.name, "detector of a plug-in", (), None, f"see {package}", f"package {package}")


def facts_of(name: str) -> ModelFacts:
    """One model by its name, or a file.

    Raises:
        CheckpointError: there is no such model, or its file is damaged.
        ConfigError: an .onnx is no detector, or does not tell its layout or classes.
    """
    known = {facts.name: facts for facts in catalogue()}
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix == ".safetensors":
        return _of_file(path, name, "not stated")
    if path.suffix == ".onnx":
        return _of_onnx(path)
    if name.startswith("torchvision/"):
        require_torch(f"model {name}")
        from streamdet.runtimes.torchvision import PREFIX, check_builder

        builder = name.removeprefix(PREFIX).partition(":")[0]
        check_builder(name, builder)
        return _of_torchvision(builder)
    raise CheckpointError(f"unknown model {name}: expected a file, or one of {', '.join(known)}")


def measured(facts: ModelFacts, detector: Detector) -> ModelFacts:
    """The same with the shortest time of one frame of noise of a widescreen stream."""
    letterbox = detector.spec.input.letterbox(16, 9)
    size = letterbox.model_height, letterbox.model_width
    images = np.random.default_rng(0).integers(0, 256, (1, 1, 3, *size), np.uint8)
    state, shortest_s = None, float("inf")
    for turn in range(_WARM_UP + _ROUNDS):
        started_s = time.perf_counter()
        outputs, state = detector.step(images, state)
        outputs.detections()
        if turn >= _WARM_UP:
            shortest_s = min(shortest_s, time.perf_counter() - started_s)
    values = {**asdict(facts), "ms": round(1000 * shortest_s, 1)}
    return ModelFacts(**{**values, "measured": f"{detector.runtime}, {size[0]}x{size[1]}"})


def _of_file(path: Path, name: str, licence: str) -> ModelFacts:
    header = read_header(path)
    form = header.get(FORMAT, header.get("format", ""))
    if form not in _KINDS:
        raise CheckpointError(f"{path} is no model of streamdet: its format is {form or 'not stated'}")
    kind, needs = _KINDS[form]
    described = _json(header.get("model", "{}"))
    classes = described.get("classes", [])
    with_memory = described.get("recurrent_channels", 0) if form == str(CHECKPOINT_FORMAT) else 0
    kind += " with a recurrent state" if with_memory else ""
    stated = described.get("licence", licence)
    size_mb = round(path.stat().st_size / 1e6, 1)
    return ModelFacts(name, kind, tuple(map(str, classes)), _parameters(path), str(stated), needs, size_mb)


def _json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _parameters(path: Path) -> int:
    try:
        with safe_open(path, "numpy") as file:
            shapes: Sequence[Sequence[int]] = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is not a readable safetensors file: {error}") from error
    return sum(int(np.prod(shape)) for shape in shapes)


def _of_torchvision(builder: str) -> ModelFacts:
    from torchvision.models import get_model_weights

    from streamdet.runtimes.torchvision import default_classes

    meta = get_model_weights(builder).DEFAULT.meta
    ap = meta.get("_metrics", {}).get("COCO-val2017", {}).get("box_map")
    size_mb = meta.get("_file_size")
    needs = "torch, torchvision, a download" + (f" of {size_mb:.0f} MB" if size_mb else "")
    return ModelFacts(
        f"torchvision/{builder}",
        "detector",
        default_classes(builder),
        meta.get("num_params"),
        "BSD-3-Clause",
        needs,
        size_mb,
        ap,
    )


def _of_onnx(path: Path) -> ModelFacts:
    from streamdet.runtimes.onnx_file import understand

    if not path.is_file():
        raise ConfigError(f"{path}: no such file")
    found = understand(str(path))
    parameters = sum(int(np.prod(tensor.dims)) for tensor in _initializers(path))
    licence = found.licence or "not stated"
    size_mb = round(path.stat().st_size / 1e6, 1)
    kind = f"detector, layout {found.layout}"
    return ModelFacts(str(path), kind, found.spec.classes, parameters, licence, "OpenVINO or ONNX Runtime", size_mb)


def _initializers(path: Path) -> Sequence[Any]:
    import onnx

    return list(onnx.load_from_string(path.read_bytes()).graph.initializer)
