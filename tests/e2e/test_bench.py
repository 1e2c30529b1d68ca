"""bench: that its figures are there and of the clip; how high they are is the machine's."""

import json


def test_measures_a_clip(streamdet, here, write_clip, tiny_model):
    write_clip(here / "walk.mp4", 30)
    arguments = ("bench", "--source", "walk.mp4", "--model", tiny_model, "--imgsz", "96", "--rounds", "2")
    done = streamdet(*arguments, "--json", "bench.json")
    assert done.status == 0, done.stderr
    figures = json.loads((here / "bench.json").read_text())
    assert figures["frames"] == 30
    assert figures["run"]["fps"] > 0
    assert figures["transcode"]["cpu_ms"] > 0
    names = ["decode", "batch", "detect", "track", "annotate", "encode"]
    assert [stage["name"] for stage in figures["stages"]] == names
    assert "torch cpu fp32" in figures["runtimes"]
    for line in ("walk, 30 frames", "| decode and encode alone |", "| annotated |", "| torch cpu fp32 |"):
        assert line in done.stdout
    assert sorted(path.name for path in here.iterdir()) == ["bench.json", "walk.mp4"]


def test_a_clip_that_is_none(streamdet, here):
    (here / "walk.mp4").write_bytes(b"no video")
    done = streamdet("bench", "--source", "walk.mp4", "--rounds", "1")
    assert done.status == 1
    assert "walk.mp4: not a video" in done.stderr
    assert "Traceback" not in done.stderr
