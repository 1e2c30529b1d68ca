"""torchvision's detectors give what they give without streamdet."""

from urllib.error import URLError

import numpy as np
import pytest
import torch
from torchvision.models import get_model
from torchvision.models.detection.roi_heads import paste_masks_in_image

import streamdet
from streamdet.cli.contenders import parse_contender
from streamdet.detections import Detections
from streamdet.errors import CheckpointError, ConfigError
from streamdet.models.options import DetectOptions
from streamdet.skeleton import COCO_PERSON

LABELS = 4
NAMES = "person,car,bus"


@pytest.fixture(scope="module")
def clip():
    return np.random.default_rng(0).integers(0, 256, (1, 2, 3, 128, 160), np.uint8)


@pytest.fixture(scope="module")
def model_of(tmp_path_factory):
    """A model of random weights whose scores are spread, and the file of its state dict."""

    def make(name, labels=LABELS):
        torch.manual_seed(0)
        model = get_model(name, weights=None, weights_backbone=None, num_classes=labels).eval()
        with torch.no_grad():
            for part, values in model.named_parameters():
                if "cls_score" in part or "classification_head" in part:
                    values.normal_(0, 0.05)
        path = tmp_path_factory.mktemp(name) / f"{name}.pth"
        torch.save(model.state_dict(), path)
        return model, path

    return make


def _expected(model, image, side=None):
    """Its own result, with its own scaling made an identity."""
    if side is None:
        model.transform.min_size, model.transform.max_size = (128,), 160
    with torch.no_grad():
        return model([torch.from_numpy(image).float() / 255])[0]


@pytest.mark.parametrize("name", ["fasterrcnn_mobilenet_v3_large_320_fpn", "maskrcnn_resnet50_fpn"])
def test_boxes_are_its_own(name, model_of, clip):
    model, path = model_of(name)
    detector = streamdet.load(f"torchvision/{name}:{path}", device="cpu", class_names=NAMES)
    assert detector.spec.classes == ("person", "car", "bus")
    assert detector.runtime == "torch cpu fp32"
    assert len(detector.spec.sha256) == 64
    outputs, state = detector.step(clip)
    assert state.ages.tolist() == [2]
    for found, image in zip(outputs.detections(DetectOptions(conf=0.0, max_detections=1000))[0], clip[0], strict=True):
        own = _expected(model, image)
        assert len(found) == len(own["boxes"]) > 0
        order = np.argsort(-own["scores"].numpy(), kind="stable")
        np.testing.assert_array_equal(found.boxes, own["boxes"].numpy()[order])
        np.testing.assert_array_equal(found.scores, own["scores"].numpy()[order])
        np.testing.assert_array_equal(found.class_ids + 1, own["labels"].numpy()[order])
        np.testing.assert_array_equal(found.class_scores.max(axis=1), found.scores)
        if "masks" in own:
            assert found.masks.shape == (len(found), 28, 28)
            inside = own["masks"].numpy()[order[0], 0] > 0.5
            assert (
                abs(inside.sum() / np.prod(found.boxes[0, 2:] - found.boxes[0, :2]) - (found.masks[0] > 127).mean())
                < 0.1
            )


@pytest.mark.parametrize("side", [30, 90, 250])
def test_masks_lie_where_it_pastes_them(side):
    """On smooth ones: those of random weights are noise."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:28, :28] / 27 - 0.5
    grids = np.stack([0.5 - 2 * (np.hypot(x - a, y - b) - 0.3) for a, b in rng.uniform(-0.15, 0.15, (8, 2))]).clip(0, 1)
    low = rng.uniform(0, 40, (8, 2))
    boxes = np.concatenate([low, low + side * rng.uniform(0.8, 1.2, (8, 2))], axis=1).astype(np.float32)
    own = paste_masks_in_image(torch.tensor(grids[:, None], dtype=torch.float32), torch.tensor(boxes), (360, 360))
    found = Detections.of(boxes, np.ones(8), np.zeros(8), ("person",), masks=np.rint(255 * grids))
    for row, plane in enumerate(own.numpy()[:, 0] > 0.5):
        mine = found.mask(row, 360, 360)
        assert (plane & mine).sum() / (plane | mine).sum() > (
            0.85 if side < 50 else 0.95
        )  # it cuts corners to whole pixels


def test_keypoints_are_its_own(model_of, clip):
    name = "keypointrcnn_resnet50_fpn"
    model, path = model_of(name, labels=2)
    detector = streamdet.load(f"torchvision/{name}:{path}", device="cpu")
    assert detector.spec.classes == ("person",)
    outputs, _ = detector.step(clip[:, :1])
    [[found]] = outputs.detections(DetectOptions(conf=0.0, max_detections=1000))
    own = _expected(model, clip[0, 0])
    order = np.argsort(-own["scores"].numpy(), kind="stable")
    np.testing.assert_array_equal(found.keypoints[..., :2], own["keypoints"].numpy()[order][..., :2])
    scores = torch.sigmoid(own["keypoints_scores"]).numpy()[order]
    np.testing.assert_allclose(found.keypoints[..., 2], scores, atol=1e-6)
    assert found.skeleton == detector.spec.skeleton == COCO_PERSON


def test_it_stretches_where_torchvision_does(model_of, clip):
    _, path = model_of("ssdlite320_mobilenet_v3_large")
    detector = streamdet.load(f"torchvision/ssdlite320_mobilenet_v3_large:{path}", device="cpu", class_names=NAMES)
    box = detector.spec.input.letterbox(1280, 720)
    assert (box.scaled_width, box.scaled_height, box.model_width, box.model_height) == (320, 320, 320, 320)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "fasterrcn_resnet50_fpn",
            {},
            r"fasterrcn_resnet50_fpn: did you mean fasterrcnn_resnet50",
        ),
        ("fcos_resnet50_fpn:none.pth", {}, r"model file not found: none\.pth"),
        ("fcos_resnet50_fpn:COCO_V9", {}, r"expected COCO_V1, DEFAULT, or a \.pth file, got COCO_V9"),
        (
            "fcos_resnet50_fpn",
            {"runtime": "onnxruntime"},
            r"runs with runtime torch or openvino in fp32, not onnxruntime auto",
        ),
        (
            "fcos_resnet50_fpn",
            {"class_names": "a,b"},
            r"has 90 labels behind the background, --class-names names 2: .* torchvision/fcos_resnet50_fpn:FILE\.pth",
        ),
        ("fcos_resnet50_fpn", {"layout": "yolox"}, r"said of \.onnx files, not of torchvision/fcos"),
    ],
)
def test_what_cannot_be_is_refused(name, options, message):
    with pytest.raises((CheckpointError, ConfigError), match=message):
        streamdet.load(f"torchvision/{name}", **options)


def test_without_network_it_says_what_works(monkeypatch):
    def fail(*names, **options):
        raise URLError("Name or service not known")

    monkeypatch.setattr("streamdet.runtimes.torchvision.get_model", fail)
    with pytest.raises(CheckpointError, match=r"cannot be loaded .*; a local file works: .*fcos_resnet50_fpn:FILE"):
        streamdet.load("torchvision/fcos_resnet50_fpn")


def test_weights_of_another_model_are_refused(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"no weights")
    name = "ssdlite320_mobilenet_v3_large"
    with pytest.raises(CheckpointError, match=r"x\.pth has no weights of ssdlite320_mobilenet_v3_large: "):
        streamdet.load(f"torchvision/{name}:{tmp_path / 'x.pth'}")
    torch.save({"a": torch.zeros(3)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth has no weights of ssdlite320"):
        streamdet.load(f"torchvision/{name}:{tmp_path / 'x.pth'}")


def test_weights_behind_a_colon_are_no_memory():
    contender = parse_contender("torchvision/fcos_resnet50_fpn:mine.pth", "none")
    assert (contender.model, contender.memory) == ("torchvision/fcos_resnet50_fpn:mine.pth", "none")
    assert parse_contender("torchvision/fcos_resnet50_fpn:COCO_V1", "none").model.endswith("COCO_V1")
    assert parse_contender("hf:owner/name:reset", "carry").model == parse_contender("hf:owner/name", "reset").model
    assert parse_contender("hf:folder", "carry").model == "hf:folder"
