"""Detectors of Hugging Face's transformers: `hf:OWNER/NAME`, or `hf:` and a folder.

Only safetensors are read, and no code but that of transformers runs.
"""

import json
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter
from torch import Tensor, nn

from streamdet.boxes import clip_boxes
from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.foreign.memory import LevelMemory
from streamdet.models.foreign.model import ForeignModel, Network
from streamdet.models.onnx.names import NO_CLASS, Columns, read_names
from streamdet.models.onnx.reading import corners, sigmoid, sizes
from streamdet.models.outputs import Candidates
from streamdet.models.safetensors_file import file_sha256
from streamdet.models.transformers_files import PREPROCESSOR, image_of
from streamdet.runtimes.cpu import inference_threads

log = logging.getLogger("streamdet.models.huggingface")
PREFIX = "hf:"


class Family(NamedTuple):
    """What is particular to a kind of model.

    Attributes:
        taps: see Network.taps.
        multiple: of which sides of images are whole multiples.
        softmax: scores are shares of a softmax whose last column is no object; otherwise a sigmoid of each.
    """

    taps: Callable[[Any], Mapping[str, nn.Module]]
    multiple: Callable[[Any], int] = lambda config: 32
    softmax: bool = False


def _projections(model: Any) -> Mapping[str, nn.Module]:
    return {str(level): module for level, module in enumerate(model.model.encoder_input_proj)}


FAMILIES = {
    "rt_detr": Family(_projections),
    "rt_detr_v2": Family(_projections),
    "d_fine": Family(_projections),
    "deimv2": Family(lambda model: {"": model.model.conv_encoder}),
    "rf_detr": Family(
        lambda model: {"map": model.model.backbone.projector},
        lambda config: config.backbone_config.patch_size * config.backbone_config.num_windows,
    ),
    "yolos": Family(lambda model: {}, lambda config: config.patch_size, softmax=True),
}


class HuggingFaceNetwork(Network):
    """A detection model of transformers."""

    outputs = ("logits", "pred_boxes")

    def __init__(self, model: Any, spec: DetectorSpec, names: Sequence[str]) -> None:
        super().__init__()
        self.model: Any = model
        self.spec = spec
        self._family = FAMILIES[model.config.model_type]
        self._columns = Columns(names)

    @property
    def facts(self) -> Mapping[str, Any]:
        """See Network."""
        return {"config": self.model.config.to_dict(), "input": asdict(self.spec.input)}

    @property
    def taps(self) -> Mapping[str, nn.Module]:
        """See Network."""
        return self._family.taps(self.model)

    @property
    def backbone(self) -> nn.Module:
        """See Network."""
        whole: nn.Module = getattr(self.model.model, "backbone", None) or self.model.model.conv_encoder
        return whole

    def find(self, image_CHW: Tensor) -> tuple[Tensor, ...]:
        """See Network."""
        found = self.model(pixel_values=self._pixels(image_CHW[None].float()))
        return found.logits[0], found.pred_boxes[0]

    def look(self, images_NCHW: Tensor) -> None:
        """See Network."""
        self.model.model(pixel_values=self._pixels(images_NCHW))

    def candidates(self, found: Mapping[str, NDArray[Any]], height: int, width: int) -> Candidates:
        """See Network."""
        logits = np.asarray(found["logits"], np.float32)
        if self._family.softmax:
            likely = np.exp(logits - logits.max(axis=1, keepdims=True))
            scores = (likely / likely.sum(axis=1, keepdims=True))[:, :-1]
        else:
            scores = sigmoid(logits)
        boxes = corners(np.asarray(found["pred_boxes"], np.float32)) * sizes(height, width)
        return Candidates(clip_boxes(boxes, width, height), self._columns.scores(scores), overlapping=False)

    def losses(self, images: Tensor, targets: Sequence[Mapping[str, Tensor]], rows: Sequence[int]) -> dict[str, Tensor]:
        """See Network."""
        whole = self._pixels(images)
        scale = torch.tensor(sizes(*images.shape[2:]), device=images.device)
        labels = [
            {"class_labels": target["class_ids"], "boxes": _centres(target["boxes"] / scale)} for target in targets
        ]
        # The heads are shown the frames with targets, while the backbone sees all of them.
        seen = self.backbone.register_forward_pre_hook(lambda module, inputs: (whole, *inputs[1:]))
        try:
            loss: Tensor = self.model(pixel_values=whole[list(rows)], labels=labels).loss
        finally:
            seen.remove()
        return {"detection": loss}

    def _pixels(self, images_NCHW: Tensor) -> Tensor:
        image = self.spec.input
        mean, std = (torch.tensor(x, device=images_NCHW.device)[:, None, None] for x in (image.mean, image.std))
        return (images_NCHW * image.scale - mean) / std


def _centres(boxes: Tensor) -> Tensor:
    """Corners to centre, width and height."""
    low, high = boxes[:, :2], boxes[:, 2:]
    return torch.cat(((low + high) / 2, high - low), dim=1)


def per_frame_model(name: str, class_names: str | None = None) -> ForeignModel:
    """A model without memory, on the CPU; see loading.open_huggingface.

    Raises:
        CheckpointError: if there is no such model, or it is not available or not to be trusted.
        ConfigError: if it is no detector that is understood.
    """
    place = name.removeprefix(PREFIX)
    config = _config(name, place)
    model = _with_weights(name, place, config)
    labels = _labels(name, config, class_names)
    file = _cached(place, "model.safetensors")
    sha256 = "" if file is None else file_sha256(file)
    spec = DetectorSpec(name, Columns(labels).classes, sha256, _input(name, place, config))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    licence = _licence(place) or "not stated"
    log.info("%s: %.1f M parameters; licence, as its card says: %s", name, parameters / 1e6, licence)
    return ForeignModel(HuggingFaceNetwork(model, spec, labels), LevelMemory({}, 1))


def new_network(config: ForeignConfig, *, with_weights: bool) -> tuple[HuggingFaceNetwork, list[str]]:
    """A model for other classes, with those of its weights that are not of its classes, and rows by their names.

    Args:
        config: of the detector.
        with_weights: whether it starts from the detector's own; otherwise at random.

    Returns:
        the network, and the classes that its weights do not know.

    Raises:
        CheckpointError, ConfigError: see per_frame_model.
    """
    given = per_frame_model(config.detector).network
    values = given.model.config.to_dict() | _named(config.classes)
    image = given.spec.input
    if image.fixed is None and config.image_size is not None:
        image = replace(image, size=config.image_size)
    network = empty_network(config, {"config": values, "input": asdict(image)})
    if not with_weights:
        return network, list(config.classes)
    labels = _labels(config.detector, given.model.config, None)
    own = network.model.state_dict()
    with torch.no_grad():
        for key, value in given.model.state_dict().items():
            if own[key].shape == value.shape:
                own[key].copy_(value)
                continue
            for row, cls in enumerate(config.classes):
                if cls in labels:
                    own[key][row] = value[labels.index(cls)]
    return network, [cls for cls in config.classes if cls not in labels]


def empty_network(config: ForeignConfig, facts: Mapping[str, Any], sha256: str = "") -> HuggingFaceNetwork:
    """A model with random weights.

    Args:
        config: of the detector.
        facts: see HuggingFaceNetwork.facts.
        sha256: of its file.

    Raises:
        ConfigError: if transformers is not installed.
        ValueError, KeyError, TypeError: if the facts are of no such model.
    """
    transformers = import_transformers(config.detector)
    values = facts["config"]
    described = transformers.CONFIG_MAPPING[values["model_type"]].from_dict(values)
    model = transformers.MODEL_FOR_OBJECT_DETECTION_MAPPING[type(described)](described)
    image = TypeAdapter(InputSpec).validate_python(facts["input"])
    spec = DetectorSpec(config.name, config.classes, sha256, image, config.training_dt_s)
    return HuggingFaceNetwork(model.eval(), spec, config.classes)


def import_transformers(name: str) -> Any:
    """The package, quiet.

    Raises:
        ConfigError: if it is not installed.
    """
    try:
        import transformers
    except ImportError as error:
        raise ConfigError(f"model {name} needs transformers ({error}): pip install 'streamdet[hf]'") from error
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # each try to reach it
    return transformers


def _named(classes: Sequence[str]) -> dict[str, Any]:
    """The part of a configuration that says which classes there are."""
    numbered = dict(enumerate(classes))
    return {"id2label": numbered, "label2id": {name: number for number, name in numbered.items()}}


def _config(name: str, place: str) -> Any:
    """Its description, of a kind that is understood."""
    transformers = import_transformers(name)
    torch.set_num_threads(inference_threads())
    if place.startswith(("/", ".", "~")) and not Path(place).is_dir():
        raise CheckpointError(f"{name}: no such folder")
    if not Path(place).is_dir() and not re.fullmatch(r"[\w.-]+/[\w.-]+", place):
        raise CheckpointError(f"{name}: expected hf:OWNER/NAME, or hf: and a folder")
    try:
        values, _ = transformers.PretrainedConfig.get_config_dict(place)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{name}: cannot be loaded: {_reason(error, place)}") from error
    if not values:
        raise CheckpointError(f"{name}: cannot be loaded: there is no config.json")
    kind = values.get("model_type")
    if kind not in FAMILIES:
        own_code = ", and asks to run code of its own, which is refused" if "auto_map" in values else ""
        raise ConfigError(f"{name}: is of the kind {kind}{own_code}; expected one of {', '.join(FAMILIES)}")
    try:
        return transformers.CONFIG_MAPPING[kind].from_dict(values)
    except Exception as error:  # its configurations raise almost anything
        raise CheckpointError(f"{name}: has a wrong config.json: {_first_line(error)}") from error


def _with_weights(name: str, place: str, config: Any) -> Any:
    transformers = import_transformers(name)
    kind = transformers.MODEL_FOR_OBJECT_DETECTION_MAPPING[type(config)]
    try:
        model, report = kind.from_pretrained(
            place,
            config=config,
            use_safetensors=True,
            trust_remote_code=False,
            ignore_mismatched_sizes=True,  # they are reported
            output_loading_info=True,
            dtype=torch.float32,
        )
    except OSError as error:
        raise CheckpointError(
            f"{name}: has no weights as safetensors, and others are not read, as they can run code: "
            f"{_reason(error, place)}"
        ) from error
    except Exception as error:  # of a damaged file, of tensors that do not fit
        raise CheckpointError(f"{name}: its weights do not fit: {_first_line(error)}") from error
    wrong = sorted([*report["missing_keys"], *(name for name, *_ in report["mismatched_keys"])])
    if wrong:
        raise CheckpointError(f"{name}: its weights do not fit: {', '.join(wrong[:3])} differ")
    return model.eval()


def _labels(name: str, config: Any, class_names: str | None) -> tuple[str, ...]:
    """Names of the columns of scores."""
    labels = tuple(config.id2label.get(number, NO_CLASS) for number in range(config.num_labels))
    labels = tuple(NO_CLASS if label in ("N/A", "") else label for label in labels)
    if class_names is not None:
        labels = read_names(class_names)
    elif all(re.fullmatch(r"LABEL_\d+", label) for label in labels):
        log.warning("%s: has no names for its %d classes: --class-names sets them", name, len(labels))
    if len(labels) != config.num_labels:
        raise ConfigError(f"{name}: has {config.num_labels} classes, and --class-names names {len(labels)}")
    return labels


def _input(name: str, place: str, config: Any) -> InputSpec:
    """Which images it takes, by its preprocessor_config.json."""
    path = _cached(place, PREPROCESSOR)
    try:
        values = {} if path is None else json.loads(path.read_text(encoding="utf-8"))
        return image_of(values, FAMILIES[config.model_type].multiple(config))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{name}: has no {PREPROCESSOR} that says which images it takes ({type(error).__name__} {error})"
        ) from error


def _licence(place: str) -> str | None:
    """What the model's card says of it."""
    card = _cached(place, "README.md")
    if card is None:
        return None
    found = re.search(r"^license:\s*(.+)$", card.read_text(encoding="utf-8", errors="replace")[:20_000], re.MULTILINE)
    return None if found is None else found[1].strip()[:100]


def _cached(place: str, file: str) -> Path | None:
    """A file of the model, of the folder or of the user's cache, downloaded where it is not there yet."""
    from transformers.utils import cached_file

    with suppress(OSError, ValueError):
        path = cached_file(place, file, _raise_exceptions_for_missing_entries=False)
        return None if path is None else Path(path)
    return None


def _reason(error: Exception, place: str) -> str:
    """Why it cannot be loaded, and what to do."""
    elsewhere = "" if Path(place).is_dir() else "; a folder that it was downloaded to needs no network: hf:/FOLDER"
    return _first_line(error) + elsewhere


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")
