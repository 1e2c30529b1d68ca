"""A detector whose step is a graph that an engine, such as OpenVINO, executes.

Shapes: B streams, T frames, H, W pixels.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamdet.models.contract import DetectorSpec, Memory, check_images, check_state
from streamdet.models.outputs import DenseOutputs
from streamdet.models.recurrent.array_state import ArrayState
from streamdet.models.recurrent.config import CELL_PX, PADDING_GREY
from streamdet.models.recurrent.layout import BACKBONE_STRIDES
from streamdet.models.recurrent.weights import Weights
from streamdet.runtimes.graph.step import StepShape, step_graph

Array = NDArray[Any]
Execute = Callable[[Sequence[Array]], Sequence[Array]]
"""Runs a graph: values of its inputs to values of its outputs, in their order; the caller owns these."""
TILE = 8
"""Most frames, or streams, of one graph."""
_MOST_GRAPHS = 12
_OUTPUTS = 3
"""Of a graph, before its memory."""


class Engine(Protocol):
    """What executes graphs."""

    @property
    def runtime(self) -> str:
        """Such as "openvino cpu bf16"."""
        ...

    @property
    def int8(self) -> bool:
        """Whether its graphs are to be in eight bits as far as they can be."""
        ...

    def compile(self, graph: bytes | Path) -> Execute:
        """Make a graph ready to run: ONNX as bytes, or a file in one of the engine's formats.

        Raises:
            ModelError: if the engine cannot; running it raises ModelError as well.
        """
        ...


class GraphDetector:
    """A recurrent detector on an engine; see contract.Detector.

    A graph has one shape. Clips of any shape are cut into tiles of 1 x 8, 8 x 1 and 1 x 1 (streams x frames), so that a
    picture's size needs three graphs at most; each is compiled when it is first needed.
    """

    def __init__(self, weights: Weights, engine: Engine) -> None:
        self._weights, self._engine = weights, engine
        self._graphs: OrderedDict[StepShape, Execute] = OrderedDict()
        self._lock = Lock()

    @property
    def spec(self) -> DetectorSpec:
        """See contract.Detector."""
        return self._weights.spec

    @property
    def runtime(self) -> str:
        """Such as "openvino cpu bf16"."""
        return self._engine.runtime

    def zero_state(self, streams: int, height: int, width: int) -> ArrayState:
        """See contract.Detector."""
        return ArrayState.zeros(streams, self._weights.config.state_layout(height, width))

    def state_from_arrays(self, arrays: Mapping[str, Array]) -> ArrayState:
        """See contract.Detector."""
        return ArrayState.from_arrays(arrays)

    def step(
        self, images_BTCHW: ArrayLike, state: Memory | None = None, dt_s: ArrayLike | None = None
    ) -> tuple[DenseOutputs, ArrayState]:
        """See contract.Detector."""
        images = np.asarray(images_BTCHW)
        check_images(images)
        B, T, _, H, W = images.shape
        before = self.zero_state(B, H, W) if state is None else state
        if not isinstance(before, ArrayState):
            raise TypeError(f"the state is a {type(before).__name__}, expected an ArrayState; see state_from_arrays")
        check_state(before, B, self._weights.config.state_layout(H, W))
        elapsed = np.full((B, T), self.spec.training_dt_s) if dt_s is None else dt_s
        with self._lock:
            found, after = self._run(_rows(images), np.asarray(elapsed, np.float32), _inputs(before))
        boxes, scores, features = found
        np.minimum(boxes, np.array((W, H, W, H), np.float32), out=boxes)
        ages, *levels = after or [before.ages + T]
        groups, stride = self._weights.config.group_of_class, BACKBONE_STRIDES[0]
        outputs = DenseOutputs(boxes, scores, self.spec.classes, groups, features, stride)
        return outputs, ArrayState(tuple(levels[0::2]), tuple(levels[1::2]), ages)

    def _run(
        self, images: NDArray[np.uint8], dt_s: NDArray[np.float32], memory: list[Array]
    ) -> tuple[list[Array], list[Array]]:
        """Boxes, scores and features of (B, T) images, and the memory after them."""
        (B, T, H, W, _), found = images.shape, list[Array]()
        for streams, frames in tiles(B, T):
            shape = StepShape(streams.stop - streams.start, frames.stop - frames.start, H, W)
            part = [np.ascontiguousarray(x[streams, frames]) for x in (images, dt_s)]
            results = self._graph(shape)([*part, *(x[streams] for x in memory)])
            of_tile, after = list(results[:_OUTPUTS]), list(results[_OUTPUTS:])
            if (shape.streams, shape.frames) == (B, T):
                return of_tile, after
            if not found:
                found = [np.empty((B, T, *x.shape[2:]), np.float32) for x in of_tile]
                memory = [x.copy() for x in memory]
            for whole, tile in zip(found, of_tile, strict=True):
                whole[streams, frames] = tile
            for whole, tile in zip(memory, after, strict=True):
                whole[streams] = tile
        return found, memory

    def _graph(self, shape: StepShape) -> Execute:
        """The compiled graph of a shape; those not used for the longest time are given up."""
        if shape not in self._graphs:
            self._graphs[shape] = self._engine.compile(
                step_graph(self._weights, shape, int8=self._engine.int8, features=True).SerializeToString()
            )
            while len(self._graphs) > _MOST_GRAPHS:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(shape)
        return self._graphs[shape]


def _rows(images_BTCHW: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(B, T, H, W, 3), filled up to whole cells; of a stack of decoded frames this is the stack itself."""
    *_, H, W = images_BTCHW.shape
    images = images_BTCHW.transpose(0, 1, 3, 4, 2)
    down, right = -H % CELL_PX, -W % CELL_PX
    if down or right:
        images = np.pad(images, ((0, 0), (0, 0), (0, down), (0, right), (0, 0)), constant_values=PADDING_GREY)
    return np.ascontiguousarray(images)


def _inputs(state: ArrayState) -> list[Array]:
    """Values of the graphs' inputs for the state: the ages, then hidden and cell, level by level; none without any."""
    levels = [x for level in zip(state.hidden, state.cell, strict=True) for x in level]
    return [state.ages, *levels] if levels else []


def tiles(streams: int, frames: int) -> Iterator[tuple[slice, slice]]:
    """Cut B x T into tiles of 1 x 8, 8 x 1 and 1 x 1: (streams, frames) each, every stream's frames in their order."""
    whole = frames - frames % TILE
    for t in range(0, whole, TILE):
        for b in range(streams):
            yield slice(b, b + 1), slice(t, t + TILE)
    for t in range(whole, frames):
        for b in range(0, streams - streams % TILE, TILE):
            yield slice(b, b + TILE), slice(t, t + 1)
        for b in range(streams - streams % TILE, streams):
            yield slice(b, b + 1), slice(t, t + 1)
