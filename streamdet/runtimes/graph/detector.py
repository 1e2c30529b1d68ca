"""A detector whose step is a graph that an engine, such as OpenVINO, executes.

Shapes: B streams, T frames, H, W pixels, P cells, K classes.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from streamdet.models.recurrent.detector import PADDING_GREY, Outputs, RecurrentDetector, check_images
from streamdet.models.recurrent.state import State
from streamdet.runtimes.graph.step import StepShape, step_graph

Array = NDArray[Any]
Execute = Callable[[Sequence[Array]], Sequence[Array]]
"""Runs a graph: values of its inputs to values of its outputs, in their order; the caller owns these."""
TILE = 8
"""Most frames, or streams, of one graph."""
_MOST_GRAPHS = 12


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
    """A RecurrentDetector on an engine; see contract.Detector.

    A graph has one shape. Clips of any shape are cut into tiles of 1 x 8, 8 x 1 and 1 x 1 (streams x frames), so that a
    picture's size needs three graphs at most; each is compiled when it is first needed.
    """

    def __init__(self, model: RecurrentDetector, engine: Engine) -> None:
        self._model, self._engine = model.eval().cpu(), engine
        self._graphs: OrderedDict[StepShape, Execute] = OrderedDict()
        self._lock = Lock()

    @property
    def name(self) -> str:
        """The model's name."""
        return self._model.config.name

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes."""
        return self._model.classes

    @property
    def sha256(self) -> str:
        """Hash of the model file."""
        return self._model.sha256

    @property
    def image_size(self) -> int:
        """Longer side of the model image, pixels."""
        return self._model.config.image_size

    @property
    def training_dt_s(self) -> float:
        """Seconds between frames in training."""
        return self._model.config.training_dt_s

    @property
    def runtime(self) -> str:
        """Such as "openvino cpu bf16"."""
        return self._engine.runtime

    def zero_state(self, streams: int, height: int, width: int) -> State:
        """Memory at a stream's start."""
        return self._model.zero_state(streams, height, width)

    def step(
        self, images_BTCHW: Tensor, state: State | None = None, dt_s: Tensor | None = None
    ) -> tuple[Outputs, State]:
        """See contract.Detector.step."""
        check_images(images_BTCHW)
        B, T, _, H, W = images_BTCHW.shape
        padded = F.pad(images_BTCHW.cpu(), (0, -W % 32, 0, -H % 32), value=PADDING_GREY)
        # Of a stack of decoded frames this is the stack itself.
        images = padded.permute(0, 1, 3, 4, 2).contiguous().numpy()
        elapsed = np.full((B, T), self.training_dt_s, np.float32) if dt_s is None else dt_s.float().cpu().numpy()
        memory = self._memory(state, B, *padded.shape[-2:])
        with self._lock:
            boxes, scores, memory = self._run(images, elapsed, memory)
        np.minimum(boxes, np.array((W, H, W, H), np.float32), out=boxes)
        hidden, cell = (tuple(torch.from_numpy(x) for x in memory[part::2]) for part in (0, 1))
        return Outputs(torch.from_numpy(boxes), torch.from_numpy(scores), self.classes), State(hidden, cell)

    def _memory(self, state: State | None, streams: int, height: int, width: int) -> list[Array]:
        """Values of the graphs' inputs for memory: hidden and cell, level by level."""
        zeros = self.zero_state(streams, height, width)
        state = zeros if state is None else state
        wanted, got = ([x.shape for x in (*s.hidden, *s.cell)] for s in (zeros, state))
        if wanted != got:
            raise ValueError(f"the state is of other streams or images: expected {wanted}, got {got}")
        return [
            x.detach().cpu().contiguous().numpy() for level in zip(state.hidden, state.cell, strict=True) for x in level
        ]

    def _run(
        self, images: NDArray[np.uint8], dt_s: NDArray[np.float32], memory: list[Array]
    ) -> tuple[Array, Array, list[Array]]:
        (B, T, H, W, _), found = images.shape, None
        for streams, frames in tiles(B, T):
            shape = StepShape(streams.stop - streams.start, frames.stop - frames.start, H, W)
            part = [np.ascontiguousarray(x[streams, frames]) for x in (images, dt_s)]
            boxes, scores, *after = self._graph(shape)([*part, *(x[streams] for x in memory)])
            if (shape.streams, shape.frames) == (B, T):
                return boxes, scores, after
            if found is None:
                found = [np.empty((B, T, *x.shape[2:]), np.float32) for x in (boxes, scores)]
                memory = [x.copy() for x in memory]
            for whole, tile in zip(found, (boxes, scores), strict=True):
                whole[streams, frames] = tile
            for whole, tile in zip(memory, after, strict=True):
                whole[streams] = tile
        if found is None:
            raise ValueError(f"images must hold a stream and a frame at least, got {B} streams of {T} frames")
        return found[0], found[1], memory

    def _graph(self, shape: StepShape) -> Execute:
        """The compiled graph of a shape; those not used for the longest time are given up."""
        if shape not in self._graphs:
            self._graphs[shape] = self._engine.compile(
                step_graph(self._model, shape, int8=self._engine.int8).SerializeToString()
            )
            while len(self._graphs) > _MOST_GRAPHS:
                self._graphs.popitem(last=False)
        self._graphs.move_to_end(shape)
        return self._graphs[shape]


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
