import os
import subprocess
import sys

import pytest

from streamdet.errors import ModelError
from streamdet.models.recurrent.checkpoint import weights_of
from streamdet.runtimes.graph.step import StepShape, step_graph
from streamdet.runtimes.onnxruntime import OnnxRuntimeEngine


def test_nothing_is_reported_to_its_maker(tmp_path, make_model):
    """onnxruntime keeps an identity and a queue of events in the user's cache, unless kept from it."""
    graph = tmp_path / "x.onnx"
    graph.write_bytes(step_graph(weights_of(make_model()), StepShape(1, 1, 32, 32)).SerializeToString())
    code = (
        "import pathlib, sys; from streamdet.runtimes.onnxruntime import OnnxRuntimeEngine;"
        "OnnxRuntimeEngine().compile(pathlib.Path(sys.argv[1]))"
    )
    home = tmp_path / "home"
    home.mkdir()
    environment = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", code, str(graph)], check=True, env=environment)
    assert list(home.iterdir()) == []


def test_something_else_than_a_graph_fails(tmp_path):
    for graph in (b"no graph", tmp_path / "none.onnx"):
        with pytest.raises(ModelError, match="onnxruntime cannot load the model: "):
            OnnxRuntimeEngine().compile(graph)


def test_inputs_of_another_shape_fail(make_model):
    execute = OnnxRuntimeEngine().compile(
        step_graph(weights_of(make_model()), StepShape(1, 1, 32, 32)).SerializeToString()
    )
    with pytest.raises(ModelError, match="onnxruntime failed: "):
        execute([])
