"""Outputs that are not files: published, sent, cut into pieces; through the command line, to real servers."""

import json
import signal

import av
import pytest
from rtsp_server import Live, Record
from waiting import wait_until

SECRET = "s3cr et/"
QUOTED = "s3cr%20et%2F"


def recorded(path):
    """Frames of a raw H.264 file; 0 while its last one is half written."""
    try:
        with av.open(str(path), format="h264") as container:
            return sum(1 for _ in container.decode(video=0))
    except av.FFmpegError:
        return 0


def test_video_to_a_server_and_detections_to_a_broker(
    streamdet, rtsp_server, mosquitto, clips, tiny_model, here, tmp_path
):
    """Two sources, each to its own path; nobody listens at the second one's."""
    server = rtsp_server({"/in/walk": Record(tmp_path / "walk.h264")}, user="cam", password=SECRET)
    broker = mosquitto(user="cam", password=SECRET)
    who = f"cam:{QUOTED}@"
    with broker.subscribe("street") as heard:
        done = streamdet(
            *("run", clips / "walk.mp4", clips / "fast.mp4", "--model", tiny_model, "--max-frames", "30"),
            *("-o", f"rtsp://{who}127.0.0.1:{server.port}/in", "--report", "report.json"),
            *("--detections", f"mqtt://{who}127.0.0.1:{broker.port}/street"),
        )
        wait_until(lambda: len(heard.messages) == 1 + 2 * 31)
    assert done.status == 1
    assert "/in/fast: not published: the server refused the stream (404 Not Found)" in done.stderr
    lines = [json.loads(message) for message in heard.messages]
    assert [line["type"] for line in lines if line.get("source", "walk") == "walk"] == ["run"] + ["frame"] * 30 + [
        "end"
    ]
    assert "/in/walk: 30 pictures delivered" in done.stderr
    # The server that records drops what is still on its way through it when the connection ends.
    wait_until(lambda: recorded(tmp_path / "walk.h264") >= 25)
    report = json.loads((here / "report.json").read_text())
    walk, fast, events = report["outputs"]
    assert (walk["path"], walk["unit"]) == (f"rtsp://127.0.0.1:{server.port}/in/walk", "pictures")
    assert (walk["sent"], walk["error"]) == (30, None)
    assert (fast["sent"], fast["failures"], fast["dropped"]) == (0, 1, {"disconnected": 30})
    assert (events["path"], events["sent"]) == (f"mqtt://127.0.0.1:{broker.port}/street", 63)
    for text in (done.stdout, done.stderr, json.dumps(report), *map(json.dumps, lines)):
        assert SECRET not in text
        assert QUOTED not in text


def test_hls_and_segments(streamdet, clips, tiny_model, here, read_video):
    run = ("run", clips / "fast.mp4", "--model", tiny_model)
    assert streamdet(*run, "-o", "live.m3u8", "--segment", "10m").status == 2
    done = streamdet(*run, "-o", "live.m3u8")
    assert (done.status, "wrote live.m3u8" in done.stderr) == (0, True)
    assert len(read_video(here / "live.m3u8").times_s) == 100
    assert streamdet(*run, "-o", "live.m3u8").status == 2
    done = streamdet(*run, "-o", "cut.mp4", "--segment", "3s", "--report", "report.json")
    assert (done.status, "cut.mp4: 2 files delivered" in done.stderr) == (0, True)
    assert [len(read_video(here / f"cut.00h00m0{second}s.mp4").times_s) for second in (0, 3)] == [75, 25]
    assert json.loads((here / "report.json").read_text())["outputs"][0]["sent"] == 2
    assert streamdet(*run, "-o", "cut.mp4", "--segment", "3s").status == 2
    assert streamdet(*run, "-o", "cut.mp4", "--segment", "3s", "--overwrite").status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_camera_in_segments(start, rtsp_server, tiny_model, here, read_video, number):
    """Every file plays: after Ctrl-C, and after a kill."""
    server = rtsp_server({"/cam": Live(fps=10)})
    process = start(
        *(
            "run",
            server.url("/cam"),
            "--model",
            tiny_model,
            "-o",
            "cam.mp4",
            "--segment",
            "2s",
            "--preset",
            "ultrafast",
        ),
        *("--detections", "cam.jsonl"),
    )
    # The first fragment of the third file brings its index: before that, a kill leaves a file that does not play.
    wait_until(lambda: [file.stat().st_size > 1000 for file in sorted(here.glob("cam.*Z.mp4"))][2:3] == [True])
    process.send_signal(number)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == (130 if number == signal.SIGINT else -9), stderr
    lines = (here / "cam.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)
    counts = [len(read_video(file).times_s) for file in sorted(here.glob("cam.*Z.mp4"))]
    assert len(counts) >= 3
    assert all(counts[:-1])  # how many frames each has is the machine's affair
