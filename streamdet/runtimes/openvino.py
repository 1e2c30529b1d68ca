"""Execute graphs with OpenVINO, on the CPU."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from streamdet.errors import ConfigError, ModelError
from streamdet.runtimes.cache import cache_folder, keep_newest
from streamdet.runtimes.cpu import inference_threads
from streamdet.runtimes.graph_detector import Array, Execute

if TYPE_CHECKING:
    import openvino

_PRECISIONS = {"fp32": "f32", "bf16": "bf16"}
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
        raise ConfigError(f"runtime openvino is not to be had ({error}); install it: pip install openvino") from error
    finally:
        if hidden:
            del sys.modules[telemetry]
    return openvino


class OpenVINOEngine:
    """OpenVINO; see graph_detector.Engine."""

    def __init__(self, precision: Literal["fp32", "bf16"]) -> None:
        """Start it.

        Raises:
            ConfigError: if it is not installed, or the processor does not compute in this precision.
        """
        self._core: openvino.Core = import_openvino().Core()
        if precision == "bf16" and "BF16" not in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise ConfigError("precision bf16 needs a processor that computes in it; use fp32 or auto")
        self._precision = precision
        self._settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": inference_threads(),
            "NUM_STREAMS": 1,
            # A pinned thread waits for its core even where another one is idle.
            "ENABLE_CPU_PINNING": False,
        }
        folder = cache_folder("openvino")
        if folder is not None:
            self._settings["CACHE_DIR"] = str(folder)
            keep_newest(folder, "*.blob", _MOST_CACHED)

    @property
    def runtime(self) -> str:
        """Such as "openvino cpu bf16"."""
        return f"openvino cpu {self._precision}"

    def compile(self, graph: bytes | Path) -> Execute:
        """See graph_detector.Engine.compile."""
        try:
            model = self._core.read_model(graph)
            request = self._core.compile_model(model, "CPU", self._settings).create_infer_request()
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


def _reason(error: Exception) -> str:
    """The last line says what; those before it, where in OpenVINO."""
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
