"""`streamdet run --annotate overlay`: whole, in parts, and killed in between."""

import json
import signal
import sys
from functools import partial

import av
import pytest
from lively_detector import lively_detector
from waiting import wait_until

from streamdet.jobs.resume import journals
from streamdet.models.recurrent.checkpoint import save_checkpoint

CHECKPOINT_FRAMES = 20
PROGRAM = f"""
import sys
from streamdet.jobs.resume import journals

journals.CHECKPOINT_FRAMES = {CHECKPOINT_FRAMES}
from streamdet.__main__ import main

sys.exit(main())
"""


def packets(path):
    """(kind, pts, duration, content) of all that is in a file; pts and durations in its own unit."""
    with av.open(str(path)) as container:
        return [
            (packet.stream.type, packet.pts, packet.duration, bytes(packet))
            for packet in container.demux()
            if packet.size
        ]


@pytest.fixture(scope="module")
def lively_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "lively.safetensors"
    save_checkpoint(path, lively_detector(channels=16, recurrent_channels=8), {})
    return path


@pytest.fixture
def job(clips, lively_model):
    def arguments(name, *more, source=clips / "long.mp4"):
        common = ("--model", lively_model, "--conf", "0.3", "--max-det", "20", "--runtime", "openvino")
        return ("run", source, *common, "--max-frames", 120, "--annotate", "overlay", "-o", name, *more)

    return arguments


def test_the_default_name_and_what_is_in_the_file(streamdet, job, clips, here):
    done = streamdet(*job("out/", source=clips / "walk.mp4"))
    assert done.status == 0, done.stderr
    assert [path.name for path in here.rglob("*.*")] == ["walk.annotated.mkv"]
    written = packets(here / "out" / "walk.annotated.mkv")
    source = packets(clips / "walk.mp4")
    for kind in ("video", "audio"):
        assert [data for what, _, _, data in written if what == kind] == [
            data for what, _, _, data in source if what == kind
        ]
    assert any(what == "subtitle" for what, *_ in written)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_overlay_is_continued(start, streamdet, job, here, number, monkeypatch):
    monkeypatch.setattr(journals, "CHECKPOINT_FRAMES", CHECKPOINT_FRAMES)
    assert streamdet(*job("a.mkv", "--detections", "a.jsonl")).status == 0
    command = job("b.mkv", "--detections", "b.jsonl")
    process = partial(start, program=("-c", PROGRAM))(*command)
    wait_until(
        lambda: (
            ((here / "b.jsonl").exists() and (here / "b.jsonl").read_bytes().count(b'"type":"frame"') > 50)
            or process.poll() is not None
        )
    )
    process.send_signal(number)
    process.wait(timeout=120)
    assert (here / "b.mkv").exists() == (number == signal.SIGINT)
    if number == signal.SIGINT:
        partly = packets(here / "b.mkv")
        assert 0 < len([1 for kind, *_ in partly if kind == "video"]) < 3000
    done = streamdet(*command, "--resume")
    assert done.status == 0, done.stderr
    assert "continues from frame" in done.stderr
    assert packets(here / "b.mkv") == packets(here / "a.mkv")
    assert sorted(path.name for path in here.iterdir()) == ["a.jsonl", "a.mkv", "b.jsonl", "b.mkv"]


def test_an_mp4_has_two_files_beside_it(streamdet, job, clips, here):
    (here / "x.vtt").write_text("somebody's")
    done = streamdet(*job("x.mp4", source=clips / "walk.mp4"))
    assert done.status == 2
    assert "output x.vtt already exists" in done.stderr
    assert streamdet(*job("x.mp4", "--overwrite", source=clips / "walk.mp4")).status == 0
    cue = (here / "x.vtt").read_text().split("\n\n")[1].splitlines()[1]
    assert json.loads(cue)["detections"]
    assert "Dialogue: " in (here / "x.ass").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--annotate", "overlay", "--crf", "20"), "--annotate overlay and --crf exclude each other"),
        (("--annotate", "paint"), "--annotate: expected draw or overlay, got paint"),
        (("--annotate", "overlay", "--no-video"), "--no-video and --annotate exclude each other"),
        (("--annotate", "overlay", "-o", "x.webm"), "cannot be a .webm"),
        (("--annotate", "overlay", "--set", "annotate.hide=[person]"), "nothing in it can be hidden"),
    ],
)
def test_what_makes_no_sense_is_refused(streamdet, clips, here, options, said):
    done = streamdet("run", clips / "walk.mp4", *options)
    assert done.status == 2
    assert said in done.stderr
    assert list(here.iterdir()) == []
