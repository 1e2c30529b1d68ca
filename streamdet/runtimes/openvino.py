"""Execute graphs with OpenVINO, on the CPU."""

import functools
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from streamdet.errors import ConfigError, ModelError
from streamdet.runtimes.cache import cache_folder, keep_newest
from streamdet.runtimes.cpu import inference_threads
from streamdet.runtimes.graph.detector import Array, Execute

if TYPE_CHECKING:
    import openvino

# Of what is not in eight bits.
_PRECISIONS = {"fp32": "f32", "bf16": "bf16", "int8": "f32"}
_MOST_CACHED = 30
"""Compiled graphs, some 6 MB each."""


def import_openvino() -> Any:
    """The package, kept from reporting to its maker: it does so when it is imported, if it finds openvino_telemetry.

    Raises:
        ConfigError: if it is not installed, or damaged.
    """
    telemetry = "openvino_telemetry"
    hidden = telemetry not in sys.modules
    if hidden:
        sys.modules[telemetry] = None  # type: ignore[assignment]
    try:
        import openvino
    except (ImportError, OSError) as error:
        raise ConfigError(f"runtime openvino is not available ({error}); install it: pip install openvino") from error
    finally:
        if hidden:
            del sys.modules[telemetry]
    return openvino


def openvino_core() -> "openvino.Core":
    """The one of this process, which lives as long as it does.

    The CPU plugin gives the thread that loads it another stack for signals, and what was there before back when it
    goes. Two that come and go in turn leave a stack behind that is no more, and the next Ctrl-C ends the process.

    Raises:
        ConfigError: see import_openvino.
    """
    return _core_of(import_openvino())


@functools.cache
def _core_of(package: Any) -> "openvino.Core":
    core: openvino.Core = package.Core()
    return core


class OpenVINOEngine:
    """OpenVINO; see graph_detector.Engine."""

    def __init__(self, precision: Literal["fp32", "bf16", "int8"], *, keep_compiled: bool = True) -> None:
        """Start it.

        Args:
            precision: that it computes in.
            keep_compiled: whether compiled graphs are kept in the user's cache.

        Raises:
            ConfigError: if it is not installed, or the processor does not compute in this precision.
        """
        self._core = openvino_core()
        if precision == "bf16" and not self._can("BF16"):
            raise ConfigError("precision bf16 needs a processor that supports it; use fp32 or auto")
        self._precision = precision
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": inference_threads(),
            "NUM_STREAMS": 1,
            # A pinned thread waits for its core even where another one is idle.
            "ENABLE_CPU_PINNING": False,
        }
        folder = cache_folder("openvino") if keep_compiled else None
        if folder is not None:
            self._settings["CACHE_DIR"] = str(folder)
            keep_newest(folder, "*.blob", _MOST_CACHED)

    @property
    def runtime(self) -> str:
        """Such as "openvino cpu bf16"."""
        return f"openvino cpu {self._precision}"

    @property
    def int8(self) -> bool:
        """Whether that is the precision."""
        return self._precision == "int8"

    def _can(self, capability: str) -> bool:
        """Whether the processor has instructions for a type."""
        return capability in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")

    def compile(self, graph: bytes | Path) -> Execute:
        """See graph_detector.Engine.compile."""
        try:
            model = self._core.read_model(graph)
            request = self._compiled(model).create_infer_request()
        except RuntimeError as error:
            raise ModelError(f"openvino cannot compile the model: {_reason(error)}") from error

        def execute(inputs: Sequence[Array]) -> Sequence[Array]:
            try:
                # Inputs are read where they are; outputs are copied: the next run overwrites them.
                results = request.infer(list(inputs), share_inputs=True)
            except RuntimeError as error:
                raise ModelError(f"openvino failed: {_reason(error)}") from error
            return [results[output] for output in request.model_outputs]

        return execute

    def _compiled(self, model: Any) -> Any:
        """With the cache, unless that fails: OpenVINO does where another process adds the same model to it just now."""
        try:
            return self._core.compile_model(model, "CPU", self._settings)
        except RuntimeError:
            if "CACHE_DIR" not in self._settings:
                raise
        return self._core.compile_model(model, "CPU", {k: v for k, v in self._settings.items() if k != "CACHE_DIR"})


def _reason(error: Exception) -> str:
    """The last line says what; those before it, where in OpenVINO."""
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
