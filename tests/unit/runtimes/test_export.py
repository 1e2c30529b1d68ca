import json
import sys

import numpy as np
import onnx
import pytest

from streamdet.errors import ConfigError, ModelError, SinkError
from streamdet.models.recurrent.checkpoint import weights_of
from streamdet.runtimes import export as export_module
from streamdet.runtimes.export import export
from streamdet.runtimes.graph.step import StepShape, step_graph
from streamdet.runtimes.openvino import openvino_core


@pytest.fixture
def frames(clip):
    return list(clip(1, 16, 32, 64)[0].permute(0, 2, 3, 1).contiguous().numpy())


@pytest.mark.parametrize("shape", [StepShape(1, 1, 32, 64), StepShape(None, 4, 32, 64), StepShape(3, 8, 32, 64)])
@pytest.mark.parametrize(("form", "files"), [("onnx", ["x.onnx"]), ("openvino", ["x.bin", "x.xml"])])
def test_file_computes_what_torch_does(cache, make_model, tmp_path, frames, form, files, shape):
    folder = tmp_path / "out"
    folder.mkdir()
    parity = export(make_model(), shape, form, folder / files[-1], frames)
    assert parity.frames == max(8, 2 * shape.frames)
    assert (parity.box_px, parity.score, parity.memory) < (0.01, 1e-4, 1e-3)
    assert parity.runtime == ("onnxruntime" if form == "onnx" else "openvino") + " cpu fp32"
    assert sorted(path.name for path in folder.iterdir()) == files


def test_files_say_what_they_are(cache, make_model, tmp_path, frames):
    model = make_model()
    model.sha256 = "abc"
    for form, name in (("onnx", "x.onnx"), ("openvino", "x.xml")):
        export(model, StepShape(1, 1, 32, 64), form, tmp_path / name, frames)
    facts = {entry.key: entry.value for entry in onnx.load(tmp_path / "x.onnx").metadata_props}
    assert (facts["model"], facts["model_sha256"]) == ("small", "abc")
    assert json.loads(facts["classes"]) == ["person", "car", "bus"]
    read = openvino_core().read_model(tmp_path / "x.xml")
    assert read.get_rt_info(["streamdet", "classes"]).astype(str) == facts["classes"]
    assert {name for value in read.inputs for name in value.names} >= {"images", "dt_s", "hidden_8", "cell_8"}
    assert {name for value in read.outputs for name in value.names} >= {"boxes", "scores", "next_hidden_8"}


def test_onnx_is_checked_in_openvino_without_onnxruntime(cache, make_model, tmp_path, frames, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    parity = export(make_model(), StepShape(None, 1, 32, 64), "onnx", tmp_path / "x.onnx", frames)
    assert parity.runtime == "openvino cpu fp32"


def test_a_file_that_computes_something_else_is_not_written(cache, make_model, tmp_path, frames, monkeypatch):
    other = make_model()
    other.head.groups.bias.data += 1
    monkeypatch.setattr(export_module, "step_graph", lambda weights, shape, int8: step_graph(weights_of(other), shape))
    (tmp_path / "x.onnx").write_text("what was there")
    with pytest.raises(ModelError, match=r"x\.onnx: differs from torch: boxes by 0\.00 px, scores by 0\.\d+"):
        export(make_model(), StepShape(1, 1, 32, 64), "onnx", tmp_path / "x.onnx", frames)
    assert (tmp_path / "x.onnx").read_text() == "what was there"
    assert len(list(tmp_path.glob(".*"))) == 0


def test_missing_openvino_fails(cache, make_model, tmp_path, frames, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ConfigError, match="pip install openvino"):
        export(make_model(), StepShape(1, 1, 32, 64), "openvino", tmp_path / "x.xml", frames)


def test_folder_that_is_not_there_fails(cache, make_model, tmp_path, frames):
    with pytest.raises(SinkError, match=r"x\.onnx: cannot be written"):
        export(make_model(), StepShape(1, 1, 32, 64), "onnx", tmp_path / "none" / "x.onnx", frames)


def test_too_few_frames_fail(cache, make_model, tmp_path, frames):
    with pytest.raises(ValueError, match="8 frames are needed, got 5"):
        export(make_model(), StepShape(1, 1, 32, 64), "onnx", tmp_path / "x.onnx", frames[:5])
    assert np.asarray(frames).shape == (16, 32, 64, 3)
