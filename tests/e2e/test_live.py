"""Cameras at the command line, with a real RTSP server."""

import json
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rtsp_server import Live

SMALL = Live(160, 96, 25)
PATIENCE_S = 120.0
PASSWORD = "s3cr3t/w0rd"  # a slash: as it is written in an address, s3cr3t%2Fw0rd


def wait(happened: Callable[[], object], process=None) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline_s
        assert process is None or process.poll() is None, process.communicate()
        time.sleep(0.1)


def lines(path: Path) -> list[dict]:
    """Whole lines of what may still be written."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def frames(path: Path) -> int:
    return sum(line["type"] == "frame" for line in lines(path))


def interrupt(process) -> tuple[str, str]:
    process.send_signal(signal.SIGINT)
    return process.communicate(timeout=PATIENCE_S)


def test_ctrl_c_after_a_camera_that_fails_leaves_whole_outputs(start, here, rtsp_server, tiny_model, read_video):
    server = rtsp_server({"/cam": SMALL})
    found = here / "out" / "127.0.0.1-cam.jsonl"
    process = start(
        *("run", server.url("/cam"), "-o", "out/", "--detections", "out/", "--report", "run.json"),
        *("--model", tiny_model),
    )
    wait(lambda: frames(found) >= 10, process)
    server.restart()
    wait(lambda: any(line["type"] == "gap" for line in lines(found)), process)
    before = frames(found)
    wait(lambda: frames(found) >= before + 10, process)
    _, stderr = interrupt(process)
    assert process.returncode == 130, stderr
    run, *middle, end = lines(found)
    assert run["sources"] == ["127.0.0.1-cam"]
    pictures = [line for line in middle if line["type"] == "frame"]
    [gap] = [line for line in middle if line["type"] == "gap"]
    assert (gap["session"], gap["reason"]) == (1, "reconnected")
    assert gap["lost_s"] > 0
    assert {line["session"] for line in pictures} == {0, 1}
    assert all(line["wall_time"].endswith("Z") and line["latency_s"] > 0 for line in pictures)
    times_s = [line["time_s"] for line in pictures]
    assert times_s == sorted(set(times_s))
    report = json.loads((here / "run.json").read_text())
    assert (end["type"], end["frames"], end["dropped"]) == ("end", len(pictures), report["dropped"])
    assert "error" not in end
    [source] = report["sources"]
    assert (source["sessions"], source["error"]) == (2, None)
    assert report["frames"] == len(pictures)
    assert report["drops"] == source["drops"]
    assert all(type(channel["capacity"]) is int for channel in report["channels"])
    for latency_s in (report["latency_s"], source["latency_s"]):
        assert 0 < latency_s["p50"] <= latency_s["p95"] <= latency_s["max"]
    assert len(read_video(here / "out" / "127.0.0.1-cam.annotated.mp4").times_s) == len(pictures)


def test_a_dead_camera_holds_up_nobody_and_is_reported(start, here, rtsp_server, tiny_model):
    server = rtsp_server({"/cam": SMALL})
    process = start(
        *("run", "rtsp://127.0.0.1:1/dead", server.url("/cam"), "--no-video", "--detections", "out/"),
        *("--model", tiny_model, "--max-staleness", "0.2", "--report", "run.json"),
    )
    wait(lambda: frames(here / "out" / "127.0.0.1-cam.jsonl") >= 10, process)
    _, stderr = interrupt(process)
    assert process.returncode == 130, stderr
    dead, cam = json.loads((here / "run.json").read_text())["sources"]
    assert dead["error"].startswith("rtsp://127.0.0.1:1/dead: gave no frame: ")
    assert cam["error"] is None
    assert not (here / "out" / "127.0.0.1-dead.jsonl").exists()


def test_a_camera_that_never_worked_is_a_failure_when_the_wait_is_ended(start, here, tiny_model):
    process = start("run", "rtsp://127.0.0.1:1/dead", "--no-video", "--detections", "out.jsonl", "--model", tiny_model)
    said = process.stderr.readline()
    assert said.startswith("warning: 127.0.0.1-dead: cannot be opened: Connection refused; trying again in ")
    _, stderr = interrupt(process)
    assert process.returncode == 1, stderr
    assert "rtsp://127.0.0.1:1/dead: gave no frame: cannot be opened: Connection refused" in stderr


@pytest.mark.parametrize("mode", ["freshest", "every-frame"])
def test_a_camera_until_so_many_frames_are_there(streamdet, here, rtsp_server, tiny_model, mode):
    server = rtsp_server({"/cam": SMALL})
    done = streamdet(
        *("run", server.url("/cam"), "--no-video", "--detections", "cam.jsonl", "--max-frames", "12"),
        *("--mode", mode, "--model", tiny_model),
    )
    assert done.status == 0, done.stderr
    assert frames(here / "cam.jsonl") == 12
    dropped = [line["dropped_before"] for line in lines(here / "cam.jsonl") if line["type"] == "frame"]
    assert mode == "freshest" or not any(dropped)


def test_a_camera_that_sends_over_udp_alone(start, streamdet, here, rtsp_server, tiny_model):
    server = rtsp_server({"/cam": SMALL}, udp_only=True)
    command = ("run", server.url("/cam"), "--no-video", "--detections", "cam.jsonl", "--model", tiny_model)
    process = start(*command)
    assert "127.0.0.1-cam: does not send over tcp; use --set decode.transport=udp" in process.stderr.readline()
    _, stderr = interrupt(process)
    assert process.returncode == 1, stderr
    done = streamdet(*command, "--overwrite", "--max-frames", "12", "--set", "decode.transport=udp")
    assert done.status == 0, done.stderr
    assert frames(here / "cam.jsonl") == 12


def test_a_pipeline_file_that_is_changed_adds_and_removes_streams(start, here, rtsp_server, tiny_model):
    server = rtsp_server({f"/{name}": SMALL for name in "abc"})

    def write(*names: str, more: str = "") -> None:
        sources = ", ".join(server.url(f"/{name}") for name in names)
        (here / "next.yaml").write_text(f"sources: [{sources}]\nstages: [decode, batch, detect, record]\n{more}")
        (here / "next.yaml").replace(here / "job.yaml")

    def found(name: str) -> Path:
        return here / "out" / f"127.0.0.1-{name}.jsonl"

    write("a", "b")
    process = start(
        *("run", "--pipeline", "job.yaml", "--detections", "out/", "--model", tiny_model, "--report", "run.json")
    )
    wait(lambda: frames(found("a")) > 3 and frames(found("b")) > 3, process)
    write("b", "c", more="detekt: {}\n")  # a mistake: nothing changes
    time.sleep(1.5)
    write("b", "c")
    wait(lambda: frames(found("c")) > 3, process)
    wait(lambda: lines(found("a"))[-1]["type"] == "end", process)
    write("a", "b", "c")
    wait(lambda: frames(found("a-2")) > 3, process)
    _, stderr = interrupt(process)
    assert process.returncode == 130, stderr
    assert "job.yaml:3: detekt: unknown key; did you mean detect?" in stderr
    assert "the streams stay unchanged" in stderr
    assert "127.0.0.1-a: left" in stderr
    for name in ("a", "b", "c", "a-2"):
        *_, end = lines(found(name))
        assert (end["type"], end["frames"]) == ("end", frames(found(name)))
        assert "error" not in end
    sources = json.loads((here / "run.json").read_text())["sources"]
    assert [source["name"].rpartition("1-")[2] for source in sources] == ["a", "b", "c", "a-2"]


def test_what_cannot_join_is_said_and_the_others_go_on(start, here, rtsp_server, tiny_model):
    server = rtsp_server({f"/{name}": SMALL for name in "ab"})
    job = f"stages: [decode, batch, detect, record]\nrecord: {{path: one.jsonl}}\nsources: [{server.url('/a')}"
    (here / "job.yaml").write_text(f"{job}]\n")
    process = start("run", "--pipeline", "job.yaml", "--model", tiny_model)
    wait(lambda: frames(here / "one.jsonl") > 3, process)
    (here / "job.yaml").write_text(f"{job}, {server.url('/b')}]\n")
    time.sleep(1.5)
    before = frames(here / "one.jsonl")
    wait(lambda: frames(here / "one.jsonl") > before + 3, process)
    _, stderr = interrupt(process)
    assert "127.0.0.1-b: cannot join: output one.jsonl: 2 sources need a folder" in stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")
def test_no_password_comes_out_anywhere(start, here, rtsp_server, tiny_model):
    """Neither of a camera that works, nor of one that refuses, nor of one that dies: searched in all there is."""
    server = rtsp_server({"/cam": SMALL}, user="watchm4n", password=PASSWORD)
    other = rtsp_server({"/cam": SMALL}, user="watchm4n", password=PASSWORD)
    wrong = server.url("/cam").replace("s3cr3t%2Fw0rd", "wr0ng%2Fw0rd")
    dead = "rtsp://watchm4n:s3cr3t%2Fw0rd@127.0.0.1:1/dead"
    with (here / "stdout").open("w") as stdout:
        process = start(
            *("run", server.url("/cam"), other.url("/cam"), wrong, dead, "-o", "out/", "--detections", "-", "-v"),
            *("--report", "run.json", "--model", tiny_model, "--log-format", "json", "--set", "decode.timeout_s=1"),
            stdout=stdout,
        )
    wait(lambda: frames(here / "stdout") > 5, process)
    proc = Path(f"/proc/{process.pid}")
    titles = [(proc / "cmdline").read_bytes(), *(path.read_bytes() for path in proc.glob("task/*/comm"))]
    assert any(b"rtsp://127.0.0.1" in title for title in titles)
    other.kill9()
    wait(lambda: any(line["type"] == "gap" for line in lines(here / "stdout")), process)
    _, stderr = interrupt(process)
    assert process.returncode == 130, stderr
    (here / "stderr").write_text(stderr)
    assert "refused: the user name or password is wrong" in stderr
    assert "gave no frame" in stderr
    produced = {str(path): path.read_bytes() for path in here.rglob("*") if path.is_file()}
    assert {Path(name).suffix for name in produced} == {"", ".json", ".mp4"}
    for where, content in [*produced.items(), *(("title", title) for title in titles)]:
        for secret in ("s3cr3t", "wr0ng", "w0rd", "watchm4n"):
            assert secret.encode() not in content, where
            assert secret not in where
