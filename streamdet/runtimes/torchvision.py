"""Detectors of torchvision: `torchvision/NAME`, with its own weights or those of a local file."""

import difflib
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import detection, get_model, get_model_weights, list_models

from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.foreign.memory import LevelMemory
from streamdet.models.foreign.model import ForeignModel, Network
from streamdet.models.onnx.names import COCO_91, NO_CLASS, Columns, read_names
from streamdet.models.onnx.reading import one_class
from streamdet.models.outputs import Candidates
from streamdet.runtimes.cpu import inference_threads
from streamdet.skeleton import COCO_PERSON

PREFIX = "torchvision/"
_FIXED = {"ssd300_vgg16": (300, 300), "ssdlite320_mobilenet_v3_large": (320, 320)}
_SIZE, _SIZE_OF_320 = 1344, 576
_EPS_ZERO = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "keypointrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
"""Models whose first COCO weights were trained with an epsilon of 0 in their batch norms."""
_PERSON_ALONE = ("-", "person")
_FILES = (".pth", ".pt")


def per_frame_model(name: str, class_names: str | None = None) -> ForeignModel:
    """A model without memory, on the CPU; see loading.open_torchvision.

    Raises:
        CheckpointError: if there is no such model or weights, or they are not available.
    """
    builder, _, weights = name.removeprefix(PREFIX).partition(":")
    check_builder(name, builder)
    names = _names(builder, class_names)
    model, sha256 = _with_weights(name, builder, weights or "DEFAULT", len(names))
    skeleton = COCO_PERSON if builder.startswith("keypointrcnn") else None
    spec = DetectorSpec(name, Columns(names).classes, sha256, input_of(builder), skeleton=skeleton)
    return ForeignModel(TorchvisionNetwork(model, spec, names), LevelMemory({}, 1))


def empty_network(config: ForeignConfig, sha256: str = "") -> "TorchvisionNetwork":
    """A model of torchvision with random weights, for other classes.

    Raises:
        CheckpointError: if there is no such model.
    """
    builder = config.detector.removeprefix(PREFIX)
    check_builder(config.detector, builder)
    own = input_of(builder)
    if own.fixed is None and config.image_size is not None:
        own = replace(own, size=config.image_size)
    spec = DetectorSpec(config.name, config.classes, sha256, own, config.training_dt_s)
    names = (NO_CLASS, *config.classes)
    return TorchvisionNetwork(_empty(builder, len(names)), spec, names)


def start_from(network: "TorchvisionNetwork", detector: str, weights: str) -> list[str]:
    """Take over weights, those of each class by its name.

    Args:
        network: with random weights.
        detector: as ForeignConfig.detector.
        weights: name of torchvision's, or a .pth file with a state dict; COCO's 91 labels, or the network's own.

    Returns:
        the classes that the weights do not know.

    Raises:
        CheckpointError: if there are no such weights, or they do not fit.
    """
    builder, names = detector.removeprefix(PREFIX), (NO_CLASS, *network.spec.classes)
    given = _names(builder, None)
    if Path(weights).suffix in _FILES:
        state = _read_state(Path(weights), builder)
        own = network.model.state_dict()
        given = names if all(key in own and own[key].shape == x.shape for key, x in state.items()) else given
        model: Any = _empty(builder, len(given))
        _fill(model, state, Path(weights), builder, len(given))
    else:
        model, _ = _with_weights(detector, builder, weights, len(given))
    own = network.model.state_dict()
    pairs = [(to, given.index(name)) for to, name in enumerate(names) if name in given]
    with torch.no_grad():
        for key, value in model.state_dict().items():
            if key in own and own[key].shape == value.shape:
                own[key].copy_(value)
            elif key in own:
                _copy_labels(own[key], value, pairs, len(names), len(given), label_first="bbox_pred" in key)
    for module, source in zip(network.model.modules(), model.modules(), strict=True):
        if hasattr(source, "eps"):
            module.eps = source.eps
    return [name for name in network.spec.classes if name not in given]


def _copy_labels(
    own: Tensor, given: Tensor, pairs: Sequence[tuple[int, int]], labels: int, there: int, *, label_first: bool
) -> None:
    """Copy outputs that are one or more for each label: of boxes label by label, of scores anchor by anchor."""
    shape = (labels, -1) if label_first else (-1, labels)
    of_given = (there, -1) if label_first else (-1, there)
    mine, theirs = own.view(*shape, *own.shape[1:]), given.view(*of_given, *given.shape[1:])
    for to, origin in pairs:
        if label_first:
            mine[to] = theirs[origin]
        else:
            mine[:, to] = theirs[:, origin]


def check_builder(name: str, builder: str) -> None:
    """Refuse what torchvision does not have.

    Raises:
        CheckpointError: names what it has.
    """
    known = list_models(module=detection)
    if builder not in known:
        near = difflib.get_close_matches(builder, known, n=1)
        raise CheckpointError(f"unknown model {name}: {f'did you mean {near[0]}? ' if near else ''}{', '.join(known)}")


def _names(builder: str, class_names: str | None) -> tuple[str, ...]:
    """Of all labels, the background first."""
    if class_names is not None:
        given = read_names(class_names)
        return given if given[0] == NO_CLASS else (NO_CLASS, *given)
    return _PERSON_ALONE if builder.startswith("keypointrcnn") else COCO_91


def default_classes(builder: str) -> tuple[str, ...]:
    """Names of the classes of torchvision's own weights."""
    return Columns(_names(builder, None)).classes


def input_of(builder: str) -> InputSpec:
    """Which images a model takes."""
    if builder in _FIXED:
        side = max(_FIXED[builder])
        return InputSpec(side, multiple=1, fit="stretch", fixed=_FIXED[builder], scale=1 / 255)
    return InputSpec(_SIZE_OF_320 if "_320_" in builder else _SIZE, scale=1 / 255)


def _empty(builder: str, labels: int) -> Any:
    torch.set_num_threads(inference_threads())
    return get_model(builder, weights=None, weights_backbone=None, num_classes=labels).eval()


def _with_weights(name: str, builder: str, weights: str, labels: int) -> tuple[Any, str]:
    """A model with weights, and the SHA-256 of these where they are a file."""
    published = get_model_weights(builder)
    file = Path(weights)
    if file.suffix in _FILES:
        state = _read_state(file, builder)
        model = _empty(builder, labels)
        _fill(model, state, file, builder, labels)
        return model, hashlib.sha256(file.read_bytes()).hexdigest()
    if weights not in published.__members__:
        raise CheckpointError(f"{name}: expected {', '.join(published.__members__)}, or a .pth file, got {weights}")
    known = len(published[weights].meta["categories"])
    if labels != known:
        raise ConfigError(
            f"{name}: has {known - 1} labels behind the background, --class-names names {labels - 1}: for another "
            f"number of classes its weights are those of a file, {PREFIX}{builder}:FILE.pth"
        )
    torch.set_num_threads(inference_threads())
    try:
        return get_model(builder, weights=weights).eval(), ""
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"{name}: its weights cannot be loaded ({error}); a local file works: {PREFIX}{builder}:FILE.pth"
        ) from error


def _read_state(file: Path, builder: str) -> Mapping[str, Tensor]:
    if not file.is_file():
        raise CheckpointError(f"{PREFIX}{builder}: model file not found: {file}")
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # those of pickle and of torch
        raise CheckpointError(f"{file} has no weights of {builder}: {_reason(error)}") from error
    if not isinstance(state, Mapping) or not all(isinstance(x, Tensor) for x in state.values()):
        raise CheckpointError(f"{file} has no weights of {builder}: expected a state dict of tensors")
    return state


def _fill(model: Any, state: Mapping[str, Tensor], file: Path, builder: str, labels: int) -> None:
    try:
        model.load_state_dict(state)
    except Exception as error:  # of anything that is not such a dictionary
        raise CheckpointError(
            f"{file} has no weights of {builder} with {labels} labels: {_reason(error)}; the names of other classes "
            "are said with --class-names"
        ) from error
    if builder in _EPS_ZERO and file.name == get_model_weights(builder)["COCO_V1"].url.rpartition("/")[2]:
        detection._utils.overwrite_eps(model, 0.0)


def _reason(error: Exception) -> str:
    return str(error).strip().splitlines()[-1].strip()


class TorchvisionNetwork(Network):
    """A detection model of torchvision on images of one size, which it neither scales nor pads."""

    def __init__(self, model: Any, spec: DetectorSpec, names: Sequence[str]) -> None:
        super().__init__()
        self.model: Any = model
        self.spec = spec
        self._columns, self._labels = Columns(names), len(names)
        heads = getattr(model, "roi_heads", None)
        masks = ("masks",) if heads is not None and heads.has_mask() else ()
        keypoints = ("keypoints", "keypoints_scores") if heads is not None and heads.has_keypoint() else ()
        self.outputs = ("boxes", "scores", "labels", *masks, *keypoints)
        # Masks stay as grids over their boxes, and boxes are in pixels of the image already.
        model.transform.postprocess = lambda result, shapes, sizes: result

    @property
    def taps(self) -> Mapping[str, nn.Module]:
        """See Network."""
        return {"": self.model.backbone}

    @property
    def backbone(self) -> nn.Module:
        """See Network."""
        return self.taps[""]

    def look(self, images_NCHW: Tensor) -> None:
        """See Network."""
        self._take_as_is(*images_NCHW.shape[2:])
        self.model.backbone(self.model.transform(list(images_NCHW / 255))[0].tensors)

    def find(self, image_CHW: Tensor) -> tuple[Tensor, ...]:
        """See Network."""
        self._take_as_is(*image_CHW.shape[1:])
        [found] = self.model([image_CHW.float() / 255])
        return tuple(found[name] for name in self.outputs)

    def candidates(self, found: Mapping[str, NDArray[Any]], height: int, width: int) -> Candidates:
        """See Network."""
        scores = self._columns.scores(one_class(found["scores"], found["labels"], self._labels))
        more: dict[str, Callable[[NDArray[np.int64]], NDArray[Any]]] = {}
        if "masks" in found:
            masks = found["masks"][:, 0]
            more["masks"] = lambda rows: np.rint(255 * masks[rows]).astype(np.uint8)
        if "keypoints" in found:
            keypoints = _keypoints(found)
            more["keypoints"] = lambda rows: keypoints[rows]
        return Candidates(np.asarray(found["boxes"], np.float32), scores, overlapping=False, more=more)

    def losses(self, images: Tensor, targets: Sequence[Mapping[str, Tensor]], rows: Sequence[int]) -> dict[str, Tensor]:
        """See Network."""
        self._take_as_is(*images.shape[2:])
        shown = list(images / 255)
        # The heads are shown the frames with targets, while the backbone sees all of them.
        whole = self.model.transform(shown)[0].tensors
        seen = self.model.backbone.register_forward_pre_hook(lambda module, inputs: (whole,))
        labelled = [{"boxes": target["boxes"], "labels": target["class_ids"] + 1} for target in targets]
        try:
            losses: dict[str, Tensor] = self.model([shown[row] for row in rows], labelled)
        finally:
            seen.remove()
        return losses

    def _take_as_is(self, height: int, width: int) -> None:
        transform = self.model.transform
        if transform.fixed_size is None:
            transform.min_size, transform.max_size = (min(height, width),), max(height, width)


def _keypoints(found: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """(N, P, 3): x and y, and torchvision's score, a logit, as 0 to 1."""
    scores = 0.5 * np.tanh(0.5 * found["keypoints_scores"]) + 0.5
    return np.concatenate([found["keypoints"][..., :2], scores[..., None]], axis=2, dtype=np.float32)
