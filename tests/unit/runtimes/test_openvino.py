import subprocess
import sys

import numpy as np
import pytest

from streamdet.errors import ModelError
from streamdet.models.recurrent.checkpoint import weights_of
from streamdet.runtimes.graph.detector import GraphDetector
from streamdet.runtimes.graph.step import StepShape, step_graph
from streamdet.runtimes.openvino import OpenVINOEngine


def test_nothing_is_reported_to_its_maker():
    """openvino sends an event to a server when it is imported, and makes ~/intel, unless kept from it."""
    code = (
        "import sys; from streamdet.runtimes.openvino import OpenVINOEngine; OpenVINOEngine('fp32');"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_engines_that_come_and_go_leave_signals_alone():
    """The plugin swaps the stack that signals are handled on; see openvino_core."""
    code = (
        "import faulthandler, gc, os, signal; faulthandler.enable();"
        "signal.signal(signal.SIGINT, lambda *_: print('heard'));"
        "from streamdet.runtimes.openvino import OpenVINOEngine;"
        "first, second = OpenVINOEngine('fp32'), OpenVINOEngine('fp32');"
        "[engine._core.get_property('CPU', 'FULL_DEVICE_NAME') for engine in (first, second)];"
        "del first; gc.collect(); del second; gc.collect(); os.kill(os.getpid(), signal.SIGINT)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n")


def test_compiled_graphs_are_cached_and_damaged_ones_made_again(cache, make_model, clip):
    model, images = weights_of(make_model()), clip(1, 1)
    expected, _ = GraphDetector(model, OpenVINOEngine("fp32")).step(images)
    (blob,) = (cache / "openvino").glob("*.blob")
    written = blob.stat().st_mtime_ns
    again, _ = GraphDetector(model, OpenVINOEngine("fp32")).step(images)
    assert blob.stat().st_mtime_ns == written
    blob.chmod(0o600)
    for damage in (b"", blob.read_bytes()[:1000], b"\xff" * 10000):
        blob.write_bytes(damage)
        again, _ = GraphDetector(model, OpenVINOEngine("fp32")).step(images)
        assert (again.scores == expected.scores).all()
        blob.chmod(0o600)


class CacheInUse:
    """OpenVINO, while another process adds the same model to the cache."""

    def __init__(self, core):
        self._core = core

    def __getattr__(self, name):
        return getattr(self._core, name)

    def compile_model(self, model, device, settings):
        if "CACHE_DIR" in settings:
            raise RuntimeError("filesystem error: cannot set permissions: No such file or directory")
        return self._core.compile_model(model, device, settings)


def test_a_cache_that_another_process_writes_is_done_without(cache, make_model, clip):
    engine = OpenVINOEngine("fp32")
    engine._core = CacheInUse(engine._core)
    outputs, _ = GraphDetector(weights_of(make_model()), engine).step(clip(1, 1))
    assert outputs.scores.shape[0] == 1


def test_something_else_than_a_graph_fails(cache, tmp_path):
    (tmp_path / "x.onnx").write_text("no graph")
    for graph in (b"no graph", tmp_path / "x.onnx", tmp_path / "none.xml"):
        with pytest.raises(ModelError, match="openvino cannot compile the model: ") as caught:
            OpenVINOEngine("fp32").compile(graph)
        assert "\n" not in str(caught.value)


def test_inputs_of_another_shape_fail(cache, make_model):
    execute = OpenVINOEngine("fp32").compile(
        step_graph(weights_of(make_model()), StepShape(1, 1, 32, 32)).SerializeToString()
    )
    with pytest.raises(ModelError, match="openvino failed: "):
        execute([np.zeros((2, 1, 32, 32, 3), np.uint8)])
