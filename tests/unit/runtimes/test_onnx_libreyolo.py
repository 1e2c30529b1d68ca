"""Tables of corners, and what LibreYOLO's files say of themselves."""

import numpy as np
import pytest
from onnx_networks import write_constant_network

import streamdet
from streamdet.errors import ConfigError
from streamdet.models.onnx.names import COCO_80
from streamdet.models.options import DetectOptions

IMAGE = np.zeros((1, 1, 3, 64, 64), np.uint8)


def _found(detector, conf=0.3):
    [[found]] = detector.step(IMAGE)[0].detections(DetectOptions(conf=conf))
    return found


def _table(boxes, scores):
    return np.concatenate([boxes, scores], axis=1, dtype=np.float32)[None]


@pytest.mark.parametrize("across", [False, True])
def test_cells_with_corners_are_told_from_cells_with_centres(tmp_path, across):
    """As many rows as a 64 x 64 image has cells, whose order of x1, y1, x2, y2 says what they are."""
    rng = np.random.default_rng(1)
    first, sides = rng.uniform(0, 40, (84, 2)), rng.uniform(1, 20, (84, 2))
    scores = rng.uniform(0, 1, (84, 2))
    table = _table(np.concatenate([first, first + sides], axis=1), scores)[:, :, [0, 1, 2, 3, 4, 5, 5]]
    table = table.transpose(0, 2, 1) if across else table
    path = write_constant_network(tmp_path / "c.onnx", {"o": table})
    found = _found(streamdet.load(path, layout="0-1", class_names="person,car,-"), conf=0.9)
    best = scores.max(axis=1).argmax()
    np.testing.assert_allclose(found.boxes[0], [*first[best], *(first + sides)[best]], atol=1e-3)
    said = streamdet.load(path, layout="yolov8,0-1", class_names="person,car,-")
    assert np.abs(_found(said, conf=0.9).boxes[0] - found.boxes[0]).max() > 1, "--layout has the last word"


@pytest.mark.parametrize(
    ("family", "pixels"),
    [("yolo9", ("rgb", "pad", 1 / 255)), ("rtmdet", ("bgr", "pad", 1.0)), ("picodet", ("rgb", "stretch", 1 / 255))],
)
def test_a_file_of_libreyolo_is_read_as_its_family_says(tmp_path, family, pixels):
    """Its boxes may be in no order, as those of a network that has not been trained."""
    table = _table([[40, 10, 20, 30], [5, 6, 20, 30]], [[0.1, 0.2], [0.2, 0.9]])
    metadata = {"libreyolo_version": "1.6.0", "model_family": family, "names": '{"0": "person", "1": "car"}'}
    path = write_constant_network(tmp_path / "l.onnx", {"output": table}, metadata=metadata)
    detector = streamdet.load(path)
    image = detector.spec.input
    assert (image.channel_order, image.fit, image.scale) == pixels
    found = _found(detector)
    assert (found.boxes.tolist(), found.class_names.tolist()) == ([[5, 6, 20, 30]], ["car"])


def test_a_family_of_libreyolo_that_is_not_known_is_refused(tmp_path):
    table = _table([[5, 6, 20, 30]], [[0.2, 0.9]])
    metadata = {"libreyolo_version": "1.6.0", "model_family": "fomo", "names": '{"0": "person", "1": "car"}'}
    path = write_constant_network(tmp_path / "l.onnx", {"output": table}, metadata=metadata)
    with pytest.raises(ConfigError, match=r"l.onnx: is of LibreYOLO's family fomo, .*say --layout, .*output 1x1x6"):
        streamdet.load(path)
    found = _found(streamdet.load(path, layout="corners,0-1"))
    assert found.boxes.tolist() == [[5, 6, 20, 30]]


def test_eighty_names_of_coco_for_ninety_one_columns(tmp_path):
    """Columns are COCO's ids: 3 is car, which is the third of the names."""
    logits = np.full((1, 2, 91), -9, np.float32)
    logits[0, 1, 3] = 9
    boxes = np.array([[[0.5, 0.5, 0.1, 0.1], [0.5, 0.25, 0.5, 0.5]]], np.float32)
    metadata = {"names": str(dict(enumerate(COCO_80)))}
    path = write_constant_network(tmp_path / "q.onnx", {"pred_logits": logits, "pred_boxes": boxes}, metadata=metadata)
    found = _found(streamdet.load(path))
    assert (found.boxes.tolist(), found.class_names.tolist()) == ([[16, 0, 48, 32]], ["car"])
