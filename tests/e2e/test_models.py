"""`streamdet models`."""

import json

import pytest
import torch
from torchvision.models import detection, list_models

from streamdet.models.classify.network import ClipClassifier, save_classifier
from streamdet.models.classify.spec import ClassifierSpec
from streamdet.models.onnx.names import COCO_80, COCO_IDS


def _json(done) -> dict[str, dict]:
    assert done.status == 0
    return {row["name"]: row for row in json.loads(done.stdout)}


def test_all_models_are_listed_with_what_is_known_of_them(streamdet) -> None:
    rows = _json(streamdet("models", "--json"))
    street = rows["street"]
    assert street["classes"] == ["person", "bicycle", "car", "motorcycle", "bus", "truck"]
    assert street["coco_ids"] == [1, 2, 3, 4, 6, 8]
    assert street["licence"] == "Apache-2.0"
    assert 1.9e6 < street["parameters"] < 2.1e6
    assert street["ms"] is None
    assert {f"torchvision/{name}" for name in list_models(module=detection)} <= set(rows)
    retinanet = rows["torchvision/retinanet_resnet50_fpn_v2"]
    assert tuple(retinanet["classes"]) == COCO_80
    assert retinanet["coco_ids"][-1] == 90
    assert retinanet["ap"] == 41.5
    assert "download" in retinanet["needs"]

    table = streamdet("models").stdout
    assert len(table.splitlines()) == len(rows) + 1
    assert all(name in table for name in rows)


def test_the_category_ids_of_coco() -> None:
    assert len(COCO_IDS) == 80
    assert (COCO_IDS["person"], COCO_IDS["stop sign"], COCO_IDS["toothbrush"]) == (1, 13, 90)


def test_a_model_is_measured_when_asked_for(streamdet) -> None:
    [row] = _json(streamdet("models", "street", "--measure", "--json")).values()
    assert row["ms"] > 0
    assert "192x320" in row["measured"]


def test_files_are_described(streamdet, tiny_model, here) -> None:
    torch.manual_seed(0)
    spec = ClassifierSpec(classes=("sits", "stands"), backbone="shufflenet_v2_x0_5", size=(32, 32))
    save_classifier(here / "clips.safetensors", ClipClassifier(spec), {})
    rows = _json(streamdet("models", tiny_model, "clips.safetensors", "--json"))
    assert rows[str(tiny_model)]["kind"] == "detector with a recurrent state"
    assert rows[str(tiny_model)]["classes"] == ["person", "car"]
    assert rows["clips.safetensors"]["kind"] == "classifier of clips"
    assert rows["clips.safetensors"]["licence"] == "not stated"
    named = streamdet("models", tiny_model, "--classes").stdout
    assert named.splitlines()[1:] == ["    0  person  (COCO 1)", "    1  car  (COCO 3)"]


@pytest.mark.parametrize("name", ["stret", "none.safetensors", "none.onnx", "torchvision/nonsense"])
def test_what_is_no_model_is_refused(streamdet, name) -> None:
    done = streamdet("models", name)
    assert done.status == 2
    assert name.removeprefix("torchvision/") in done.stderr
