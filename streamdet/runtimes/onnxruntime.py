"""Execute graphs with ONNX Runtime, on the CPU."""

import os
from collections.abc import Sequence
from pathlib import Path

from streamdet.errors import ConfigError, ModelError
from streamdet.runtimes.cpu import inference_threads
from streamdet.runtimes.graph.detector import Array, Execute


class OnnxRuntimeEngine:
    """ONNX Runtime in fp32; see graph_detector.Engine."""

    def __init__(self) -> None:
        """Start it.

        Raises:
            ConfigError: if it is not installed.
        """
        # It reports its use to its maker otherwise, and leaves an identity in the user's cache.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        try:
            import onnxruntime
        except (ImportError, OSError) as error:
            raise ConfigError(
                f"runtime onnxruntime is not available ({error}); install it: pip install 'streamdet[onnxruntime]'"
            ) from error
        self._onnxruntime = onnxruntime

    @property
    def runtime(self) -> str:
        """Such as "onnxruntime cpu fp32"."""
        return "onnxruntime cpu fp32"

    @property
    def int8(self) -> bool:
        """Never: it is no faster so on processors that were tried."""
        return False

    def compile(self, graph: bytes | Path) -> Execute:
        """See graph_detector.Engine.compile."""
        options = self._onnxruntime.SessionOptions()
        options.intra_op_num_threads = inference_threads()
        # Decoding and encoding need the cores that a waiting thread would spin on.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            session = self._onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its exceptions have no base of their own
            raise ModelError(f"onnxruntime cannot load the model: {error}") from error
        names = [value.name for value in session.get_inputs()]

        def execute(inputs: Sequence[Array]) -> Sequence[Array]:
            try:
                results: list[Array] = session.run(None, dict(zip(names, inputs, strict=True)))
            except Exception as error:
                raise ModelError(f"onnxruntime failed: {error}") from error
            return results

        return execute
