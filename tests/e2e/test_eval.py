"""`streamdet eval` on a labelled clip of the synthetic street: comparing, bad moments, latency."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from streamdet.cli import main
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import save_checkpoint
from streamdet.models.recurrent.config import ModelConfig
from streamdet.runtimes.loading import load

AP_KEYS = {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"}
FIXED_KEYS = AP_KEYS | {"ap50_slow", "ap50_medium", "ap50_fast", "flicker", "stability", "frames", "boxes", "fps"}
FIXED_KEYS |= {"latency_ms", "per_class"}


@pytest.fixture(scope="module")
def labels(tmp_path_factory) -> Path:
    """Labels of 40 frames at 10 a second."""
    folder = tmp_path_factory.mktemp("street")
    words = ["scene", "-o", str(folder / "street.mp4"), "--seconds", "4", "--fps", "10", "--width", "160"]
    assert main([*words, "--height", "96", "-q"]) == 0
    return folder / "street.labels.json"


@pytest.fixture(scope="module")
def remembering_model(tmp_path_factory) -> Path:
    """A small, untrained detector that reads from its memory, so that carry and reset differ."""
    torch.manual_seed(0)
    config = ModelConfig(
        name="small", classes=("person", "car", "bus"), channels=16, recurrent_channels=8, image_size=96
    )
    detector = build_detector(config).eval()
    detector.set_alpha(1.0)
    torch.nn.init.constant_(detector.head.groups.bias, -3.0)
    path = tmp_path_factory.mktemp("small") / "small.safetensors"
    save_checkpoint(path, detector, {})
    return path


def test_fixed_keys_stay_whatever_is_asked_for(streamdet, labels, tiny_model, here):
    words = ("--degrade", "blur", "--latency-ms", "80", "--json", "o.json", "--memory", "reset")
    done = streamdet("eval", labels, "--model", tiny_model, *words)
    assert done.status == 0, done.stderr
    figures = json.loads((here / "o.json").read_text())
    assert set(figures) >= FIXED_KEYS
    assert figures["degraded"]["kind"] == "blur"
    assert "moves during exposure" in figures["degraded"]["description"]
    assert 0 < figures["affected"]["frames"] < figures["frames"] == 40
    assert AP_KEYS | {"latency_ms", "taken"} == set(figures["streaming"])
    assert (figures["streaming"]["latency_ms"], figures["streaming"]["taken"]) == (80, 1.0)
    assert (figures["memory"], figures["model"], figures["runtime"]) == ("reset", "tiny", load(tiny_model).runtime)
    for row in ("affected ap50", "streaming ap50"):
        assert row in done.stdout


@pytest.mark.parametrize("kind", ["occlusion", "drop"])
def test_degraded_copies(streamdet, labels, tiny_model, here, kind):
    assert streamdet("eval", labels, "--model", tiny_model, "--degrade", kind, "--json", "o.json").status == 0
    figures = json.loads((here / "o.json").read_text())
    assert figures["frames"] < 40 if kind == "drop" else figures["frames"] == 40


def test_measured_latency_is_of_frames_one_by_one(streamdet, labels, tiny_model, here):
    done = streamdet("eval", labels, "--model", tiny_model, "--latency-ms", "measured", "--json", "o.json")
    assert done.status == 0, done.stderr
    figures = json.loads((here / "o.json").read_text())
    assert figures["streaming"]["latency_ms"] == pytest.approx(figures["latency_ms"]["p50"])
    assert figures["streaming"]["taken"] > 0


def test_two_memories_of_one_model(streamdet, labels, remembering_model, here):
    carry, reset = f"{remembering_model}:carry", f"{remembering_model}:reset"
    done = streamdet("eval", labels, "--compare", carry, reset, "--degrade", "noise", "--json", "c.json")
    assert done.status == 0, done.stderr
    assert "below 10 the intervals are rough" in done.stderr
    assert "95 % interval" in done.stdout
    content = json.loads((here / "c.json").read_text())
    assert [one["memory"] for one in content["compared"]] == ["carry", "reset"]
    assert all(set(one) >= FIXED_KEYS for one in content["compared"])
    intervals = content["intervals"]
    assert {"ap", "ap50", "ap50_slow", "flicker", "stability", "affected ap50", "affected flicker"} <= set(intervals)
    assert intervals["ap50"]["first"] == pytest.approx(content["compared"][0]["ap50"], abs=1e-6)
    assert intervals["ap50"]["second"] == pytest.approx(content["compared"][1]["ap50"], abs=1e-6)


def test_two_models_are_judged_on_the_classes_that_both_know(streamdet, labels, tiny_model, remembering_model, here):
    words = ("--compare", tiny_model, f"{remembering_model}:reset", "--memory", "carry", "--json", "c.json")
    assert streamdet("eval", labels, *words).status == 0
    compared = json.loads((here / "c.json").read_text())["compared"]
    assert [one["memory"] for one in compared] == ["carry", "reset"]
    assert [set(one["per_class"]) for one in compared] == [{"person", "car"}] * 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--compare", "street:carry", "street:carry"], "both are tiny carry"),
        (["--compare", "street", "street:maybe"], "memory 'maybe', expected carry, reset, shuffle"),
        (["--compare", "street", "nothing"], "unknown model nothing"),
        (["--degrade", "rain"], "--degrade: expected occlusion, blur, noise, dark, drop, got rain"),
        (["--latency-ms", "-1"], "--latency-ms: expected milliseconds or measured, got -1"),
        (["--latency-ms", "soon"], "--latency-ms: expected milliseconds or measured, got soon"),
        (["--latency-ms", "5", "--memory", "shuffle"], "a live stream has an order"),
        (["--classes", "tree"], "class 'tree' is not in the set"),
    ],
)
def test_mistake_is_named_and_writes_nothing(streamdet, labels, tiny_model, here, words, message):
    words = [str(tiny_model) + word.removeprefix("street") if word.startswith("street") else word for word in words]
    model = [] if "--compare" in words else ["--model", tiny_model]
    done = streamdet("eval", labels, *model, *words, "--json", "o.json")
    assert done.status == 2
    assert message.replace("street", str(tiny_model)) in done.stderr
    assert list(here.iterdir()) == []


def test_a_video_whose_frames_change_their_size(streamdet, tiny_model, here):
    """Labels for 160x96, a video that goes on in another size."""
    pictures = [np.full((96, 160, 3), 90, np.uint8)] * 2 + [np.full((192, 320, 3), 90, np.uint8)] * 2
    Path("grows.mjpeg").write_bytes(b"".join(cv2.imencode(".jpg", picture)[1].tobytes() for picture in pictures))
    labels = {
        "videos": [{"id": 1, "file_name": "grows.mjpeg", "width": 160, "height": 96}],
        "images": [{"id": 1 + n, "video_id": 1, "frame_id": n} for n in range(4)],
        "annotations": [],
        "categories": [{"id": 1, "name": "person"}],
    }
    Path("labels.json").write_text(json.dumps(labels))
    done = streamdet("eval", "labels.json", "--model", tiny_model)
    assert done.status == 2
    assert "grows.mjpeg: frame 2 has 320x192 pixels, but its labels are for 160x96" in done.stderr


def test_what_is_not_installed_is_said_before_any_work(streamdet, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    done = streamdet("eval", "nothing.json")
    assert done.status == 2
    assert "average precision needs faster-coco-eval, which is not installed" in done.stderr
