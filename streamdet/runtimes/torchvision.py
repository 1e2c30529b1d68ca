"""Detectors of torchvision: `torchvision/NAME`, a frame at a time, with its own weights or those of a local file.

Shapes: N images, H, W pixels of the model image.
"""

import difflib
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.errors import CheckpointError, ConfigError, ModelError
from streamdet.models.contract import Detector, DetectorSpec, InputSpec
from streamdet.models.onnx.names import COCO_91, NO_CLASS, Columns, read_names
from streamdet.models.onnx.reading import one_class
from streamdet.models.options import Precision, Runtime
from streamdet.models.outputs import CandidateOutputs, Candidates
from streamdet.models.per_frame import StatelessDetector
from streamdet.runtimes.cpu import inference_threads
from streamdet.runtimes.devices import is_gpu, require_torch
from streamdet.skeleton import COCO_PERSON

PREFIX = "torchvision/"
_FIXED = {"ssd300_vgg16": (300, 300), "ssdlite320_mobilenet_v3_large": (320, 320)}
_SIZE, _SIZE_OF_320 = 1344, 576
_EPS_ZERO = ("fasterrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn", "keypointrcnn_resnet50_fpn", "retinanet_resnet50_fpn")
"""Models whose first COCO weights were trained with an epsilon of 0 in their batch norms."""
_PERSON_ALONE = ("-", "person")


def open_torchvision(
    name: str, *, device: str, runtime: Runtime, precision: Precision, class_names: str | None = None
) -> Detector:
    """A detector of torchvision; see registry.Builder.

    Args:
        name: torchvision/NAME, or torchvision/NAME:WEIGHTS with the name of its weights (DEFAULT otherwise, which
            torchvision downloads once), or with a .pth file of a state dict.
        device: auto, cpu, cuda or cuda:N.
        runtime: auto or torch.
        precision: auto or fp32.
        class_names: of the labels from 1 on; None: COCO's.

    Raises:
        CheckpointError: if there is no such model or weights, or they cannot be had.
        ConfigError: if device, runtime or precision are not available.
    """
    require_torch(f"model {name}")
    if runtime not in ("auto", "torch") or precision not in ("auto", "fp32"):
        raise ConfigError(f"{name} runs with runtime torch in fp32, not {runtime} {precision}")
    builder, _, weights = name.removeprefix(PREFIX).partition(":")
    names = _names(builder, class_names)
    model, sha256 = _build(builder, weights or "DEFAULT", len(names), name)
    skeleton = COCO_PERSON if builder.startswith("keypointrcnn") else None
    spec = DetectorSpec(name, Columns(names).classes, sha256, _input(builder), skeleton=skeleton)
    place = device if is_gpu(device) else "cpu"
    look = _Look(model.to(place), spec, Columns(names), len(names), place)
    return StatelessDetector(spec, f"torch {place} fp32", look)


def _names(builder: str, class_names: str | None) -> tuple[str, ...]:
    """Of all labels, the background first."""
    if class_names is not None:
        given = read_names(class_names)
        return given if given[0] == NO_CLASS else (NO_CLASS, *given)
    return _PERSON_ALONE if builder.startswith("keypointrcnn") else COCO_91


def _input(builder: str) -> InputSpec:
    if builder in _FIXED:
        side = max(_FIXED[builder])
        return InputSpec(side, multiple=1, fit="stretch", fixed=_FIXED[builder], scale=1 / 255)
    return InputSpec(_SIZE_OF_320 if "_320_" in builder else _SIZE, scale=1 / 255)


def _build(builder: str, weights: str, labels: int, name: str) -> tuple[Any, str]:
    """The model with its weights, and the SHA-256 of these where they are a file."""
    import torch
    from torchvision.models import detection, get_model, get_model_weights, list_models

    known = list_models(module=detection)
    if builder not in known:
        near = difflib.get_close_matches(builder, known, n=1)
        raise CheckpointError(f"unknown model {name}: {f'did you mean {near[0]}? ' if near else ''}{', '.join(known)}")
    torch.set_num_threads(inference_threads())
    published = get_model_weights(builder)
    file = Path(weights)
    if file.suffix not in (".pth", ".pt"):
        if weights not in published.__members__:
            raise CheckpointError(f"{name}: expected {', '.join(published.__members__)}, or a .pth file, got {weights}")
        try:
            return get_model(builder, weights=weights).eval(), ""
        except (OSError, RuntimeError) as error:
            raise CheckpointError(
                f"{name}: its weights cannot be had ({error}); a local file works: {PREFIX}{builder}:FILE.pth"
            ) from error
    if not file.is_file():
        raise CheckpointError(f"{name}: model file not found: {file}")
    model = get_model(builder, weights=None, weights_backbone=None, num_classes=labels)
    try:
        model.load_state_dict(torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # those of pickle and of torch
        reason = str(error).strip().splitlines()[-1].strip()
        raise CheckpointError(f"{file} has no weights of {builder} with {labels} labels: {reason}") from error
    if builder in _EPS_ZERO and file.name == published["COCO_V1"].url.rpartition("/")[2]:
        detection._utils.overwrite_eps(model, 0.0)
    return model.eval(), hashlib.sha256(file.read_bytes()).hexdigest()


class _Look:
    """Runs the model on images of one size, which it neither scales nor pads."""

    def __init__(self, model: Any, spec: DetectorSpec, columns: Columns, labels: int, device: str) -> None:
        self._model, self._spec, self._columns = model, spec, columns
        self._labels, self._device = labels, device
        # Masks stay as grids over their boxes, and boxes are in pixels of the image already.
        model.transform.postprocess = lambda result, shapes, sizes: result

    def __call__(self, images: NDArray[np.uint8]) -> CandidateOutputs:
        import torch

        height, width = images.shape[2:]
        transform = self._model.transform
        if transform.fixed_size is None:
            transform.min_size, transform.max_size = (min(height, width),), max(height, width)
        try:
            with torch.inference_mode():
                tensors = torch.from_numpy(np.ascontiguousarray(images)).to(self._device).float().div_(255)
                found = [self._model([image])[0] for image in tensors]  # in a batch they differ in the last bits
        except RuntimeError as error:
            raise ModelError(f"{self._spec.name}: torch failed: {error}") from error
        frames = [self._candidates({name: x.cpu().numpy() for name, x in image.items()}) for image in found]
        return CandidateOutputs([frames], self._spec.classes, self._spec.skeleton)

    def _candidates(self, found: Mapping[str, NDArray[Any]]) -> Candidates:
        scores = self._columns.scores(one_class(found["scores"], found["labels"], self._labels))
        more: dict[str, Callable[[NDArray[np.int64]], NDArray[Any]]] = {}
        if "masks" in found:
            masks = found["masks"][:, 0]
            more["masks"] = lambda rows: np.rint(255 * masks[rows]).astype(np.uint8)
        if "keypoints" in found:
            keypoints = _keypoints(found)
            more["keypoints"] = lambda rows: keypoints[rows]
        return Candidates(np.asarray(found["boxes"], np.float32), scores, overlapping=False, more=more)


def _keypoints(found: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """(N, P, 3): x and y, and torchvision's score, a logit, as 0 to 1."""
    scores = 0.5 * np.tanh(0.5 * found["keypoints_scores"]) + 0.5
    return np.concatenate([found["keypoints"][..., :2], scores[..., None]], axis=2, dtype=np.float32)
