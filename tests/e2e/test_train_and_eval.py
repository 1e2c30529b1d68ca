"""Footage with labels in, a model out, and the model judged: the way of someone with labels of their own."""

import json

import cv2
import numpy as np
import pytest

from streamdet.cli import main
from streamdet.models.recurrent.checkpoint import load_checkpoint

RECIPE = """
model: {name: tiny, classes: [person, car, motorcycle, bus, truck], channels: 16, recurrent_channels: 8, image_size: 96}
data: .
initialise: null
sets:
  - {name: street, path: street.labels.json, hold_out: {street: [12, 16]}}
phases:
  - {name: per-frame, steps: 10, frames: 1, lanes: 2, canvases: [[64, 96]], learning_rate: 1e-3}
  - {name: temporal, steps: 10, frames: 2, lanes: 2, streaming_lanes: 1, canvases: [[64, 96]], learning_rate: 1e-3,
     backbone_rate: 0, alpha: [0, 1]}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A labelled clip of the synthetic street and a model trained on it."""
    folder = tmp_path_factory.mktemp("train")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["scene", "--seconds", "1.6", "--fps", "10", "--width", "160", "--height", "96", "-q"]) == 0
        (folder / "recipe.yaml").write_text(RECIPE)
        assert main(["train", "recipe.yaml", "-q"]) == 0
    return folder


def test_training_writes_model_and_figures(folder):
    run = folder / "runs" / "tiny"
    assert (run / "tiny.safetensors").stat().st_size < 8_000_000
    rows = [json.loads(line) for line in (run / "figures.jsonl").read_text().splitlines()]
    trained = [row for row in rows if "loss" in row]
    assert [(row["phase"], row["step"]) for row in trained] == [("per-frame", 10), ("temporal", 10)]
    assert all(row["loss"] > 0 for row in trained)
    judged = {row["phase"]: row["ap50"] for row in rows if "ap50" in row}
    assert {phase: list(ap50["street"]) for phase, ap50 in judged.items()} == {
        "per-frame": ["reset"],
        "temporal": ["carry", "reset"],
    }
    _, facts = load_checkpoint(run / "tiny.safetensors")
    assert facts["ap50"] == judged["temporal"]
    assert (facts["finished"], facts["phase"], facts["step"]) == (True, "temporal", 10)


def test_training_draws_what_was_found(folder):
    run = folder / "runs" / "tiny"
    assert sorted(path.name for path in run.iterdir()) == [
        "cache",
        "figures.jsonl",
        "resume.pt",
        "sheets",
        "tensorboard",
        "tiny.safetensors",
    ]
    for phase in ("per-frame", "temporal"):
        sheet = cv2.imread(str(run / "sheets" / f"{phase}.street.png"))
        assert sheet.shape == (2 * 320, 3 * 480, 3)  # four frames are held out
        assert (sheet == 255).all(axis=2).sum() > 500  # what is marked is outlined in white
    assert len(list((run / "tensorboard").glob("events.*"))) == 1


def test_training_goes_on_from_the_embedded_model_with_other_classes(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    phase = (
        "{name: short, steps: 3, frames: 2, lanes: 2, canvases: [[64, 96]], learning_rate: 1e-4, backbone_rate: 0, "
        "alpha: [1, 1]}"
    )
    settings = ["model={name: mine, classes: [person, wagon]}", "initialise=street", f"phases=[{phase}]"]
    names = "class_names: {car: wagon, bus: wagon, truck: wagon}"
    settings.append(f"sets=[{{name: street, path: street.labels.json, hold_out: {{street: [12, 16]}}, {names}}}]")
    assert main(["train", "recipe.yaml", *(word for setting in settings for word in ("--set", setting))]) == 0
    assert "street knows person; new classes, trained from nothing: wagon" in capsys.readouterr().err
    detector, facts = load_checkpoint(folder / "runs" / "mine" / "mine.safetensors")
    assert detector.classes == ("person", "wagon")
    assert facts["recipe"]["model"]["channels"] == detector.config.channels
    rows = [json.loads(line) for line in (folder / "runs" / "mine" / "figures.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "ap50" in row] == [0, 3]  # what it started from is judged, too


def test_finished_run_is_not_overwritten(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(["train", "recipe.yaml"]) == 2
    assert "--resume continues it" in capsys.readouterr().err


def test_finished_run_that_is_resumed_stays_as_it_is(folder, monkeypatch):
    monkeypatch.chdir(folder)
    kept = [folder / "runs" / "tiny" / name for name in ("figures.jsonl", "tiny.safetensors", "resume.pt")]
    before = [path.read_bytes() for path in kept]
    assert main(["train", "recipe.yaml", "--resume", "-q"]) == 0
    assert [path.read_bytes() for path in kept] == before


@pytest.mark.parametrize("memory", ["carry", "reset", "shuffle"])
def test_trained_model_is_judged(folder, monkeypatch, capsys, memory):
    monkeypatch.chdir(folder)
    out = f"{memory}.json"
    words = ["eval", "street.labels.json", "--model", "runs/tiny/tiny.safetensors", "--memory", memory, "--json", out]
    assert main(words) == 0
    assert "ap50" in capsys.readouterr().out
    figures = json.loads((folder / out).read_text())
    names = (
        "ap ap50 ap75 ap_small ap_medium ap_large ap50_slow ap50_medium ap50_fast flicker stability frames boxes fps"
    )
    assert set(names.split()) <= set(figures)
    assert set(figures["latency_ms"]) == {"p50", "p95"}
    assert figures["frames"] == 16
    assert figures["memory"] == memory


def test_trained_model_runs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    words = [
        "run",
        "street.mp4",
        "--model",
        "runs/tiny/tiny.safetensors",
        "--detections",
        "found.jsonl",
        "--no-video",
        "-q",
    ]
    assert main(words) == 0
    header = json.loads((folder / "found.jsonl").read_text().splitlines()[0])
    assert header["model"] == "tiny"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "none.yaml"], "none.yaml"),
        (["train", "recipe.yaml", "--set", "phases=[]"], "phases"),
        (["train", "recipe.yaml", "--set", "seed=2", "--resume"], "runs/tiny holds a run of another recipe: seed"),
        (["train", "recipe.yaml", "--set", "initialise=none.safetensors", "-o", "x"], "model file not found"),
        (["train", "recipe.yaml", "--set", "data=nowhere", "-o", "other"], "street.labels.json"),
        (["train", "recipe.yaml", "--set", "sets.0.colour=1"], "colour"),
        (["eval", "nowhere"], "nowhere"),
        (["eval", "street.labels.json", "--memory", "maybe"], "expected carry, reset, shuffle"),
        (["eval", "street.labels.json", "--model", "recipe.yaml"], "recipe.yaml is not a model file of a known kind"),
    ],
)
def test_mistake_is_named_and_writes_nothing(folder, monkeypatch, capsys, words, message):
    monkeypatch.chdir(folder)
    before = sorted(folder.rglob("*"))
    assert main(words) == 2
    assert message in capsys.readouterr().err
    assert sorted(folder.rglob("*")) == before


def test_training_on_a_data_yaml(streamdet, here):
    for split in ("train", "val"):
        for number in range(4):
            picture = here / f"yard/{split}/images/{number:04}.jpg"
            picture.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(picture), np.full((64, 96, 3), 60 * number, np.uint8))
            label = here / f"yard/{split}/labels/{number:04}.txt"
            label.parent.mkdir(exist_ok=True)
            label.write_text("0 0.5 0.5 0.3 0.6\n")
    (here / "yard/data.yaml").write_text("train: train/images\nval: val/images\nnames: [forklift]\n")
    small = ("--set", "steps=1", "--set", "phases.0.canvases=[[64, 96]]", "--set", "phases.0.lanes=2")
    done = streamdet("train", "yard/data.yaml", *small)
    assert done.status == 0, done.stderr
    assert "train: 4 pictures are read as frames of 1 video at 25 frames/s (assumed)" in done.stderr
    _, facts = load_checkpoint(here / "runs/yard/yard.safetensors")
    assert (facts["phase"], facts["step"], facts["recipe"]["model"]["classes"]) == ("finetune", 1, ["forklift"])
