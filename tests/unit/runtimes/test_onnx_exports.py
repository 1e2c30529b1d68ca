"""ONNX files in the shapes, and with the files beside them, in which tools really export them."""

import json

import numpy as np
import pytest
from onnx_networks import write_constant_network

import streamdet
from streamdet.cli import main
from streamdet.errors import ConfigError
from streamdet.models.onnx.names import COCO_80
from streamdet.models.options import DetectOptions

LOGITS = {  # 0.75 for the second class in the first box, 0.5 for the first in the second
    "detr": {"logits": np.log(np.array([[[0.05, 0.75, 0.2], [0.5, 0.1, 0.4]]], np.float32))},
    "detr-sigmoid": {"logits": np.log(np.array([[[1, 3], [1, 0.01]]], np.float32))},
}
BOXES = {"pred_boxes": np.array([[[20, 35, 20, 30], [10, 5, 20, 10]]], np.float32) / 64}


def _found(detector):
    [[found]] = detector.step(np.zeros((1, 1, 3, 64, 64), np.uint8))[0].detections(DetectOptions(conf=0.3))
    return found


@pytest.mark.parametrize("prototypes", [False, True])
@pytest.mark.parametrize("maps", [False, True])
def test_anchors_as_the_yolov5_repository_exports_them(tmp_path, prototypes, maps):
    """5.0 and 6.0 give the maps behind the table, as YOLOv7 does; segmentation of 7.0 has weights of 32 prototypes."""
    table = np.zeros((1, 3 * 84, 85 + 32 * prototypes), np.float32)
    table[0, 7, :6] = 30, 20, 20, 16, 0.5, 0.8
    outputs = {"output": table}
    if prototypes:
        table[0, 7, 85] = 1
        outputs["648"] = np.full((1, 32, 16, 16), -9, np.float32)
        outputs["648"][..., :8] = 9
    if maps:
        outputs |= {f"map{side}": np.zeros((1, 3, side, side, table.shape[2]), np.float32) for side in (8, 4, 2)}
    detector = streamdet.load(write_constant_network(tmp_path / "yolov5.onnx", outputs))
    assert detector.spec.classes == COCO_80
    found = _found(detector)
    assert found.boxes.tolist() == [[20, 12, 40, 28]]
    assert (found.class_names.tolist(), found.scores.tolist()) == (["person"], pytest.approx([0.4]))
    assert (found.masks is not None) == prototypes
    if prototypes:
        assert (found.masks[0, :, :14] > 250).all()
        assert (found.masks[0, :, 20:] < 5).all()


@pytest.mark.parametrize("above", [False, True])
@pytest.mark.parametrize("layout", ["detr", "detr-sigmoid"])
def test_files_beside_an_export_of_hugging_face(tmp_path, layout, above):
    """Its config.json names the classes, its preprocessor_config.json says which images."""
    folder = tmp_path / "onnx" if above else tmp_path
    folder.mkdir(exist_ok=True)
    path = write_constant_network(folder / "model.onnx", {**LOGITS[layout], **BOXES})
    with pytest.raises(ConfigError, match=r"could be|have no names"):
        streamdet.load(path)
    (tmp_path / "config.json").write_text(json.dumps({"id2label": {"0": "person", "1": "car"}}))
    assert streamdet.load(path).spec.classes == ("person", "car")
    described = {"size": {"shortest_edge": 64, "longest_edge": 64}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(described))
    detector = streamdet.load(path)
    assert (detector.spec.input.fit, detector.spec.input.mean) == ("pad", (0.5, 0.5, 0.5))
    found = _found(detector)
    np.testing.assert_allclose(found.boxes, [[10, 20, 30, 50], [0, 0, 20, 10]], atol=1e-3)
    assert found.class_names.tolist() == ["car", "person"]
    np.testing.assert_allclose(found.scores, [0.75, 0.5], atol=1e-3)
    assert streamdet.load(path, class_names="a,b").spec.classes == ("a", "b")


@pytest.mark.parametrize(
    "text", ["[1]", "{", '{"id2label": {"7": "person"}}', '{"id2label": 3, "size": []}', "[" * 9999]
)
def test_wrong_files_beside_it_say_nothing(tmp_path, text):
    path = write_constant_network(tmp_path / "model.onnx", {**LOGITS["detr-sigmoid"], **BOXES})
    for name in ("config.json", "preprocessor_config.json"):
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match="could be"):
        streamdet.load(path)


def test_a_size_that_the_file_does_not_take_is_refused_before_anything_is_written(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    table = np.zeros((1, 3 * 84, 85), np.float32)
    path = write_constant_network(tmp_path / "yolov5.onnx", {"output": table})
    assert main(["scene", "-o", "street.mp4", "--seconds", "0.2", "--width", "320", "--height", "192"]) == 0
    capsys.readouterr()
    assert main(["run", "street.mp4", "--model", str(path), "--imgsz", "100", "-o", "seen.mp4"]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert said[-1] == "error: the model takes images of 64x64 pixels only: leave the size out"
    assert not (tmp_path / "seen.mp4").exists()
