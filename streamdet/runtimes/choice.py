"""Which runtime executes a detector: the one that was asked for, or the fastest that works here.

Speeds are measured once for a model, a machine and the packages on it, and remembered in the user's cache.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray

from streamdet.errors import ConfigError, ModelError
from streamdet.models.contract import Detector
from streamdet.models.options import Precision, Runtime
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.runtimes.cache import cache_folder, write_whole
from streamdet.runtimes.cpu import inference_threads, processor
from streamdet.runtimes.torch import TorchDetector, resolve_device
from streamdet.version import __version__

log = logging.getLogger("streamdet.runtimes")


class Way(NamedTuple):
    """One way to execute a detector on the CPU."""

    runtime: str
    precision: str


# In order of preference: a later one has to be faster by a tenth, so that bf16 earns its rounding.
_WAYS = (Way("openvino", "fp32"), Way("openvino", "bf16"), Way("onnxruntime", "fp32"), Way("torch", "fp32"))
# Never chosen by auto: int8 finds a little less.
_ON_REQUEST = (Way("torch", "bf16"), Way("openvino", "int8"))
_WORTH_IT = 0.9
_ROUNDS = 6
# A runtime that differs more from torch on the same images does not work.
_MOST_SCORE_DIFFERENCE = 0.1
_PACKAGES = ("torch", "openvino", "onnx", "onnxruntime")


def ready(model: RecurrentDetector, *, device: str, runtime: Runtime, precision: Precision) -> Detector:
    """Make a model ready to run.

    On the CPU this sets how many threads torch has in this process, see cpu.inference_threads.

    Args:
        model: the model; it becomes the detector's own.
        device: auto, cpu, cuda or cuda:N.
        runtime: auto is torch on a GPU, and on the CPU the fastest that is installed and works.
        precision: auto is bf16 on a GPU; on the CPU fp32, or bf16 where OpenVINO is faster with it. int8 needs a
            model that is calibrated for it.

    Raises:
        ConfigError: if device, runtime or precision are not to be had, or not together.
    """
    on_gpu = resolve_device(device).type == "cuda"
    if on_gpu and runtime in ("auto", "torch"):
        return TorchDetector(model, device, precision)
    if on_gpu and device != "auto":
        raise ConfigError(f"runtime {runtime} runs on the CPU only; use runtime torch, or device cpu")
    if torch.get_num_threads() != inference_threads():
        torch.set_num_threads(inference_threads())
    ways = _ways(runtime, precision)
    if len(ways) == 1:
        return _open(model, ways[0])
    memory = _memory(model, ways)
    remembered = _recall(memory, ways)
    if remembered is not None:
        try:
            return _open(model, remembered)
        except ConfigError as error:
            log.warning("%s %s does not work any more: %s", *remembered, error)
    return _fastest(model, ways, memory)


def _ways(runtime: Runtime, precision: Precision) -> list[Way]:
    """What the wishes leave.

    Raises:
        ConfigError: if that is nothing.
    """
    known = (*_WAYS, *_ON_REQUEST) if precision in ("bf16", "int8") else _WAYS
    ways = [way for way in known if runtime in ("auto", way.runtime) and precision in ("auto", way.precision)]
    if not ways and precision == "fp16":
        raise ConfigError("precision fp16 needs a GPU; on the CPU use fp32 or bf16")
    if not ways:
        raise ConfigError(f"runtime {runtime} does not compute in {precision}; use fp32 or auto")
    return ways


def _open(model: RecurrentDetector, way: Way) -> Detector:
    """A detector.

    Raises:
        ConfigError: if the runtime is not installed or cannot do the precision here.
    """
    precision = cast(Literal["fp32", "bf16", "int8"], way.precision)
    if way.runtime == "torch":
        return TorchDetector(model, "cpu", precision)
    if precision == "int8" and not model.int8_ranges:
        raise ConfigError(
            f"model {model.name} is not calibrated for int8; that is done by: streamdet export --model ... --int8 CLIP"
        )
    try:
        from streamdet.runtimes.graph.detector import GraphDetector
    except ImportError as error:
        raise ConfigError(f"runtime {way.runtime} needs onnx ({error}); install it: pip install onnx") from error
    if way.runtime == "onnxruntime":
        from streamdet.runtimes.onnxruntime import OnnxRuntimeEngine

        return GraphDetector(model, OnnxRuntimeEngine())
    from streamdet.runtimes.openvino import OpenVINOEngine

    return GraphDetector(model, OpenVINOEngine(precision))


def _fastest(model: RecurrentDetector, ways: Sequence[Way], memory: Path | None) -> Detector:
    """Open all ways, throw out what does not work, and keep the fastest.

    Raises:
        ConfigError: if none works.
    """
    images = _images(model)
    expected = TorchDetector(model, "cpu", "fp32").step(images)[0].scores.numpy()
    working: dict[Way, Detector] = {}
    problems = []
    for way in ways:
        try:
            detector = _open(model, way)
            difference = float(np.abs(_scores(detector, images) - expected).max())
            if not difference <= _MOST_SCORE_DIFFERENCE:
                raise ModelError(f"scores differ from torch's by {difference:.3f}")
            working[way] = detector
        except Exception as error:  # whatever keeps one from working, another may do
            log.debug("%s %s does not work here: %s", *way, error)
            problems.append(str(error))
    if not working:
        raise ConfigError(problems[0])
    ms = _milliseconds(working, images)
    best = next(iter(working))
    for way in working:
        if ms[way] < _WORTH_IT * ms[best]:
            best = way
    log.debug(
        "fastest here is %s (%s, measured once)",
        " ".join(best),
        ", ".join(f"{' '.join(way)} {value:.1f} ms a frame" for way, value in ms.items()),
    )
    if memory is not None:
        facts = {"runtime": best.runtime, "precision": best.precision}
        write_whole(memory, json.dumps(facts | {"ms": {" ".join(way): round(value, 2) for way, value in ms.items()}}))
    return working[best]


def _images(model: RecurrentDetector) -> NDArray[np.uint8]:
    """One frame of a widescreen stream as the model sees it, of noise."""
    letterbox = model.spec.input.letterbox(16, 9)
    shape = (1, 1, letterbox.model_height, letterbox.model_width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8).transpose(0, 1, 4, 2, 3)


def _scores(detector: Detector, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    outputs: Any = detector.step(images)[0]  # those of our own detectors are of every cell
    return np.asarray(outputs.scores)


def _milliseconds(working: Mapping[Way, Detector], images: NDArray[np.uint8]) -> dict[Way, float]:
    """Shortest time of a step each; in turn, so that whatever else the machine does meets all of them."""
    ms = dict.fromkeys(working, math.inf)
    for _ in range(_ROUNDS):
        for way, detector in working.items():
            begun_s = time.perf_counter()
            detector.step(images)
            ms[way] = min(ms[way], 1000 * (time.perf_counter() - begun_s))
    return ms


def _memory(model: RecurrentDetector, ways: Sequence[Way]) -> Path | None:
    """The file that remembers a choice; None for a model without a file, or without a cache."""
    folder = cache_folder("runtimes") if model.sha256 else None
    if folder is None:
        return None
    packages = {name: _version(name) for name in _PACKAGES}
    facts = [__version__, model.sha256, processor(), inference_threads(), packages, ways]
    return folder / f"{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]}.json"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _recall(memory: Path | None, ways: Sequence[Way]) -> Way | None:
    """The choice of an earlier time."""
    try:
        facts: dict[str, Any] = json.loads(memory.read_text(encoding="utf-8")) if memory is not None else {}
        way = Way(facts["runtime"], facts["precision"])
    except (OSError, ValueError, KeyError, TypeError):  # not there, or not whole
        return None
    return way if way in ways else None
