"""The step on a GPU: uploads that nobody waits for, and a CUDA graph a shape.

Shapes: B streams, T frames, H, W pixels.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from streamdet.models.contract import check_images, check_state
from streamdet.models.recurrent.detector import Outputs, RecurrentDetector
from streamdet.models.recurrent.state import State

_log = logging.getLogger(__name__)
_Step = Callable[[Tensor, State, Tensor], tuple[Outputs, State]]
_MOST_GRAPHS = 32
_LONG_STEPS = 1000
"""More shapes than graphs must not take turns: a capture takes as long as hundreds of steps."""


def step_in(
    dtype: torch.dtype | None, model: RecurrentDetector, images_BTCHW: Tensor, state: State | None, dt_s: Tensor | None
) -> tuple[Outputs, State]:
    """RecurrentDetector.step where the model is, its convolutions in a dtype, or float32 when None.

    Outputs and memory are float32 in any. On a GPU with all arguments there nothing is copied from or to the CPU, no
    shape depends on data and nobody waits: all of it can be captured into a CUDA graph.
    """
    on_cpu = model.device.type == "cpu"
    # A cache of weights in that dtype would outlive the graph whose memory they are in.
    with torch.autocast(model.device.type, dtype, enabled=dtype is not None, cache_enabled=on_cpu):
        outputs, state = model.step(images_BTCHW, state, dt_s)
    return outputs.each(Tensor.float), state


def with_weights_in(dtype: torch.dtype, model: RecurrentDetector) -> RecurrentDetector:
    """A copy of a model whose weights are in the dtype of its convolutions: `step_in` casts them at every step else."""
    cast = deepcopy(model)
    for module in cast.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.to(dtype)
    return cast


class CudaStep:
    """A model's step on its GPU; a call takes and gives what contract.Detector.step does.

    The first step of a shape runs kernel by kernel. From the second one on it is a graph: one launch instead of
    hundreds, which at this model's size take longer than their work. Outputs and memory are the caller's; the GPU may
    still be at work on them, in the order of the caller's CUDA stream. Threads may share one.
    """

    def __init__(self, model: RecurrentDetector, dtype: torch.dtype | None) -> None:
        """Prepare.

        Args:
            model: on a GPU, which it must not leave any more.
            dtype: of convolutions, see step_in.
        """
        self._model, self._device = model, model.device
        self._step = partial(step_in, dtype, model if dtype is None else with_weights_in(dtype, model))
        self._graphs: OrderedDict[torch.Size, _Graph] = OrderedDict()  # the one not used for the longest time first
        self._seen: set[torch.Size] = set()
        self._steps, self._graphs_work = 0, True
        self._lock = Lock()
        with torch.cuda.device(self._device):
            self._uploads, self._captures = torch.cuda.Stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
            self._memory = torch.cuda.graph_pool_handle()
            self._replayed = torch.cuda.Event()  # type: ignore[no-untyped-call]

    @torch.inference_mode()
    def __call__(self, images_BTCHW: Tensor, state: State | None, dt_s: Tensor | None) -> tuple[Outputs, State]:
        """See contract.Detector.step; what is given may be on the CPU or the GPU."""
        check_images(images_BTCHW)
        B, T, _, H, W = images_BTCHW.shape
        if dt_s is None:
            dt_s = torch.full((B, T), self._model.config.training_dt_s)
        with self._lock, torch.cuda.device(self._device):
            zeros = self._model.zero_state(B, H, W)
            if state is None:
                state = zeros
            check_state(state, zeros.streams, zeros.layout)
            state = state.to(self._device)
            images_BTCHW, dt_s = self._upload(images_BTCHW), self._upload(dt_s.float())
            stream = torch.cuda.current_stream()
            stream.wait_stream(self._uploads)
            try:
                graph = self._graph(images_BTCHW, state, dt_s)
                if graph is None:
                    return self._step(images_BTCHW, state, dt_s)
                # The step before may have been on another thread's stream.
                stream.wait_event(self._replayed)
                graph.fill(images_BTCHW, state, dt_s)
            finally:
                # What was uploaded is read by then, and its memory free for the next upload.
                self._uploads.wait_stream(stream)
            result = graph.replay()
            self._replayed.record(stream)
            return result

    def _upload(self, x: Tensor) -> Tensor:
        """A tensor on the GPU, by the time that the stream of uploads is done."""
        # A capture that failed may leave torch's allocators in a state in which they use nothing page-locked again.
        if x.is_cuda or not self._graphs_work:
            return x.to(self._device)
        # A copy of its own even of what is page-locked: the caller may write there again as soon as the step returns.
        # torch gives the place to nobody else before it has been copied from.
        locked = torch.empty_like(x, pin_memory=True).copy_(x)
        with torch.cuda.stream(self._uploads):
            return locked.to(self._device, non_blocking=True)

    def _graph(self, images_BTCHW: Tensor, state: State, dt_s: Tensor) -> "_Graph | None":
        """The graph of a shape; None at its first step, which may be its last, and where there can be no more."""
        self._steps += 1
        shape = images_BTCHW.shape
        graph = self._graphs.get(shape)
        if graph is None and shape in self._seen and self._graphs_work and self._has_room():
            graph = self._captured(images_BTCHW, state, dt_s)
        self._seen.add(shape)
        if graph is not None:
            self._graphs[shape], graph.used_at = graph, self._steps
            self._graphs.move_to_end(shape)
        return graph

    def _has_room(self) -> bool:
        """Whether there can be another graph; one that nobody used for long is given up for it."""
        if len(self._graphs) < _MOST_GRAPHS:
            return True
        shape, graph = next(iter(self._graphs.items()))
        if self._steps - graph.used_at < _LONG_STEPS:
            return False
        self._replayed.synchronize()
        del self._graphs[shape]
        return True

    def _captured(self, images_BTCHW: Tensor, state: State, dt_s: Tensor) -> "_Graph | None":
        try:
            return _Graph(self._step, (images_BTCHW, state, dt_s), self._memory, self._captures)
        except RuntimeError as error:  # out of memory too: without graphs there is more of it
            _log.warning(
                "%s continues without CUDA graphs, which is slower: %s", self._device, str(error).splitlines()[0]
            )
            self._graphs_work = False
            self._replayed.synchronize()
            self._graphs.clear()
            return None


class _Graph:
    """A step that is captured: always the same kernels on the same memory.

    Graphs of one detector share the memory of their intermediate results. So two must not run at once, and results are
    copied before the next one runs.

    Attributes:
        used_at: number of the step that it was last used for.
    """

    used_at = 0

    def __init__(self, step: _Step, like: tuple[Tensor, State, Tensor], pool: Any, stream: torch.cuda.Stream) -> None:
        """Capture a step for arguments of these shapes.

        Raises:
            RuntimeError: if that does not work here.
        """
        images_BTCHW, state, dt_s = like
        self._images_BTCHW, self._dt_s = torch.empty_like(images_BTCHW), torch.empty_like(dt_s)
        self._state = state.each(torch.empty_like)
        self.fill(*like)
        self._graph = torch.cuda.CUDAGraph()
        stream.wait_stream(torch.cuda.current_stream())
        # Entered here as well, since a capture that fails leaves the thread on its stream.
        with torch.cuda.stream(stream):
            # Libraries make handles and workspaces at their first call in a thread, which must not be captured.
            step(self._images_BTCHW, self._state, self._dt_s)
            # Other threads may allocate and wait meanwhile.
            with torch.cuda.graph(self._graph, pool=pool, stream=stream, capture_error_mode="thread_local"):
                self._outputs, self._after = step(self._images_BTCHW, self._state, self._dt_s)
        torch.cuda.current_stream().wait_stream(stream)

    def fill(self, images_BTCHW: Tensor, state: State, dt_s: Tensor) -> None:
        """Give it arguments, of the shapes that it was captured with; on the current stream, as all of it."""
        self._images_BTCHW.copy_(images_BTCHW)
        self._dt_s.copy_(dt_s)
        self._state.age.copy_(state.age)
        for ours, given in ((self._state.hidden, state.hidden), (self._state.cell, state.cell)):
            for x, value in zip(ours, given, strict=True):
                x.copy_(value)

    def replay(self) -> tuple[Outputs, State]:
        """The step of what it was filled with; the result is the caller's."""
        self._graph.replay()
        return self._outputs.each(Tensor.clone), self._after.each(Tensor.clone)
