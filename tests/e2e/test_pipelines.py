"""Every file of pipelines/ does what it says, as it is, through the command line."""

import json
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from rtsp_server import Live

PIPELINES = Path(__file__).parents[2] / "pipelines"
PATIENCE_S = 120.0


def test_all_of_them_are_tested():
    assert {path.stem for path in PIPELINES.glob("*.yaml")} == {
        "annotate_file",
        "watch_rtsp",
        "many_cameras",
        "count_line",
    }


def test_annotate_file(start, here, write_clip, read_video):
    write_clip(here / "street.mp4")
    process = start("run", "--pipeline", "annotate_file")
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert len(read_video(here / "street.annotated.mp4").times_s) == 30
    assert len((here / "street.jsonl").read_text().splitlines()) == 32


def test_count_line(streamdet, here, read_video):
    scene = ("--seconds", "4", "--fps", "12", "--width", "480", "--height", "270", "--seed", "3")
    assert streamdet("scene", "-o", "street.mp4", *scene).status == 0
    done = streamdet("run", "--pipeline", "count_line")
    assert done.status == 0, done.stderr
    lines = [json.loads(line) for line in (here / "count.jsonl").read_text().splitlines()]
    told = Counter((line["zone"], line.get("direction") or line["kind"]) for line in lines if line["type"] == "event")
    [source] = json.loads((here / "count.json").read_text())["sources"]
    counted = {(zone, kind): n for zone, counts in source["zones"].items() for kind, n in counts.items()}
    inside = counted.pop(("pavement", "inside"))
    assert told == {key: n for key, n in counted.items() if n}
    assert inside == told["pavement", "entered"] + told["pavement", "appeared"] - told["pavement", "left"]
    assert told["pavement", "appeared"] > 0
    assert f"street: pavement {told['pavement', 'entered']} entered" in done.stderr
    assert len(read_video(here / "count.mp4").times_s) == 48


def test_a_name_that_is_not_in_the_package(streamdet, here):
    done = streamdet("run", "--pipeline", "anotate_file")
    assert done.status == 2
    assert "anotate_file: no such file" in done.stderr
    assert "annotate_file, count_line, many_cameras, watch_rtsp" in done.stderr


def test_a_file_comes_before_a_name_in_the_package(streamdet, here):
    (here / "annotate_file").write_text("sources: [mine.mp4]")
    assert "mine.mp4" in streamdet("run", "--pipeline", "annotate_file").stderr


@pytest.fixture
def watch(start, here):
    """Run a pipeline with its cameras at another port, until `seen` lines of each file are there; then Ctrl-C."""

    def run(name: str, port: int, files: list[Path], seen: int) -> None:
        text = (PIPELINES / name).read_text().replace("127.0.0.1:8554", f"127.0.0.1:{port}")
        (here / name).write_text(text)
        process = start("run", "--pipeline", name)
        deadline_s = time.monotonic() + PATIENCE_S
        while not all(path.exists() and path.read_text().count("\n") >= seen for path in files):
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline_s
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 130, stderr

    return run


def test_watch_rtsp(watch, here, rtsp_server, read_video):
    server = rtsp_server({"/camera": Live()})
    found = here / "watched" / "127.0.0.1-camera.jsonl"
    watch("watch_rtsp.yaml", server.port, [found], 12)
    *_, end = (json.loads(line) for line in found.read_text().splitlines())
    [video] = (here / "watched").glob("*.mp4")
    assert len(read_video(video).times_s) == end["frames"]


def test_many_cameras(watch, here, rtsp_server):
    names = ("yard", "gate", "road")
    server = rtsp_server({f"/{name}": Live() for name in names})
    watch("many_cameras.yaml", server.port, [here / "cameras" / f"127.0.0.1-{name}.jsonl" for name in names], 12)
    report = json.loads((here / "cameras.json").read_text())
    assert all(source["frames"] >= 10 and source["error"] is None for source in report["sources"])
    assert report["latency_s"]["p50"] > 0
