"""A detector of another library gets a memory, is trained, judged and run: the way of someone who has one already."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from tiny_transformers import write_model
from torchvision.models import get_model

import streamdet
from streamdet.cli import main
from streamdet.models.options import DetectOptions

RECIPE = """
model:
  name: ssd-street
  detector: torchvision/ssdlite320_mobilenet_v3_large
  classes: [person, car, motorcycle, bus, truck]
  recurrent_channels: 8
  levels: ["0", "1"]
data: .
initialise: ssd.pth
sets:
  - {name: street, path: street.labels.json, hold_out: {street: [5, 8]}}
phases:
  - {name: temporal, steps: 2, frames: 2, lanes: 1, canvases: [[64, 96]], learning_rate: 1e-4, alpha: [0, 1]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A labelled clip, a state dict as torchvision gives it, and what was trained from them."""
    folder = tmp_path_factory.mktemp("foreign")
    torch.manual_seed(0)
    own = get_model("ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None, num_classes=91)
    torch.save(own.state_dict(), folder / "ssd.pth")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["scene", "--seconds", "0.8", "--fps", "10", "--width", "160", "--height", "96", "-q"]) == 0
        (folder / "recipe.yaml").write_text(RECIPE)
        assert main(["train", "recipe.yaml", "-q"]) == 0
    return folder


def test_it_is_trained_judged_and_written(folder):
    run = folder / "runs" / "ssd-street"
    rows = [json.loads(line) for line in (run / "figures.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "loss" in row] == [2]
    assert all(row["loss"] > 0 and row["classification"] > 0 for row in rows if "loss" in row)
    assert list([row["ap50"] for row in rows if "ap50" in row][-1]["street"]) == ["carry", "reset"]


def test_it_starts_from_what_its_weights_know(folder):
    """Classes of the same name start from COCO's; the memory's gate is open as it was trained."""
    detector: Any = streamdet.load(folder / "runs" / "ssd-street" / "ssd-street.safetensors", device="cpu")
    given = torch.load(folder / "ssd.pth", weights_only=True)
    own = detector.model.network.model.state_dict()
    name = next(key for key in own if own[key].shape != given[key].shape and key.endswith("bias"))
    anchors = len(own[name]) // 6
    got, coco = own[name].view(anchors, 6), given[name].view(anchors, 91)
    torch.testing.assert_close(got, coco[:, [0, 1, 3, 4, 6, 8]], atol=1e-3, rtol=0)
    norms = [module.eps for module in detector.model.network.model.modules() if hasattr(module, "eps")]
    assert set(norms) == {0.001}
    assert float(detector.model.memory.of("0").alpha) > 0


def test_its_state_is_carried_in_a_run(folder, monkeypatch):
    monkeypatch.chdir(folder)
    model = "runs/ssd-street/ssd-street.safetensors"
    detector = streamdet.load(model, device="cpu")
    assert detector.spec.classes == ("person", "car", "motorcycle", "bus", "truck")
    images = np.random.default_rng(0).integers(0, 256, (1, 2, 3, 320, 320), np.uint8)
    whole, state = detector.step(images)
    assert state.ages.tolist() == [2]
    assert set(state.to_arrays()) == {"age", "hidden.0", "cell.0", "hidden.1", "cell.1"}
    _, first = detector.step(images[:, :1])
    resumed = detector.state_from_arrays(first.to_arrays())
    keep = DetectOptions(conf=0.0)
    [[again]] = detector.step(images[:, 1:], resumed)[0].detections(keep)
    np.testing.assert_array_equal(again.scores, whole.detections(keep)[0][1].scores)
    assert main(["run", "street.mp4", "--model", model, "--no-video", "--detections", "found.jsonl", "-q"]) == 0
    frames = [json.loads(line) for line in (folder / "found.jsonl").read_text().splitlines()]
    assert sum(line["type"] == "frame" for line in frames) == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["model.detector=torchvision/fcos_resnet50"], "unknown model torchvision/fcos_resnet50: did you mean fcos_"),
        (
            ["model.detector=torchvision/maskrcnn_resnet50_fpn"],
            "is trained on masks or keypoints, which labelled video",
        ),
        (
            ["model.detector=street"],
            "street: expected torchvision/NAME or hf:OWNER/NAME as the detector that is trained",
        ),
        (['model.levels=["0","9"]'], "has the levels 0, 1, 2, 3, 4, 5, not 9"),
        (["initialise=none.pth"], "model file not found: none.pth"),
        (["initialise=COCO_V7"], "expected COCO_V1, DEFAULT, or a .pth file, got COCO_V7"),
        (["phases.0.recall=1"], "phase temporal: recall is of streamdet's own detectors, expected 0"),
        (["precision=bf16"], "precision: detectors of other libraries are trained in fp32"),
        (["model.classes=[person,bicycle]"], "set street does not label bicycle"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(folder, monkeypatch, capsys, settings, message):
    monkeypatch.chdir(folder)
    words = [word for setting in settings for word in ("--set", setting)]
    assert main(["train", "recipe.yaml", "--output", "other", *words]) == 2
    assert message in capsys.readouterr().err


def test_it_is_not_exported(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    model = "runs/ssd-street/ssd-street.safetensors"
    assert main(["export", "--format", "onnx", "-o", "x.onnx", "--model", model]) == 2
    assert "is a detector of another library with a memory" in capsys.readouterr().err


def test_one_of_transformers_is_trained_and_run(folder, monkeypatch):
    pytest.importorskip("transformers", reason="needs transformers: pip install 'streamdet[hf]'")
    monkeypatch.chdir(folder)
    tiny = write_model("rt_detr_v2", folder / "rtdetr")
    recipe = RECIPE.replace("torchvision/ssdlite320_mobilenet_v3_large", f"hf:{tiny}").replace("ssd.pth", "DEFAULT")
    recipe = recipe.replace("ssd-street", "rtdetr-street").replace("[64, 96]", "[64, 64]")
    (folder / "rtdetr.yaml").write_text(recipe)
    assert main(["train", "rtdetr.yaml", "-q"]) == 0
    model = "runs/rtdetr-street/rtdetr-street.safetensors"
    assert (
        main(["eval", "street.labels.json", "--model", model, "--memory", "carry", "--json", "judged.json", "-q"]) == 0
    )
    detector = streamdet.load(model, device="cpu")
    assert detector.spec.classes == ("person", "car", "motorcycle", "bus", "truck")
    _, state = detector.step(np.zeros((1, 2, 3, 64, 64), np.uint8))
    assert state.ages.tolist() == [2]
    assert set(state.to_arrays()) == {"age", "hidden.0", "cell.0", "hidden.1", "cell.1"}
