"""The soak tests of benchmarks/, in seconds instead of an hour."""

import json
import sys

import numpy as np
import pytest
import soak_file
import soak_live
from rtsp_server import require_rtsp_server
from soaking import trend

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def test_cameras_fail_and_come_back(here, write_clip, tiny_model, monkeypatch, capfd):
    require_rtsp_server()
    monkeypatch.setattr(soak_live, "SAMPLE_EVERY_S", 0.5)
    clip = write_clip(here / "walk.mp4", audio=False)
    words = ["--cameras", "2", "--every", "3", "--minutes", "0.11", "--faults", "killed,cut", "--model", tiny_model]
    soak_live.main(list(map(str, ["--clip", clip, "--width", 160, "--imgsz", 96, *words])))
    result = json.loads((here / "soak-live" / "live.json").read_text())
    assert result["exit_status"] == 143
    assert len(result["faults"]) >= 2
    assert {"cut", "killed"} == set(result["kinds"])
    assert result["gaps"]["reconnected"] >= 1
    assert list(result["streams"]) == ["cam0", "cam1"]
    for name, stream in result["streams"].items():
        assert result["segments"][name]["pictures"] == stream["frames"] == stream["end"]["frames"] > 0
    assert len(result["samples"]) > 5
    assert all(one["memory_mib"] > 50 and one["threads"] > 5 and one["files"] > 5 for one in result["samples"])
    assert {"memory_mib", "threads", "files", "latency_p50_ms"} <= set(result["trends_per_hour"])
    assert (here / "soak-live" / "live.png").stat().st_size > 0
    assert "| killed | " in capfd.readouterr().out


def test_a_long_file_keeps_its_memory(here, streamdet, tiny_model, monkeypatch, capfd):
    monkeypatch.setattr(soak_file, "SAMPLE_EVERY_S", 0.05)
    words = ("--seconds", "4", "--fps", "10", "--width", "160", "--height", "96")
    assert streamdet("scene", "-o", "street.mp4", *words).status == 0
    words = ["--video", "street", "--loop", "20", "--span", "40", "--frames", "400", "--width", "160", "--fps", "10"]
    words += ["--model", str(tiny_model), "--set", "detect.conf=0.001", "--set", "detect.max_detections=20"]
    assert soak_file.main(["street.labels.json", *words]) == 0
    result = json.loads((here / "soak-file" / "file.json").read_text())
    assert (result["frames"], result["starts_without_memory"]) == (400, 1)
    assert [one["frames"] for one in result["states"]] == list(range(40, 401, 40))
    assert result["states"][-1]["cell 0 std"] > 0
    assert [one["first"] for one in result["spans"]] == list(range(0, 400, 40))
    assert result["last"]["agreement"] > 0.9
    assert result["last"]["boxes"] > 40
    assert {"memory_mib", "threads", "files", "fps", "hidden 0 mean", "ap50"} <= set(result["trends"])
    assert (here / "soak-file" / "file.png").stat().st_size > 0
    assert "the memory began 1 times" in capfd.readouterr().out


def test_trend_finds_a_slope_within_its_error():
    noise = np.random.default_rng(0).normal(size=720)
    at_s = 5.0 * np.arange(720)
    rising = trend(at_s, 100 + 6 * at_s / 3600 + noise, 3600)
    assert rising["slope"] == pytest.approx(6, abs=3 * rising["error"])
    assert 0 < rising["error"] < 1
    grown_at_first = trend(at_s, np.minimum(at_s, 1000) + noise, 3600)
    assert abs(grown_at_first["slope"]) < 3 * grown_at_first["error"] < 3
    assert (grown_at_first["start"], grown_at_first["mean"]) == pytest.approx((180, 1000), abs=5)
    assert trend([0.0, 1.0], [None, None], 1)["mean"] is None
