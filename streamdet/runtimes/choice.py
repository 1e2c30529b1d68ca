"""Which runtime executes a detector: the one that was asked for, or the fastest that works here.

Speeds are measured once for a model, a machine and the packages on it, and remembered in the user's cache.
"""

import hashlib
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from streamdet.errors import ConfigError
from streamdet.models.contract import Detector
from streamdet.models.options import Precision, Runtime
from streamdet.models.recurrent.weights import Weights
from streamdet.runtimes.cache import cache_folder, write_whole
from streamdet.runtimes.cpu import inference_threads, processor
from streamdet.runtimes.devices import has_torch, is_gpu, require_torch
from streamdet.version import __version__

log = logging.getLogger("streamdet.runtimes")
Scores = NDArray[np.float32]


class Way(NamedTuple):
    """One way to execute a detector on the CPU."""

    runtime: str
    precision: str


# In order of preference: a later one has to be faster by a tenth, so that bf16 earns its rounding.
_ENGINES = (Way("openvino", "fp32"), Way("openvino", "bf16"), Way("onnxruntime", "fp32"))
# torch takes seconds to load, and remains where no engine works. int8 finds a little less: only on request.
_TORCH = Way("torch", "fp32")
_ON_REQUEST = (Way("openvino", "int8"), Way("torch", "bf16"))
_WORTH_IT = 0.9
_ROUNDS = 6
# A runtime that differs more from the others on the same images does not work.
_MOST_SCORE_DIFFERENCE = 0.1
_PACKAGES = ("torch", "openvino", "onnx", "onnxruntime")


def ready(weights: Weights, *, device: str, runtime: Runtime, precision: Precision) -> Detector:
    """Make a model ready to run.

    Args:
        weights: the model.
        device: auto, cpu, cuda or cuda:N.
        runtime: auto is torch on a GPU, and on the CPU the faster of OpenVINO and ONNX Runtime, or torch where neither
            works.
        precision: auto is bf16 on a GPU; on the CPU fp32, or bf16 where OpenVINO is faster with it. int8 needs a
            model that is calibrated for it.

    Raises:
        ConfigError: if device, runtime or precision are not available, or not together.
    """
    on_gpu = is_gpu(device)
    if on_gpu and runtime in ("auto", "torch"):
        return _in_torch(weights, device, precision)
    if on_gpu and device != "auto":
        raise ConfigError(f"runtime {runtime} runs on the CPU only; use runtime torch, or device cpu")
    ways = _ways(runtime, precision)
    if len(ways) == 1:
        return _open(weights, ways[0])
    memory = _memory(weights, ways)
    remembered = _recall(memory, ways)
    if remembered is not None:
        try:
            return _open(weights, remembered)
        except ConfigError as error:
            log.warning("%s %s no longer works: %s", *remembered, error)
    return _fastest(weights, ways, memory)


def _ways(runtime: Runtime, precision: Precision) -> list[Way]:
    """What the wishes leave, torch last.

    Raises:
        ConfigError: if that is nothing.
    """
    known = (*_ENGINES, _TORCH) if precision in ("auto", "fp32") else (*_ENGINES, *_ON_REQUEST)
    ways = [way for way in known if runtime in ("auto", way.runtime) and precision in ("auto", way.precision)]
    if not ways and precision == "fp16":
        raise ConfigError("precision fp16 needs a GPU; on the CPU use fp32 or bf16")
    if not ways:
        raise ConfigError(f"runtime {runtime} does not compute in {precision}; use fp32 or auto")
    return ways


def _open(weights: Weights, way: Way) -> Detector:
    """A detector.

    Raises:
        ConfigError: if the runtime is not installed or cannot do the precision here.
    """
    precision = cast(Literal["fp32", "bf16", "int8"], way.precision)
    if way.runtime == "torch":
        return _in_torch(weights, "cpu", precision)
    if precision == "int8" and not weights.int8_ranges:
        raise ConfigError(
            f"model {weights.config.name} is not calibrated for int8; "
            "calibrate it with: streamdet export --model ... --int8 CLIP"
        )
    try:
        from streamdet.runtimes.graph.detector import GraphDetector
    except ImportError as error:
        raise ConfigError(f"runtime {way.runtime} needs onnx ({error}); install it: pip install onnx") from error
    if way.runtime == "onnxruntime":
        from streamdet.runtimes.onnxruntime import OnnxRuntimeEngine

        return GraphDetector(weights, OnnxRuntimeEngine())
    from streamdet.runtimes.openvino import OpenVINOEngine

    return GraphDetector(weights, OpenVINOEngine(precision))


def _in_torch(weights: Weights, device: str, precision: Precision) -> Detector:
    """A detector in torch; on the CPU this sets how many threads torch has in this process, see cpu.

    Raises:
        ConfigError: if torch is not installed, or the device cannot do the precision.
    """
    require_torch("runtime torch")
    import torch

    from streamdet.models.recurrent.checkpoint import detector_of
    from streamdet.runtimes.torch import TorchDetector

    if not is_gpu(device) and torch.get_num_threads() != inference_threads():
        torch.set_num_threads(inference_threads())
    return TorchDetector(detector_of(weights), device, precision)


def _fastest(weights: Weights, ways: Sequence[Way], memory: Path | None) -> Detector:
    """Open all engines, throw out what does not work, and keep the fastest; torch if none is left.

    Raises:
        ConfigError: if nothing works.
    """
    images = _images(weights)
    opened: dict[Way, Detector] = {}
    scores: dict[Way, Scores] = {}
    problems: dict[Way, str] = {}
    for way in ways:
        if way.runtime != "torch":
            try:
                opened[way] = _open(weights, way)
                scores[way] = _scores(opened[way], images)
            except Exception as error:  # whatever keeps one from working, another may do
                problems[way] = str(error)
    problems |= _differing(weights, scores, images)
    for way, problem in problems.items():
        log.debug("%s %s does not work here: %s", *way, problem)
    working = {way: detector for way, detector in opened.items() if way not in problems}
    if not working and not (ways[-1].runtime == "torch" and has_torch()):
        raise ConfigError(next(iter(problems.values())))
    if not working:
        working = {ways[-1]: _open(weights, ways[-1])}
    ms = _milliseconds(working, images)
    best = next(iter(working))
    for way in working:
        if ms[way] < _WORTH_IT * ms[best]:
            best = way
    _remember(memory, best, ms)
    return working[best]


def _differing(weights: Weights, scores: Mapping[Way, Scores], images: NDArray[np.uint8]) -> dict[Way, str]:
    """Which ways compute something else, and by how much.

    Two runtimes that agree in fp32 are right; where one alone is wanted, another that is installed is asked. Where
    there is none, or they do not agree, torch is asked, which takes seconds; without torch the first one is taken as
    right, unless its scores are not finite.
    """
    if not scores:
        return {}
    exact = [way for way in scores if way.precision == "fp32"]
    others = [scores[way] for way in exact[1:]] or (_witnesses(weights, exact[0], images) if exact else [])
    agree = bool(others) and _difference(scores[exact[0]], others[0]) <= _MOST_SCORE_DIFFERENCE
    if agree or not has_torch():
        first = next((way for way in (*exact, *scores) if np.isfinite(scores[way]).all()), next(iter(scores)))
        judge, expected = first.runtime, scores[first]
    else:
        judge, expected = "torch", _scores(_in_torch(weights, "cpu", "fp32"), images)
    far = {way: _difference(found, expected) for way, found in scores.items()}
    return {way: f"scores differ from {judge}'s by {by:.3f}" for way, by in far.items() if by > _MOST_SCORE_DIFFERENCE}


def _witnesses(weights: Weights, way: Way, images: NDArray[np.uint8]) -> list[Scores]:
    """What another runtime computes in fp32; nothing where none is installed."""
    for other in _ENGINES:
        if other.precision == "fp32" and other.runtime != way.runtime:
            with suppress(Exception):  # whatever keeps it from working, it cannot be asked
                return [_scores(_open(weights, other), images)]
    return []


def _difference(scores: Scores, others: Scores) -> float:
    """The largest, infinite where a score is not finite."""
    difference = float(np.abs(scores - others).max())
    return difference if math.isfinite(difference) else math.inf


def _remember(memory: Path | None, best: Way, ms: Mapping[Way, float]) -> None:
    named = {" ".join(way): round(value, 2) for way, value in ms.items()}
    log.debug("fastest here is %s, measured once, ms a frame: %s", " ".join(best), named)
    if memory is not None:
        facts = {"runtime": best.runtime, "precision": best.precision, "ms": named}
        write_whole(memory, json.dumps(facts))


def _images(weights: Weights) -> NDArray[np.uint8]:
    """One frame of a widescreen stream as the model sees it, of noise."""
    letterbox = weights.spec.input.letterbox(16, 9)
    shape = (1, 1, letterbox.model_height, letterbox.model_width, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8).transpose(0, 1, 4, 2, 3)


def _scores(detector: Detector, images: NDArray[np.uint8]) -> Scores:
    outputs: Any = detector.step(images)[0]  # those of our own detectors are of every cell
    return np.asarray(outputs.scores)


def _milliseconds(working: Mapping[Way, Detector], images: NDArray[np.uint8]) -> dict[Way, float]:
    """Shortest time of a step each; in turn, so that whatever else the machine does meets all of them."""
    ms = dict.fromkeys(working, math.inf)
    for _ in range(_ROUNDS):
        for way, detector in working.items():
            started_s = time.perf_counter()
            detector.step(images)
            ms[way] = min(ms[way], 1000 * (time.perf_counter() - started_s))
    return ms


def _memory(weights: Weights, ways: Sequence[Way]) -> Path | None:
    """The file that remembers a choice; None for a model without a file, or without a cache."""
    folder = cache_folder("runtimes") if weights.sha256 else None
    if folder is None:
        return None
    packages = {name: _version(name) for name in _PACKAGES}
    facts = [__version__, weights.sha256, processor(), inference_threads(), packages, ways]
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
