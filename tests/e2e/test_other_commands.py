"""demo, scene, probe and doctor."""

import json

import numpy as np
from onnx_networks import write_constant_network

from streamdet.version import __version__

DEMO_FILES = ["demo.annotated.mp4", "demo.jsonl", "demo.mp4", "demo.report.json"]


def test_demo_twice(streamdet, here, read_video):
    for _ in range(2):
        done = streamdet("demo", "--seconds", "0.4")
        assert done.status == 0, done.stderr
        assert sorted(path.name for path in here.iterdir()) == DEMO_FILES
    assert len(read_video(here / "demo.mp4").times_s) == 10
    assert len(read_video(here / "demo.annotated.mp4").times_s) == 10
    assert len((here / "demo.jsonl").read_text().splitlines()) == 12
    assert json.loads((here / "demo.report.json").read_text())["frames"] == 10
    for word in (*DEMO_FILES, "Found ", "streamdet run your-video.mp4"):
        assert word in done.stdout


def test_demo_where_nothing_can_be_written(streamdet, here):
    (here / "demo.jsonl").mkdir()
    done = streamdet("demo", "--seconds", "1")
    assert done.status == 2
    assert "demo.jsonl: expected a file name, this is a folder" in done.stderr
    assert [path.name for path in here.iterdir()] == ["demo.jsonl"]


def test_demo_keeps_a_clip_of_the_user(streamdet, here):
    (here / "demo.mp4").write_bytes(b"mine")
    done = streamdet("demo", "--seconds", "1")
    assert done.status == 2
    assert "demo.mp4 already exists" in done.stderr
    assert (here / "demo.mp4").read_bytes() == b"mine"


def test_scene(streamdet, here, read_video):
    arguments = ("scene", "-o", "s.mp4", "--seconds", "0.4", "--fps", "30000/1001", "--width", "320", "--height", "180")
    assert streamdet(*arguments, "--seed", "3").status == 0
    written = read_video(here / "s.mp4")
    assert (len(written.times_s), written.size) == (12, (320, 180))
    assert float(written.times_s[-1]) == 11 * 1001 / 30000
    labels = json.loads((here / "s.labels.json").read_text())
    assert labels["videos"][0]["file_name"] == "s.mp4"
    assert [image["frame_id"] for image in labels["images"]] == list(range(12))
    again = streamdet(*arguments)
    assert again.status == 2
    assert "s.mp4 already exists" in again.stderr
    assert "s.labels.json already exists" in again.stderr


def test_scene_fails(streamdet, here):
    done = streamdet("scene", "--seconds", "0", "--fps", "x", "--width", "7", "--height", "99999")
    assert done.status == 2
    assert len(done.stderr.splitlines()) == 4
    assert streamdet("scene", "-o", "s.avi").status == 2
    assert list(here.iterdir()) == []


def test_probe(streamdet, clips):
    done = streamdet("probe", clips / "walk.mp4")
    assert (done.status, done.stderr) == (0, "")
    for word in ("walk.mp4", "h264", "160x96", "25.000 fps", "30 frames", "aac"):
        assert word in done.stdout
    report = json.loads(streamdet("probe", clips / "walk.mp4", "--json").stdout)
    assert (report["video"][0]["frames"], report["audio"][0]["sample_rate"]) == (30, 48000)


def test_probe_of_a_detector(streamdet, tmp_path):
    rows = np.concatenate([np.full((1, 5, 4), 30.0), np.zeros((1, 5, 2))], axis=2, dtype=np.float32)
    metadata = {"names": "{0: 'person', 1: 'car'}", "license": "AGPL-3.0"}
    path = write_constant_network(tmp_path / "x.onnx", {"o": rows}, metadata=metadata)
    facts = json.loads(streamdet("probe", path, "--json").stdout)
    assert facts["layout"] == "nms: boxes, score, class"
    assert (facts["classes"], facts["licence"]) == (["person", "car"], "AGPL-3.0")
    assert facts["image"].startswith("64x64 pixels, pad, rgb, scale 0.00392157")
    assert "person, car" in streamdet("probe", path).stdout
    (tmp_path / "no.onnx").write_text("none")
    for arguments in ((tmp_path / "no.onnx",), (path, "--class-names", "a,b,c", "--layout", "yolox")):
        failed = streamdet("probe", *arguments)
        assert (failed.status, len(failed.stderr.splitlines())) == (2, 1)


def test_probe_fails(streamdet, clips):
    missing, text, many = (streamdet("probe", path) for path in ("nope.mp4", clips / "text.mp4", clips))
    assert (missing.status, missing.stderr) == (2, "error: nope.mp4: no such file or folder\n")
    assert (text.status, text.stdout) == (1, "")
    assert "not a video" in text.stderr
    assert many.status == 2
    assert "sources, expected one" in many.stderr


def test_doctor(streamdet, here):
    done = streamdet("doctor")
    assert done.status == 0, done.stdout
    for word in ("torch", "hwaccel", "encoder h264", "model street", "sha256", "smoke run", "all is well"):
        assert word in done.stdout
    assert "FAIL" not in done.stdout
    assert list(here.iterdir()) == []


def test_doctor_with_a_damaged_model(streamdet, here, tmp_path, monkeypatch):
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "street.safetensors").write_bytes(b"damaged")
    for module in ("streamdet.cli.doctor", "streamdet.runtimes.loading"):
        monkeypatch.setattr(f"{module}.files", lambda package: tmp_path)
    done = streamdet("doctor")
    assert done.status == 1
    assert "FAIL  model street" in done.stdout
    assert "-> " in done.stdout
    assert "2 of " in done.stdout  # the model, and the run that needs it


def test_version(streamdet):
    assert streamdet("--version").stdout == f"streamdet {__version__}\n"
