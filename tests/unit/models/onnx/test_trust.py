"""ONNX files that would run for ever, load code, read other files or fill the memory are refused."""

import re

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_networks import write_constant_network, write_graph

from streamdet.errors import CheckpointError
from streamdet.models.onnx import trust
from streamdet.models.onnx.file import read_onnx

BOXES = {"o": np.zeros((1, 2, 6), np.float32)}
OUTPUTS = [helper.make_tensor_value_info("o", TensorProto.FLOAT, [1, 2, 6])]
IMAGE = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])


def _graph(*nodes, stored=()):
    return helper.make_graph(list(nodes), "g", [IMAGE], OUTPUTS, list(stored))


def _loop():
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["on_out"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("on_out", TensorProto.BOOL, [])],
    )
    return helper.make_node("Loop", ["", "true"], [], body=body)


def _branch(inner):
    graph = helper.make_graph([inner], "inner", [], OUTPUTS)
    return helper.make_node("If", ["true"], ["o"], then_branch=graph, else_branch=graph)


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (_graph(_loop()), "has a loop (Loop), which may never end: export it without loops"),
        (_graph(_branch(_loop())), "has a loop (Loop)"),
        (
            _graph(helper.make_node("Run", ["images"], ["o"], domain="acme")),
            "needs the operator acme.Run, which is not ONNX's",
        ),
    ],
)
def test_loops_and_operators_of_others(tmp_path, graph, message):
    path = write_graph(tmp_path / "x.onnx", graph)
    with pytest.raises(CheckpointError, match=re.escape(f"{path} {message}")):
        read_onnx(path)


@pytest.fixture
def outside(tmp_path):
    """Write a file whose weights are in another one."""

    def write(location):
        (tmp_path / "x.data").write_bytes(np.zeros(12, np.float32).tobytes())
        path = write_constant_network(tmp_path / "x.onnx", BOXES)
        model = onnx.load_model(path)
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)
        path.write_bytes(model.SerializeToString())
        return path

    return write


def test_weights_beside_the_file_are_read(outside, tmp_path):
    path = outside("x.data")
    file = read_onnx(path)
    np.testing.assert_array_equal(numpy_helper.to_array(file.model.graph.initializer[0]), BOXES["o"])
    (tmp_path / "x.data").write_bytes(np.ones(12, np.float32).tobytes())
    assert read_onnx(path).sha256 != file.sha256


@pytest.mark.parametrize("location", ["../x.data", "/etc/passwd", "link", "none", "", "."])
def test_weights_elsewhere_are_refused(outside, tmp_path, location):
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(CheckpointError, match="expected a file in the same folder"):
        read_onnx(outside(location))


def test_large_files_are_refused(outside, tmp_path, monkeypatch):
    path = outside("x.data")
    monkeypatch.setattr(trust, "MOST_BYTES", path.stat().st_size + 20)
    with pytest.raises(CheckpointError, match=r"x\.onnx has more than 0 MiB with its weights in x\.data"):
        read_onnx(path)
    (tmp_path / "large.onnx").touch()
    with (tmp_path / "large.onnx").open("r+b") as file:
        file.truncate(2**30 + 1)
    with pytest.raises(CheckpointError, match=r"large\.onnx has 1024 MiB, expected at most 1024"):
        read_onnx(tmp_path / "large.onnx")


def test_huge_tensors_are_refused(tmp_path):
    graph = _graph(
        helper.make_node("ConstantOfShape", ["shape"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Expand", ["sum", "end"], ["o"]),
        stored=[
            numpy_helper.from_array(np.array(value), name)
            for name, value in (("shape", [2**16] * 2), ("end", [1, 2, 6]))
        ],
    )
    file = read_onnx(write_graph(tmp_path / "x.onnx", graph))
    with pytest.raises(CheckpointError, match=r"huge has 4\.29e\+09 numbers, expected at most 268435456"):
        file.sized({"images": (1, 3, 64, 64)})


def test_functions_and_many_operations_are_refused(tmp_path, monkeypatch):
    path = write_constant_network(tmp_path / "x.onnx", BOXES)
    monkeypatch.setattr(trust, "_MOST_NODES", 0)
    with pytest.raises(CheckpointError, match="has 1 operations, expected at most 0"):
        read_onnx(path)
    model = onnx.load_model(path)
    node = helper.make_node("Identity", ["a"], ["b"])
    model.functions.append(helper.make_function("acme", "twice", ["a"], ["b"], [node], [helper.make_opsetid("", 17)]))
    path.write_bytes(model.SerializeToString())
    with pytest.raises(CheckpointError, match="has functions of its own"):
        read_onnx(path)
