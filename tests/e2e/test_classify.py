"""`train --task classify`, `run --classify` and `export` of a classifier, one behind the other."""

import json
from pathlib import Path

import pytest

from streamdet.cli import main

TINY = ("size=[64, 96]", "fps=4.0", "frames=4", "hidden=16", "dense=[24, 12]", "epochs=1", "batch=2", "backbone=street")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Clips of two events, and a classifier that was trained on them."""
    folder = tmp_path_factory.mktemp("classify")
    for event in ("car_turns_in", "car_backs_out"):
        for seed in ("1", "2"):
            place = folder / "clips" / event
            place.mkdir(parents=True, exist_ok=True)
            size = ("--width", "96", "--height", "64", "--seconds", "1", "--fps", "8")
            assert main(["scene", "--event", event, "--seed", seed, "-o", str(place / f"{seed}.mp4"), *size, "-q"]) == 0
    settings = [word for text in (f"data={folder / 'clips'}", "hold_out=0.5", *TINY) for word in ("--set", text)]
    command = ["train", "classify", "--task", "classify", *settings, "-o", str(folder / "run"), "-q"]
    assert main(command) == 0
    assert main(command) == 2  # the folder holds a run
    assert main([*command, "--resume"]) == 0
    return folder


def _clip_classes(path: Path) -> list[dict]:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    return [line["clip_class"] for line in lines if line["type"] == "frame"]


def test_a_run_says_what_is_going_on_by_either_file(folder) -> None:
    assert {path.name for path in (folder / "run").iterdir()} == {
        *("cache", "clips.safetensors", "confusion.csv", "confusion.svg", "curves.svg"),
        *("figures.csv", "figures.json", "resume.pt"),
    }
    model, source = folder / "run" / "clips.safetensors", folder / "clips" / "car_turns_in" / "1.mp4"
    assert main(["export", "--model", str(model), "-o", str(folder / "clips.onnx"), "-q"]) == 0
    said = []
    for name in (model, folder / "clips.onnx"):
        out = folder / f"{name.suffix[1:]}.jsonl"
        video = folder / f"{name.suffix[1:]}.mp4"
        command = ["run", str(source), "--classify", str(name), "--detections", str(out), "-o", str(video), "-q"]
        assert main(command) == 0
        assert video.stat().st_size > 0
        said.append(_clip_classes(out))
    assert len(said[0]) == 8
    for one, other in zip(*said, strict=True):
        assert set(one["probabilities"]) == {"car_turns_in", "car_backs_out"}
        assert one["probability"] == max(one["probabilities"].values())
        assert one["probabilities"]["car_turns_in"] == pytest.approx(other["probabilities"]["car_turns_in"], abs=2e-4)


def test_what_is_no_classifier_is_refused(folder, capfd) -> None:
    source = str(folder / "clips" / "car_turns_in" / "1.mp4")
    for name in ("none.safetensors", str(folder / "clips")):
        assert main(["run", source, "--no-video", "--classify", name, "-q"]) == 2
    assert "none.safetensors" in capfd.readouterr().err
    assert main(["scene", "--event", "car_flies", "-o", str(folder / "x.mp4")]) == 2
    assert "expected one of car_turns_in" in capfd.readouterr().err
