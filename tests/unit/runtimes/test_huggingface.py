"""Detectors of transformers give what transformers itself makes of them."""

import json
import logging
import shutil
import sys

import cv2
import numpy as np
import pytest
import torch
from tiny_transformers import CLASSES, SIDES, write_model

import streamdet
from streamdet.cli import main
from streamdet.errors import CheckpointError, ConfigError, ModelError
from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.options import DetectOptions
from streamdet.runtimes.foreign import ForeignDetector, TorchStep, ready
from streamdet.runtimes.foreign_file import new_foreign, save_foreign

transformers = pytest.importorskip("transformers", reason="needs transformers: pip install 'streamdet[hf]'")
KINDS = tuple(SIDES)
WITH_MAPS = tuple(kind for kind in KINDS if kind != "yolos")
EVERYTHING = DetectOptions(conf=0.0)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    made = {}

    def folder(kind):
        if kind not in made:
            made[kind] = write_model(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return folder


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def images_of(kind, frames=1):
    return np.random.default_rng(0).integers(0, 256, (1, frames, 3, SIDES[kind], SIDES[kind]), np.uint8)


def with_memory(folder, kind, alpha):
    """All levels, as training starts it."""
    config = ForeignConfig(name="tiny", detector=f"hf:{folder}", classes=CLASSES, recurrent_channels=8)
    model = new_foreign(config, "DEFAULT", folder, 0, print).eval()
    for fusion in model.memory.levels.values():
        fusion.start_as_moving_average(1.0)
    model.set_alpha(alpha)
    return ForeignDetector(model, TorchStep(model, "cpu"))


@pytest.mark.parametrize("kind", KINDS)
def test_boxes_are_those_of_transformers(kind, folders):
    """Its own preprocessor, model and post-processing, for an image of the size that it takes."""
    folder, images = folders(kind), images_of(kind)
    detector = streamdet.load(f"hf:{folder}", device="cpu")
    assert (detector.spec.classes, len(detector.spec.sha256)) == (CLASSES, 64)
    fitted = detector.spec.input.letterbox(SIDES[kind], SIDES[kind])
    assert (fitted.model_height, fitted.model_width) == (SIDES[kind], SIDES[kind])
    [[found]] = detector.step(images)[0].detections(EVERYTHING)

    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    model = transformers.AutoModelForObjectDetection.from_pretrained(folder).eval()
    inputs = processor(images=torch.from_numpy(images[0, 0]), return_tensors="pt")
    assert inputs["pixel_values"].shape[2:] == images.shape[3:]
    with torch.no_grad():
        outputs = model(pixel_values=inputs["pixel_values"])
    [own] = processor.post_process_object_detection(outputs, threshold=0.0, target_sizes=[images.shape[3:]])
    theirs = list(zip(*map(own.get, ("scores", "labels", "boxes")), strict=True))
    # They list as many pairs of query and class as there are queries, we the best class of each query.
    for each in found[:6]:
        limits = [SIDES[kind]] * 4
        assert any(
            label == each.class_id
            and abs(score - each.score) < 1e-4
            and np.abs(np.clip(box.numpy(), 0, limits) - each.box).max() < 0.01
            for score, label, box in theirs
        )


@pytest.mark.parametrize("kind", WITH_MAPS)
def test_a_memory_from_outside(kind, folders):
    """With its gate shut nothing changes, to the bit; with it open, clips are frame by frame."""
    images = images_of(kind, 2)
    [expected] = streamdet.load(f"hf:{folders(kind)}", device="cpu").step(images)[0].detections(EVERYTHING)
    found, state = with_memory(folders(kind), kind, 0.0).step(images)
    assert np.abs(state.to_arrays()["cell.0"]).max() > 0
    for got, wanted in zip(found.detections(EVERYTHING)[0], expected, strict=True):
        np.testing.assert_array_equal(got.boxes, wanted.boxes)
        np.testing.assert_array_equal(got.scores, wanted.scores)
    detector = with_memory(folders(kind), kind, 0.8)
    whole, after = detector.step(images)
    _, first = detector.step(images[:, :1])
    second, last = detector.step(images[:, 1:], first)
    for name, x in last.to_arrays().items():
        np.testing.assert_array_equal(after.to_arrays()[name], x)
    [[alone]], [[_, together]] = second.detections(EVERYTHING), whole.detections(EVERYTHING)
    np.testing.assert_array_equal(alone.scores, together.scores)
    assert np.abs(together.scores - expected[1].scores).max() > 1e-4


def test_without_feature_maps_there_is_no_memory(folders):
    with pytest.raises(ConfigError, match="has no feature maps that a memory could be put into"):
        with_memory(folders("yolos"), "yolos", 0.0)


@pytest.mark.parametrize("kind", WITH_MAPS)
def test_it_is_trained_through_time_and_saved(kind, folders, tmp_path):
    """Two of its classes, which keep their weights, and a new one; a frame without labels is left out of the loss."""
    config = ForeignConfig(name="tiny", detector=f"hf:{folders(kind)}", classes=("bus", "dog"), recurrent_channels=8)
    said = []
    model = new_foreign(config, "DEFAULT", tmp_path, 0, said.append)
    assert said == [f"hf:{folders(kind)} does not know dog: trained from nothing"]
    model.set_alpha(1.0)
    images = torch.from_numpy(images_of(kind, 3))
    state = model.zero_state(1, SIDES[kind], SIDES[kind])
    target = {"boxes": torch.tensor([[8.0, 8, 40, 40]]), "class_ids": torch.tensor([1])}
    losses, after = model.train().losses(images, [target, target], [0, 2], state, torch.full((1, 3), 0.1))
    assert after.ages.tolist() == [3]
    losses["detection"].backward()
    name = next(iter(model.memory.levels))
    assert model.memory.of(name).cell.from_input.weight.grad.abs().max() > 0
    path = tmp_path / "tiny.safetensors"
    save_foreign(path, model.eval(), config, {})
    loaded = streamdet.load(path, device="cpu")
    assert loaded.spec.classes == ("bus", "dog")
    images = images.numpy()
    [got] = loaded.step(images)[0].detections(EVERYTHING)
    [wanted] = ForeignDetector(model, TorchStep(model, "cpu")).step(images)[0].detections(EVERYTHING)
    for one, other in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_the_whole_step_is_converted(folders, cache):
    """Of queries that are as likely another may be chosen, in another order: boxes are matched."""
    images = images_of("rt_detr_v2", 2)
    exact = with_memory(folders("rt_detr_v2"), "rt_detr_v2", 0.8)
    expected, _ = exact.step(images)
    found, _ = ready(exact.model, "cpu", "openvino").step(images)
    for got, wanted in zip(found.detections(EVERYTHING)[0], expected.detections(EVERYTHING)[0], strict=True):
        assert len(got) == len(wanted) == 20
        apart = np.abs(got.scores[:, None] - wanted.scores) + np.abs(got.boxes[:, None] - wanted.boxes).max(axis=2)
        assert (apart.min(axis=0) < 0.02).sum() >= 18


def test_size_and_licence_are_said_once(folders, caplog):
    with caplog.at_level(logging.INFO, "streamdet.models.huggingface"):
        streamdet.load(f"hf:{folders('yolos')}", device="cpu")
    [line] = [record.getMessage() for record in caplog.records if "licence" in record.getMessage()]
    assert line.endswith("0.0 M parameters; licence, as its card says: apache-2.0")


def changed(folder, tmp_path, change):
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    change(copy)
    return copy


def _edit(file, **values):
    def change(folder):
        path = folder / file
        path.write_text(json.dumps(json.loads(path.read_text()) | values))

    return change


def _pickled(folder):
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


def _cut(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_edit("config.json", model_type="clip"), "is of the kind clip; expected one of rt_detr, "),
        (
            _edit("config.json", model_type="mine", auto_map={"AutoModel": "code.Model"}),
            "is of the kind mine, and asks to run code of its own, which is refused",
        ),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be loaded: "),
        (lambda folder: (folder / "config.json").unlink(), "cannot be loaded: "),
        (_pickled, "has no weights as safetensors, and others are not read, as they can run code"),
        (_cut, "its weights do not fit: "),
        (_edit("config.json", hidden_size=32), "its weights do not fit: "),
        (_edit("config.json", num_hidden_layers=3), "its weights do not fit: vit.encoder."),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "has no preprocessor_config.json"),
        (_edit("preprocessor_config.json", size=7), "has no preprocessor_config.json that says which images it takes"),
    ],
)
def test_a_folder_that_cannot_be_is_refused_in_a_line(folders, tmp_path, capsys, change, message):
    folder = changed(folders("yolos"), tmp_path, change)
    cv2.imwrite(str(tmp_path / "x.png"), np.zeros((64, 64, 3), np.uint8))
    assert (
        main(["run", str(tmp_path / "x.png"), "--model", f"hf:{folder}", "--no-video", "--detections", "x.jsonl", "-q"])
        == 2
    )
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "hf:nobody/nothing",
            {},
            r"cannot be loaded: .*; a folder that it was downloaded to needs no network: hf:/FOLDER",
        ),
        ("hf:/none/at/all", {}, r"hf:/none/at/all: no such folder"),
        ("hf:nothing", {}, r"hf:nothing: expected hf:OWNER/NAME, or hf: and a folder"),
        ("hf:{}", {"class_names": "a,b"}, r"has 3 classes, and --class-names names 2"),
        ("hf:{}", {"runtime": "onnxruntime"}, r"runs with runtime torch or openvino in fp32, not onnxruntime"),
        ("hf:{}", {"layout": "yolox"}, r"said of \.onnx files"),
    ],
)
def test_what_cannot_be_is_refused(folders, name, options, message):
    with pytest.raises((CheckpointError, ConfigError), match=message):
        streamdet.load(name.format(folders("yolos")), **options)


def test_a_hub_that_cannot_be_reached_is_one_line(tmp_path, monkeypatch, capsys):
    """Each of its tries is not told; the pauses between them, half a minute in all, are left out here."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    address = "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", address)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("x.png", np.zeros((64, 64, 3), np.uint8))
    command = ["run", "x.png", "--model", "hf:nobody/nothing", "--no-video", "--detections", "x.jsonl"]
    assert main(command) == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: hf:nobody/nothing: cannot be loaded: ")
    assert not (tmp_path / "x.jsonl").exists()


def test_an_image_that_it_cannot_take_is_named(folders):
    detector = streamdet.load(f"hf:{folders('rf_detr')}", device="cpu")
    with pytest.raises(ModelError, match=r"failed on an image of 60x60 pixels: .*; --imgsz sets another size"):
        detector.step(np.zeros((1, 1, 3, 60, 60), np.uint8))


def test_it_says_which_extra_is_missing(folders, monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"needs transformers .*pip install 'streamdet\[hf\]'"):
        streamdet.load(f"hf:{folders('yolos')}")
