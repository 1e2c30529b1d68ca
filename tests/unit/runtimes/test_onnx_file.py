"""Detectors of other makers as ONNX files: their layouts are told, and their boxes are what they mean."""

import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto
from onnx_networks import write_constant_network, write_grid_network

import streamdet
from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.onnx.names import COCO_80
from streamdet.models.options import DetectOptions
from streamdet.skeleton import Skeleton

NAMES = "person,car"
RED, BLUE = (255, 0, 0), (0, 0, 255)


def _image(colour, height=64, width=64):
    return np.broadcast_to(np.array(colour, np.uint8)[:, None, None], (1, 1, 3, height, width))


def _found(detector, images, conf=0.3, **options):
    [[found]] = detector.step(images)[0].detections(DetectOptions(conf=conf, **options))
    return found


def _colours(rows, first_class):
    """Weights and biases of networks whose class 0 is the input's first channel and class 1 its last, 0 to 0.8."""
    weights, biases = np.zeros((rows, 3)), np.zeros(rows)
    weights[first_class, 0] = weights[first_class + 1, 2] = 0.8
    return weights, biases


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("half", [False, True])
def test_cells_with_scores(tmp_path, runtime, half):
    weights, biases = _colours(6, 4)
    biases[:4] = 30, 20, 10, 8
    path = write_grid_network(tmp_path / "v8.onnx", weights, biases, half=half)
    detector = streamdet.load(path, runtime=runtime, class_names=NAMES)
    assert (detector.spec.name, detector.spec.classes, len(detector.spec.sha256)) == ("v8", ("person", "car"), 64)
    assert detector.runtime == f"{runtime} cpu fp32"
    for colour, name in ((RED, "person"), (BLUE, "car")):
        found = _found(detector, _image(colour))
        assert found.boxes.tolist() == [[25, 16, 35, 24]]
        assert found.class_names.tolist() == [name]
        assert found.scores == pytest.approx([0.8], abs=1e-3)
        assert found.class_scores is not None
        assert found.class_scores[0, found.class_ids[0]] == found.scores[0]


def test_anchors_with_objectness(tmp_path):
    weights, biases = _colours(7, 5)
    biases[:5] = 30, 20, 10, 8, 0.5
    path = write_grid_network(
        tmp_path / "v5.onnx",
        weights,
        biases,
        sides=(64, 64),
        strides=(8, 8, 8, 16, 16, 16, 32, 32, 32),
        rows_first=True,
    )
    found = _found(streamdet.load(path, class_names=NAMES), _image(RED))
    assert found.boxes.tolist() == [[25, 16, 35, 24]]
    assert found.scores == pytest.approx([0.4], abs=1e-6)


def test_yolox_raw(tmp_path):
    """Each cell of its own: centre in cells from its corner, sides as logarithms, blue first, 0 to 255."""
    weights, biases = _colours(7, 5)
    biases[:5] = 0.5, 0.25, np.log(2), np.log(3), 0.5
    path = write_grid_network(tmp_path / "x.onnx", weights / 255, biases, sides=(64, 96), rows_first=True)
    detector = streamdet.load(path, class_names="car,person")
    found = _found(detector, _image(RED, 64, 96), conf=0.1, iou=1)
    assert len(found) == 8 * 12 + 4 * 6 + 2 * 3
    assert set(found.class_names) == {"person"}
    assert found.scores == pytest.approx(np.full(len(found), 0.4), abs=1e-3)
    for x, y, stride in ((0, 0, 32), (2, 1, 32), (11, 7, 8)):
        centre_x, centre_y = (x + 0.5) * stride, (y + 0.25) * stride
        box = [centre_x - stride, centre_y - 1.5 * stride, centre_x + stride, centre_y + 1.5 * stride]
        assert _distance(found, np.clip(box, 0, [96, 64, 96, 64])) < 1e-3


def _distance(found, box):
    """To the nearest of the boxes, pixels."""
    return np.abs(found.boxes - box).max(axis=1).min()


def test_yolox_decoded(tmp_path):
    weights, biases = _colours(85, 5)
    biases[:5] = 40, 36, 10, 8, 0.5
    path = write_grid_network(tmp_path / "x.onnx", weights / 255, biases, sides=(64, 96), rows_first=True)
    detector = streamdet.load(path)
    assert detector.spec.classes == COCO_80
    assert _found(detector, _image(BLUE, 64, 96)).boxes.tolist() == [[35, 32, 45, 40]]
    assert _found(detector, _image(BLUE, 64, 96)).class_names.tolist() == ["person"]


@pytest.mark.parametrize("raw", [False, True])
def test_nanodet_plus(tmp_path, raw):
    """Distances from the cell's corner, as a mean over bins; scores as logits or not."""
    weights, biases = np.zeros((34, 3)), np.zeros(34)
    biases[:2] = (2.0, -20.0) if raw else (0.9, 0.0)
    for side, distance in enumerate((1, 2, 3, 4)):
        biases[2 + 8 * side + distance] = 60
    path = write_grid_network(tmp_path / "n.onnx", weights, biases, strides=(8, 16, 32, 64), rows_first=True)
    found = _found(streamdet.load(path, class_names=NAMES), _image(RED, 64, 128), conf=0.1, iou=1)
    assert found.scores == pytest.approx(np.full(len(found), 1 / (1 + np.exp(-2)) if raw else 0.9), abs=1e-3)
    assert _distance(found, [24, 16, 56, 64]) < 1e-3, "the cell at (32, 32) of stride 8"


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("as_centres", [False, True])
def test_decoded_boxes_and_scores(tmp_path, relative, as_centres):
    rng = np.random.default_rng(0)
    first, sides = rng.uniform(0, 40, (50, 2)), rng.uniform(1, 20, (50, 2))
    corners = np.concatenate([first, first + sides], axis=1)
    stored = np.concatenate([first + sides / 2, sides], axis=1) if as_centres else corners
    scores = rng.uniform(0, 1, (1, 50, 2)).astype(np.float32)
    outputs = {"scores": scores, "boxes": (stored[None] / (64 if relative else 1)).astype(np.float32)}
    path = write_constant_network(tmp_path / "b.onnx", outputs)
    detector = streamdet.load(path, layout="0-255,bgr,stretch", class_names=NAMES)
    assert (detector.spec.input.channel_order, detector.spec.input.fit) == ("bgr", "stretch")
    found = _found(detector, _image(RED), conf=0.9)
    best = scores[0].max(axis=1).argmax()
    np.testing.assert_allclose(found.boxes[0], corners[best], atol=1e-3)
    np.testing.assert_array_equal(found.class_scores[0], scores[0, best])


def test_columns_of_one_name_are_one_class(tmp_path):
    outputs = {
        "boxes": np.array([[[0, 0, 20, 20], [0, 0, 20, 21]]], np.float32),
        "scores": np.array([[[0.1, 0.5, 0.9], [0.8, 0.2, 0.1]]], np.float32),
    }
    path = write_constant_network(tmp_path / "b.onnx", outputs)
    detector = streamdet.load(path, layout="0-1", class_names="car,car,-")
    assert detector.spec.classes == ("car",)
    assert _found(detector, _image(RED)).scores == pytest.approx([0.8])


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (6, {}, r"v8\.onnx: its 2 classes have no names: say --class-names A,B,\.\.\., coco80"),
        (6, {"class_names": "a,b,c"}, r"v8\.onnx: is no detector of a known layout .* image of 64x96: .*; 3 class"),
        (6, {"layout": "yolox"}, r"v8\.onnx: its outputs do not have the layout yolox: for an image of 64x96: output0"),
        (6, {"layout": "yolo9000"}, r"layout yolo9000: expected one of yolov8, .*, got 'yolo9000'"),
        (6, {"class_names": "a,,b"}, r"class names a,,b: one is empty"),
        (6, {"class_names": "none.txt"}, r"class names none\.txt: cannot be read"),
        (6, {"device": "cuda"}, r"ONNX files run on the CPU, device cuda is not available"),
        (6, {"runtime": "torch"}, r"ONNX files run with runtime openvino in fp32 or bf16, or onnxruntime in fp32"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, rows, options, message):
    path = write_grid_network(tmp_path / "v8.onnx", *_colours(rows, 4), sides=(64, 96))
    with pytest.raises(ConfigError, match=message):
        streamdet.load(path, **options)


def test_two_layouts_that_fit_are_refused(tmp_path):
    path = write_grid_network(
        tmp_path / "t.onnx", *_colours(40, 5), sides=(64, 64), strides=(8, 16, 32, 64), rows_first=True
    )
    with pytest.raises(
        ConfigError,
        match=r"t\.onnx: could be yolov8 \(36 classes\) or yolox \(35 classes\) or nanodet-plus \(8 classes\): say",
    ):
        streamdet.load(path)
    assert streamdet.load(path, class_names="a,b,c,d,e,f,g,h").spec.input.std == (57.375, 57.12, 58.395)


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="model file not found"):
        streamdet.load(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(CheckpointError, match=r"text\.onnx is not a"):
        streamdet.load(tmp_path / "text.onnx")


def test_layout_and_names_are_for_onnx_files_alone():
    with pytest.raises(ConfigError, match=r"said of \.onnx files, not of street"):
        streamdet.load("street", class_names="a,b")


def test_no_torch_is_loaded(tmp_path):
    path = write_grid_network(tmp_path / "v8.onnx", *_colours(84, 4))
    code = (
        f"import sys, numpy as np, streamdet; d = streamdet.load({str(path)!r});"
        "d.step(np.zeros((1, 1, 3, 64, 64), np.uint8)); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


BOX = np.array([[10, 20, 30, 50], [0, 0, 20, 10]], np.float32)
CENTRES = np.array([[20, 35, 20, 30], [10, 5, 20, 10]], np.float32)


def _assert_finds(found):
    """The second class in the first box with 0.75, and the first in the second with 0.5."""
    np.testing.assert_allclose(found.boxes, BOX, atol=1e-3)
    assert found.class_names.tolist() == ["car", "person"]
    np.testing.assert_allclose(found.scores, [0.75, 0.5], atol=1e-3)
    assert found.class_scores.argmax(axis=1).tolist() == [1, 0]


LOGITS = np.log(np.array([[[1, 3], [1, 0.01]]], np.float32))  # sigmoid: 0.5 and 0.75, 0.5 and little
SOFTMAX = np.log(np.array([[[0.05, 0.75, 0.2], [0.5, 0.1, 0.4]]], np.float32))
LISTED = {"labels": np.array([1, 0]), "boxes": BOX, "scores": np.array([0.75, 0.5], np.float32)}


def _columns(*parts):
    """Columns beside each other, a row for each of two boxes."""
    return np.concatenate([np.reshape(part, (2, -1)) for part in parts], axis=1, dtype=np.float32)


SCORES, CLASSES = [0.75, 0.5], [1, 0]
LAYOUTS = {
    "nms": {"o": _columns(BOX, SCORES, CLASSES)[None]},
    "nms-relative": {"o": _columns(CENTRES / 64, SCORES, CLASSES)[None]},
    "yolov7-nms": {"o": _columns([0, 0], BOX, CLASSES, SCORES)},
    "rtdetr": {"o": _columns(CENTRES / 64, [[0.1, 0.75], [0.5, 0.1]])[None]},
    "detr-sized": {name: array[None] for name, array in LISTED.items()},
    "rfdetr": {"dets": CENTRES[None] / 64, "labels": LOGITS},
    "detr": {"logits": SOFTMAX, "pred_boxes": CENTRES[None] / 64},
    "detr-sigmoid": {"logits": LOGITS, "pred_boxes": CENTRES[None] / 64},
    "torchvision": LISTED | {"labels": np.array([2, 1])},
    "mmdet": {"dets": _columns(BOX, SCORES)[None], "labels": np.array([CLASSES])},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_boxes_of_every_other_layout(tmp_path, layout):
    others = {"orig_target_sizes": (1, 2)} if layout == "detr-sized" else None
    path = write_constant_network(tmp_path / "x.onnx", LAYOUTS[layout], others=others)
    pixels = "0-1" if layout == "mmdet" else None
    _assert_finds(_found(streamdet.load(path, layout=pixels, class_names=NAMES), _image(RED)))
    _assert_finds(_found(streamdet.load(path, layout=f"{layout},0-1", class_names=NAMES), _image(RED)))
    with pytest.raises(ConfigError, match=r"have no names|do not have the layout|could be"):
        streamdet.load(path, layout=f"{layout},0-1")


def test_nothing_found_on_grey_leaves_corners_or_centres_in_doubt(tmp_path):
    empty = {"o": np.zeros((1, 300, 6), np.float32)}
    path = write_constant_network(tmp_path / "x.onnx", empty)
    with pytest.raises(ConfigError, match=r"could be nms \(2 classes\) or nms-relative \(2 classes\): say --layout"):
        streamdet.load(path, class_names=NAMES)
    for head, fit in (("Detect", "pad"), ("RTDETRDecoder", "stretch")):
        path = write_constant_network(tmp_path / "x.onnx", empty, metadata={"head": head})
        assert streamdet.load(path, class_names=NAMES).spec.input.fit == fit
    assert len(_found(streamdet.load(path, class_names=NAMES), _image(RED))) == 0


ULTRALYTICS = {"names": "{0: 'person', 1: 'car'}", "imgsz": "[64, 96]", "stride": "32", "task": "detect"}


def test_metadata_tells_names_and_size(tmp_path, caplog):
    weights, biases = _colours(6, 4)
    biases[:4] = 30, 20, 10, 8
    metadata = ULTRALYTICS | {"license": "AGPL-3.0 License"}
    with caplog.at_level("INFO"):
        detector = streamdet.load(write_grid_network(tmp_path / "u.onnx", weights, biases, metadata=metadata))
    assert (detector.spec.classes, detector.spec.input.size) == (("person", "car"), 96)
    assert sum("AGPL-3.0" in record.getMessage() for record in caplog.records) == 1
    assert _found(detector, _image(BLUE)).class_names.tolist() == ["car"]


@pytest.mark.parametrize("task", ["obb", "classify"])
def test_other_tasks_are_refused(tmp_path, task):
    path = write_grid_network(tmp_path / "u.onnx", *_colours(7, 4), metadata=ULTRALYTICS | {"task": task})
    with pytest.raises(ConfigError, match=f"u.onnx: is for the task {task}, expected a detector: "):
        streamdet.load(path)


def test_names_that_do_not_fit_the_columns_are_refused(tmp_path):
    path = write_grid_network(tmp_path / "u.onnx", *_colours(7, 4), sides=(64, 96), metadata=ULTRALYTICS)
    with pytest.raises(ConfigError, match=r"is no detector of a known layout .*output0 1x7x126 float32; 2 class names"):
        streamdet.load(path)


@pytest.mark.parametrize("suppressed", [False, True])
def test_masks_of_prototypes(tmp_path, suppressed):
    """Two prototypes: the left half of the image, and the right one; the box lies over both."""
    prototypes = np.full((1, 2, 16, 16), -9, np.float32)
    prototypes[0, 0, :, :8] = prototypes[0, 1, :, 8:] = 9
    if suppressed:
        rows = np.array([[16, 16, 48, 48, 0.9, 1, 1, 0]], np.float32)[None]
    else:
        rows = np.zeros((1, 8, 84), np.float32)
        rows[0, :, 5] = 32, 32, 32, 32, 0.1, 0.9, 1, 0
    metadata = ULTRALYTICS | {"task": "segment", "imgsz": "[64, 64]"}
    path = write_constant_network(tmp_path / "s.onnx", {"o": rows, "p": prototypes}, metadata=metadata)
    found = _found(streamdet.load(path), _image(RED))
    assert found.class_names.tolist() == ["car"]
    assert found.masks.shape == (1, 28, 28)
    assert (found.masks[0, :, :12] > 250).all()
    assert (found.masks[0, :, 16:] < 5).all()


def test_masks_are_of_boxes_inside_the_image(tmp_path):
    """The box reaches over the left edge; its mask is of the part that is inside, the left half of which is filled."""
    prototypes = np.full((1, 1, 16, 16), -9, np.float32)
    prototypes[..., :4] = 9
    rows = np.array([[-32, 16, 32, 48, 0.9, 1, 1]], np.float32)[None]
    metadata = ULTRALYTICS | {"task": "segment", "imgsz": "[64, 64]"}
    path = write_constant_network(tmp_path / "s.onnx", {"o": rows, "p": prototypes}, metadata=metadata)
    found = _found(streamdet.load(path), _image(RED))
    assert found.boxes.tolist() == [[0, 16, 32, 48]]
    assert (found.masks[0, :, :12] > 250).all()
    assert (found.masks[0, :, 16:] < 5).all()


def test_keypoints(tmp_path):
    rows = np.zeros((1, 11, 84), np.float32)
    rows[0, :, 5] = 32, 32, 32, 32, 0.9, 20, 21, 0.8, 40, 41, 0.6
    metadata = ULTRALYTICS | {"task": "pose", "imgsz": "[64, 64]", "kpt_shape": "[2, 3]", "names": "{0: 'person'}"}
    path = write_constant_network(tmp_path / "p.onnx", {"o": rows}, metadata=metadata)
    found = _found(streamdet.load(path), _image(RED))
    np.testing.assert_allclose(found.keypoints, [[[20, 21, 0.8], [40, 41, 0.6]]], atol=1e-6)
    assert found.skeleton.names == ("point 1", "point 2")
    named = write_constant_network(
        tmp_path / "n.onnx", {"o": rows}, metadata=metadata | {"kpt_names": "{0: ['head', 'foot']}"}
    )
    detector = streamdet.load(named)
    assert _found(detector, _image(RED)).skeleton == detector.spec.skeleton == Skeleton(("head", "foot"))


def test_masks_of_whole_images(tmp_path):
    masks = np.zeros((2, 1, 64, 64), np.float32)
    masks[0, 0, 20:35] = 1
    path = write_constant_network(tmp_path / "m.onnx", LAYOUTS["torchvision"] | {"masks": masks})
    found = _found(streamdet.load(path, class_names=NAMES), _image(RED))
    _assert_finds(found)
    assert (found.masks[0, :13] > 250).all()
    assert (found.masks[0, 15:] < 5).all()


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("batch", [1, 3, "batch"])
@pytest.mark.parametrize("sides", [None, (64, 64)])
def test_batches_and_sizes_fixed_and_not(tmp_path, runtime, batch, sides):
    weights, biases = _colours(6, 4)
    biases[:4] = 30, 20, 10, 8
    path = write_grid_network(tmp_path / "v8.onnx", weights, biases, sides=sides, batch=batch)
    detector = streamdet.load(path, runtime=runtime, class_names=NAMES)
    assert detector.spec.input.fixed == sides
    images = np.concatenate([_image(colour) for colour in (RED, BLUE, RED, BLUE)], axis=1)
    outputs, state = detector.step(images)
    found = outputs.detections()[0]
    assert [frame.class_names.tolist() for frame in found] == [["person"], ["car"], ["person"], ["car"]]
    assert state.ages.tolist() == [4]


def test_channels_last_and_whole_numbers(tmp_path):
    path = write_constant_network(tmp_path / "t.onnx", LAYOUTS["nms"], image=(1, 64, 96, 3), dtype=TensorProto.UINT8)
    detector = streamdet.load(path, class_names=NAMES)
    assert (detector.spec.input.fixed, detector.spec.input.scale) == ((64, 96), 1)
    _assert_finds(_found(detector, _image(RED, 64, 96)))


def test_an_input_that_is_no_image_is_refused(tmp_path):
    path = write_constant_network(tmp_path / "t.onnx", LAYOUTS["nms"], others={"tokens": (1, 7)})
    with pytest.raises(
        ConfigError, match=r"expected one image \(N, 3, H, W\) as its input, it takes images \(1, 3, 64"
    ):
        streamdet.load(path, class_names=NAMES)


def test_a_step_of_our_own_is_refused(tmp_path):
    path = write_constant_network(tmp_path / "street.onnx", LAYOUTS["nms"], image=(1, 1, 64, 64, 3))
    with pytest.raises(ConfigError, match=r"is run by the name or \.safetensors file of its model"):
        streamdet.load(path)
