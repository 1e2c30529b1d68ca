import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from streamdet.errors import CheckpointError
from streamdet.models.compress.int8 import calibrate
from streamdet.models.recurrent.checkpoint import load_checkpoint, save_checkpoint
from tests.unit.models.conftest import CONFIG


@pytest.fixture
def saved(detector, tmp_path):
    path = tmp_path / "model.safetensors"
    sha256 = save_checkpoint(path, detector, {"steps": 12, "ap50": 0.5})
    return path, sha256


def test_same_weights_and_facts_give_the_same_file(tmp_path, detector):
    facts = {"steps": 12, "ap50": 0.5}
    assert len({save_checkpoint(tmp_path / "model.safetensors", detector, facts) for _ in range(12)}) == 1


def test_loaded_model_sees_the_same(detector, images, saved):
    path, sha256 = saved
    loaded, training = load_checkpoint(path)
    assert loaded.sha256 == sha256
    assert loaded.config == detector.config
    assert training == {"steps": 12, "ap50": 0.5}
    expected, state = detector.step(images)
    outputs, own = loaded.step(images)
    assert torch.equal(outputs.scores, expected.scores)
    assert torch.equal(own.cell[0], state.cell[0])
    assert not list(path.parent.glob(".*.part"))


def test_missing_file_fails(tmp_path):
    with pytest.raises(CheckpointError, match="not found"):
        load_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize("content", [b"", b"not a model", b"\xff" * 4096, b"\x80\x04\x95" + bytes(200)])
def test_file_of_another_kind_fails(tmp_path, content):
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_checkpoint(path)


def test_truncated_file_fails(saved):
    path, _ = saved
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_checkpoint(path)


def _rewrite(path, header=None, drop=None):
    tensors = load_file(path)
    tensors.pop(drop, None)
    own = {
        "streamdet_format": "1",
        "model": CONFIG.model_dump_json(),
        "training": "{}",
    }
    save_file(tensors, path, metadata=own | (header or {}))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"streamdet_format": "99"}, "format 99, expected 1"),
        ({"model": "{}"}, "has a wrong description of its model"),
        ({"model": '{"name": "x", "classes": ["a", "a"]}'}, "has a wrong description of its model"),
        ({"model": '{"name": "x", "classes": ["a"], "channels": 100000000}'}, "has a wrong description of its model"),
        ({"model": '{"name": "x", "classes": ["a", "b"]}'}, "does not hold the tensors"),
        ({"model": '{"name": "x", "classes": ["a", "b"], "groups": {"g": ["a"]}}'}, "b is not both a class and in a"),
        ({"model": '{"name": "x", "classes": ["a"], "groups": {"g": ["a", "c"]}}'}, "c is not both a class and in a"),
        ({"training": "{"}, "has a wrong description of its model"),
    ],
)
def test_wrong_header_fails(saved, header, message):
    path, _ = saved
    _rewrite(path, header)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(path)


def test_calibration_is_kept(detector, images, tmp_path):
    calibrate(detector, [images])
    save_checkpoint(tmp_path / "m.safetensors", detector, {})
    assert load_checkpoint(tmp_path / "m.safetensors")[0].int8_ranges == detector.int8_ranges != {}


def test_model_that_is_not_calibrated_says_so(saved):
    assert load_checkpoint(saved[0])[0].int8_ranges == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"neck.laterals.0": [0.5, 1.0]}, r"range of neck\.laterals\.0 is missing, not a range"),
        ({"neck.laterals.0": [-1.0, float("inf")]}, r"range of neck\.laterals\.0"),
        ({"neck.laterals.0": [float("nan"), 1.0]}, r"range of neck\.laterals\.0"),
        ({"backbone.stem": [0.0, 1.0]}, r"range of backbone\.stem"),
        ({"neck.laterals.0": [-1.0]}, r"neck\.laterals\.0.*"),
        ({"neck.laterals.0": "wide"}, r"neck\.laterals\.0.*"),
    ],
    ids=str,
)
def test_wrong_ranges_fail(detector, images, saved, change, message):
    calibrate(detector, [images])
    path, _ = saved
    _rewrite(path, {"int8_ranges": json.dumps(detector.int8_ranges | change)})
    with pytest.raises(CheckpointError, match=f"has a wrong description of its model: .*{message}") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)


def test_missing_tensor_fails(saved):
    path, _ = saved
    _rewrite(path, drop="neck.laterals.0.weight")
    with pytest.raises(CheckpointError, match=r"neck\.laterals\.0\.weight"):
        load_checkpoint(path)
