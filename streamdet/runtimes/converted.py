"""The whole step of a detector of another library as an OpenVINO graph, traced once for each size of images.

It takes a quarter of a minute to two minutes; what comes out is kept in the user's cache.

Shapes: D recurrent channels, H_l, W_l cells of level l.
"""

import hashlib
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streamdet.errors import ModelError
from streamdet.models.foreign.model import ForeignModel
from streamdet.models.recurrent.array_state import ArrayState
from streamdet.models.recurrent.state import State
from streamdet.runtimes.cache import cache_folder, keep_newest
from streamdet.runtimes.graph.detector import Execute
from streamdet.runtimes.openvino import OpenVINOEngine, import_openvino
from streamdet.version import __version__

log = logging.getLogger("streamdet.runtimes")
_MOST_KEPT = 6
"""Graphs in the cache, up to 200 MB each."""


class ConvertedStep:
    """A model as OpenVINO graphs on the CPU, in fp32; see foreign.Step."""

    kind = ArrayState

    def __init__(self, model: ForeignModel) -> None:
        self._model, self._engine = model.eval(), OpenVINOEngine("fp32", keep_compiled=False)
        self._hash = weights_hash(model)
        self._graphs: dict[tuple[int, int], Execute] = {}

    @property
    def runtime(self) -> str:
        """See foreign.Step."""
        return self._engine.runtime

    def zero_state(self, streams: int, height: int, width: int) -> ArrayState:
        """See foreign.Step."""
        return ArrayState.zeros(streams, self._model.zero_state(1, height, width).layout)

    def state_from_arrays(self, arrays: Mapping[str, NDArray[Any]]) -> ArrayState:
        """See foreign.Step."""
        return ArrayState.from_arrays(arrays)

    def __call__(
        self, image_CHW: NDArray[np.uint8], state: ArrayState, dt_s: float
    ) -> tuple[dict[str, NDArray[Any]], ArrayState]:
        """See foreign.Step."""
        _, height, width = image_CHW.shape
        if (height, width) not in self._graphs:
            self._graphs[height, width] = self._graph(height, width)
        inputs: list[NDArray[Any]] = [np.ascontiguousarray(image_CHW)]
        levels = [*state.hidden, *state.cell]
        if levels:
            inputs += [np.full((1, 1), dt_s, np.float32), state.ages, *levels]
        results = self._graphs[height, width](inputs)
        outputs = self._model.network.outputs
        after = results[len(outputs) :]
        half = len(after) // 2
        found = dict(zip(outputs, results, strict=False))
        return found, ArrayState(tuple(after[:half]), tuple(after[half:]), state.ages + 1)

    def _graph(self, height: int, width: int) -> Execute:
        folder = cache_folder("converted")
        if folder is None:
            with TemporaryDirectory() as scratch:
                return self._engine.compile(self._convert(Path(scratch) / "step.xml", height, width))
        path = folder / f"{self._hash}-{height}x{width}.xml"
        if not path.is_file():
            self._convert(path, height, width)
            keep_newest(folder, "*.xml", _MOST_KEPT)
            keep_newest(folder, "*.bin", _MOST_KEPT)
        return self._engine.compile(path)

    def _convert(self, path: Path, height: int, width: int) -> Path:
        """Trace the step, and write it: first the weights, then the graph, whole or not at all.

        Raises:
            ModelError: if it cannot be converted.
        """
        package, name = import_openvino(), self._model.spec.name
        log.info("%s: converting for images of %dx%d, once; this takes up to two minutes", name, height, width)
        example = _example(self._model, height, width)
        try:
            with torch.no_grad(), warnings.catch_warnings(), _root_logger_as_it_is():
                warnings.simplefilter("ignore")  # that sizes become constants, as is meant; that tracing gets old
                graph = package.convert_model(_Traced(self._model), example_input=example)
                for port, value in zip(graph.inputs, example, strict=True):
                    port.get_node().set_partial_shape(package.PartialShape(list(value.shape)))
                graph.validate_nodes_and_infer_types()
        except Exception as error:  # of tracing, of the converter
            reason = " ".join(str(error).strip().splitlines()[:2]) or type(error).__name__
            raise ModelError(f"{name} cannot be converted to OpenVINO: {reason}; use runtime torch") from error
        with TemporaryDirectory(dir=path.parent) as scratch:
            part = Path(scratch) / path.name
            package.save_model(graph, part, compress_to_fp16=False)
            part.with_suffix(".bin").replace(path.with_suffix(".bin"))
            part.replace(path)
        return path


@contextmanager
def _root_logger_as_it_is() -> Iterator[None]:
    """OpenVINO's converter leaves it at ERROR when it fails: then the warnings of the whole program would be lost."""
    root = logging.getLogger()
    level, filters, handlers = root.level, root.filters[:], root.handlers[:]
    try:
        yield
    finally:
        root.setLevel(level)
        root.filters[:], root.handlers[:] = filters, handlers


class _Traced(nn.Module):
    """One step with tensors alone."""

    def __init__(self, model: ForeignModel) -> None:
        super().__init__()
        self._model = model

    def forward(self, image_CHW: Tensor, *memory: Tensor) -> tuple[Tensor, ...]:
        if not memory:
            return self._model.network.find(image_CHW)
        dt_s, age, *levels = memory
        half = len(levels) // 2
        found, after = self._model.find(image_CHW, State(tuple(levels[:half]), tuple(levels[half:]), age), dt_s)
        return (*found, *after.hidden, *after.cell)


def _example(model: ForeignModel, height: int, width: int) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator)
    state = model.zero_state(1, height, width)
    if not state.hidden:
        return (image,)
    return (image, torch.full((1, 1), model.spec.training_dt_s), state.age + 1, *state.hidden, *state.cell)


def weights_hash(model: ForeignModel) -> str:
    """Of everything that a conversion depends on, but for the size of images."""
    facts = [__version__, *(version(name) for name in ("torch", "torchvision", "openvino"))]
    digest = hashlib.sha256(json.dumps([*facts, model.spec.training_dt_s, model.network.facts]).encode())
    for name, value in model.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    norms: list[Any] = [module for module in model.modules() if hasattr(module, "eps")]
    digest.update(json.dumps([float(norm.eps) for norm in norms]).encode())
    return digest.hexdigest()[:32]


def is_converted(model: ForeignModel) -> bool:
    """Whether a graph of a model, for images of any size, is in the cache."""
    folder = cache_folder("converted")
    if folder is None or not any(folder.glob("*.xml")):  # the hash of large models takes a while
        return False
    return any(folder.glob(f"{weights_hash(model)}-*.xml"))
