"""Jobs that are killed and gone on with, and memory that is carried from file to file."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from lively_detector import lively_detector
from waiting import wait_until

from streamdet.jobs.resume import journals
from streamdet.jobs.resume.checkpoints import read_checkpoint
from streamdet.models.recurrent.checkpoint import save_checkpoint

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")

FRAMES, CHECKPOINT_FRAMES = 240, 40
PROGRAM = f"""
import sys
from streamdet.jobs.resume import journals

journals.CHECKPOINT_FRAMES = {CHECKPOINT_FRAMES}
from streamdet.__main__ import main

sys.exit(main())
"""


@pytest.fixture(autouse=True)
def frequent_checkpoints(monkeypatch):
    monkeypatch.setattr(journals, "CHECKPOINT_FRAMES", CHECKPOINT_FRAMES)


@pytest.fixture
def start(start):
    """With more checkpoints than usual."""
    return partial(start, program=("-c", PROGRAM))


@pytest.fixture(scope="module")
def lively_model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "lively.safetensors"
    save_checkpoint(path, lively_detector(channels=16, recurrent_channels=8), {})
    return path


@pytest.fixture
def job(clips, lively_model):
    """The arguments of a job; its outputs are named after `name`."""

    def arguments(name, *more, source=clips / "long.mp4"):
        common = ("--model", lively_model, "--conf", "0.3", "--max-det", "20", "--runtime", "openvino")
        return ("run", source, *common, "--preset", "ultrafast", "--max-frames", FRAMES, "-o", f"{name}.mp4", *more)

    return arguments


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def frames_noted(path):
    return path.read_bytes().count(b'"type":"frame"') if path.exists() else 0


def wait_while(process: subprocess.Popen[str], condition: Callable[..., bool]) -> None:
    """Until the condition is false, or the process is over."""
    wait_until(lambda: not condition() or process.poll() is not None)


def lose_what_was_not_synced(here, rng):
    """As a power cut does: behind what the last checkpoint has synced is nothing, or zeros."""
    checkpoints = sorted((here / ".b.mp4.journal").glob("*.checkpoint"))
    if not checkpoints:
        return
    sections: Any = read_checkpoint(checkpoints[-1]).checkpoint.sections
    synced = {".b.mp4.part": sections["encode"].video["mark"]["length"], "b.jsonl": sections["record"].length}
    change_journal(here / ".b.mp4.journal", boot="an earlier one")
    for name, length in synced.items():
        content = (here / name).read_bytes()
        lost = len(content) - length
        (here / name).write_bytes(content[:length] + bytes(rng.randrange(lost + 1)))


def change_journal(folder, **entries):
    path = folder / "job.json"
    noted = json.loads(path.read_text())
    noted["job"] = json.dumps({**json.loads(noted["job"]), **entries})
    noted["sha256"] = hashlib.sha256(noted["job"].encode()).hexdigest()
    path.write_text(json.dumps(noted))


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.soak)])
def test_what_was_killed_ends_as_if_nothing_had_happened(start, streamdet, job, here, seed):
    rng = random.Random(seed)
    assert streamdet(*job("a", "--detections", "a.jsonl")).status == 0
    command, begins_at = job("b", "--detections", "b.jsonl", "--report", "b.json"), [0]
    for number in (signal.SIGKILL, signal.SIGKILL, signal.SIGTERM):
        process = start(*command, *(["--resume"] if begins_at[1:] else []))
        goal = begins_at[-1] + rng.randrange(1, 60)
        wait_while(process, lambda goal=goal: frames_noted(here / "b.jsonl") <= goal)
        process.send_signal(number)
        process.wait(timeout=120)
        begins_at.append(frames_noted(here / "b.jsonl"))
        if number == signal.SIGKILL:
            lose_what_was_not_synced(here, rng)
    done = streamdet(*command, "--resume")
    assert done.status == 0, done.stderr
    assert "continues from frame" in done.stderr
    for ending in ("mp4", "jsonl"):
        assert (here / f"b.{ending}").read_bytes() == (here / f"a.{ending}").read_bytes()
    assert json.loads((here / "b.json").read_text())["frames"] == FRAMES
    assert hidden(here) == []


@pytest.mark.parametrize("ending", ["txt", "json", "csv"])
def test_other_formats_go_on_too(start, streamdet, job, here, ending):
    assert streamdet(*job("a", "--detections", f"a.{ending}", "--no-track")).status == 0
    command = job("b", "--detections", f"b.{ending}", "--no-track")

    def checkpoints():
        return set(here.glob(".b.mp4.journal/*.checkpoint"))

    for number in (signal.SIGKILL, signal.SIGINT):
        process, before = start(*command, *(["--resume"] if number == signal.SIGINT else [])), checkpoints()
        wait_while(process, lambda before=before: len(checkpoints() - before) < 2)
        process.send_signal(number)
        process.wait(timeout=120)
    assert streamdet(*command, "--resume").status == 0
    for each in ("mp4", ending):
        assert (here / f"b.{each}").read_bytes() == (here / f"a.{each}").read_bytes()
    assert hidden(here) == []


def test_several_sources_and_one_that_was_done(start, streamdet, here, clips, lively_model):
    sources = (clips / "walk.mp4", clips / "long.mp4", clips / "fast.mp4")
    common = ("--model", lively_model, "--preset", "ultrafast", "--max-frames", FRAMES)
    assert streamdet("run", *sources, *common, "-o", "a/", "--detections", "a/").status == 0
    command = ("run", *sources, *common, "-o", "b/", "--detections", "b/", "--report", "r.json")
    process = start(*command)
    wait_while(process, lambda: len(list(here.glob("b/.*.journal/*.checkpoint"))) < 2)
    process.kill()
    process.wait()
    done = streamdet(*command, "--resume")
    assert done.status == 0, done.stderr
    assert "walk: is complete already" in done.stderr
    assert "long: continues from frame" in done.stderr
    names = sorted(path.name for path in (here / "a").iterdir())
    assert sorted(path.name for path in (here / "b").iterdir()) == names
    assert len(names) == 6
    for name in names:
        assert (here / "b" / name).read_bytes() == (here / "a" / name).read_bytes(), name
    report = json.loads((here / "r.json").read_text())
    assert [source["frames"] for source in report["sources"]] == [30, FRAMES, 100]
    assert all(source["ended"] for source in report["sources"])
    assert all(output["bytes"] for output in report["outputs"])


@pytest.fixture
def killed(start, job, here):
    """A job that was killed behind a checkpoint: its arguments."""
    command = job("b", "--detections", "b.jsonl")
    process = start(*command)
    wait_while(process, lambda: not list(here.glob(".b.mp4.journal/*.checkpoint")))
    process.kill()
    process.wait()
    return command


def test_another_job_is_refused_with_the_reason(streamdet, killed, here, clips):
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    source = here / "long.mp4"
    shutil.copy(clips / "walk.mp4", source)
    for changed, reason in (
        (("--conf", "0.4"), "the run that was interrupted had settings.detect.conf 0.3, this one has 0.4"),
        (("--model", "street"), "had model.name "),
        (("--crf", "30"), "had settings.encode.crf null, this one has 30"),
        (("--set", "decode.stride=2"), "had settings.decode.stride 1, this one has 2"),
        (("--runtime", "torch"), "had runtime "),
    ):
        done = streamdet(*killed, *changed, "--resume")
        assert (done.status, reason in done.stderr) == (2, True), done.stderr
        assert "--overwrite starts again" in done.stderr
    other = [str(source) if str(part).endswith("long.mp4") else part for part in killed]
    done = streamdet(*other, "--resume")
    assert (done.status, "had source.sha256 " in done.stderr) == (2, True), done.stderr
    source.unlink()
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before


def test_without_resume_it_says_how_and_overwrite_starts_anew(streamdet, killed, here):
    done = streamdet(*killed)
    assert done.status == 2
    assert "b.jsonl already exists" in done.stderr
    assert "--resume" in done.stderr
    (here / "b.jsonl").rename(here / "kept")
    done = streamdet(*killed)
    assert (done.status, "b.mp4: an interrupted run left it unfinished; --resume continues" in done.stderr) == (
        2,
        True,
    )
    (here / "kept").rename(here / "b.jsonl")
    assert streamdet(*killed, "--overwrite").status == 0
    assert streamdet(*killed[:-4], *("-o", "a.mp4", "--detections", "a.jsonl")).status == 0
    assert (here / "b.jsonl").read_bytes() == (here / "a.jsonl").read_bytes()
    assert hidden(here) == []


def test_a_damaged_journal_is_an_error_or_costs_a_checkpoint(streamdet, killed, here):
    for checkpoint in here.glob(".b.mp4.journal/*.checkpoint"):
        checkpoint.write_bytes(checkpoint.read_bytes()[:-1])
    job = here / ".b.mp4.journal" / "job.json"
    content = job.read_bytes()
    for damage in (b"", b"{", b"[]", b'{"format": 1}', b'{"format": 9}'):
        job.write_bytes(damage)
        done = streamdet(*killed, "--resume")
        assert done.status == 2
        assert "job.json: " in done.stderr
        assert "Traceback" not in done.stderr
    job.write_bytes(content)
    done = streamdet(*killed, "--resume")
    assert done.status == 0, done.stderr
    assert "it starts from the beginning" in done.stderr
    assert frames_noted(here / "b.jsonl") == FRAMES


def test_what_another_run_has_written_meanwhile_is_not_continued(streamdet, job, killed, clips, lively_model, here):
    other = ("run", clips / "long.mp4", "--model", lively_model, "--conf", "0.9", "--no-video", "--max-frames", FRAMES)
    assert streamdet(*other, "--detections", "b.jsonl", "--overwrite").status == 0
    done = streamdet(*killed, "--resume")
    assert done.status == 0, done.stderr
    assert "it starts from the beginning" in done.stderr
    assert streamdet(*job("a", "--detections", "a.jsonl")).status == 0
    assert (here / "b.jsonl").read_bytes() == (here / "a.jsonl").read_bytes()


def test_a_second_run_of_a_job_that_is_at_work_is_refused(start, streamdet, job, here):
    process = start(*job("b", "--detections", "b.jsonl"))
    wait_while(process, lambda: not list(here.glob(".b.mp4.journal/*.checkpoint")))
    process.send_signal(signal.SIGSTOP)
    try:
        for more in (("--resume",), ("--overwrite",)):
            done = streamdet(*job("b", "--detections", "b.jsonl"), *more)
            assert (done.status, "another run of this job is in progress" in done.stderr) == (2, True), done.stderr
    finally:
        process.send_signal(signal.SIGCONT)
    assert process.wait(timeout=120) == 0
    assert frames_noted(here / "b.jsonl") == FRAMES


def test_a_source_that_was_done_is_done_again_where_its_output_is_gone(start, streamdet, here, clips, lively_model):
    command = ("run", clips / "walk.mp4", clips / "long.mp4", "--model", lively_model, "--no-video")
    command = (*command, "--detections", "b/", "--max-frames", FRAMES)
    process = start(*command)
    wait_while(process, lambda: not list(here.glob("b/.long.*.journal/*.checkpoint")))
    process.kill()
    process.wait()
    whole = (here / "b" / "walk.jsonl").read_bytes()
    (here / "b" / "walk.jsonl").write_bytes(b"")
    done = streamdet(*command, "--resume")
    assert (done.status, "is complete already" in done.stderr) == (0, False), done.stderr
    assert (here / "b" / "walk.jsonl").read_bytes() == whole


def test_pipes_are_read_as_before(start, clips, tiny_model, here):
    os.mkfifo(here / "pipe.mkv")
    process = start("run", "pipe.mkv", "--model", tiny_model, "-o", "p.mp4")
    with av.open(str(clips / "walk.mp4")) as file, av.open(str(here / "whole.mkv"), "w") as out:
        copy = out.add_stream_from_template(file.streams.video[0])
        for packet in file.demux(video=0):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    with (here / "pipe.mkv").open("wb") as pipe:
        pipe.write((here / "whole.mkv").read_bytes())
    _, stderr = process.communicate(timeout=120)
    assert (process.returncode, "30 frames in" in stderr) == (0, True), stderr


def test_resume_of_what_is_complete_or_has_not_begun(streamdet, clips, tiny_model, here):
    command = ("run", clips / "walk.mp4", "--model", tiny_model, "-o", "w.mp4", "--resume")
    assert streamdet(*command).status == 0
    content = (here / "w.mp4").read_bytes()
    done = streamdet(*command)
    assert (done.status, done.stderr) == (0, "w.mp4: complete already; --overwrite starts again\n")
    assert (here / "w.mp4").read_bytes() == content
    done = streamdet(*command, "--detections", "w.jsonl")
    assert (done.status, "w.mp4 is there, but neither w.jsonl nor a journal" in done.stderr) == (2, True), done.stderr
    assert list(here.iterdir()) == [here / "w.mp4"]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("-o", "-"), "video that was read from standard output cannot be taken back; expected a file"),
        (("--detections", "-"), "detections that were sent, or read from standard output, cannot be taken back"),
        (("--segment", "10s"), "segments, playlists and published video cannot be continued"),
        (("-o", "x.m3u8"), "segments, playlists and published video cannot be continued"),
        (("--no-video",), "nothing is written that could be continued"),
        (("--set", "batch.max_streams=2"), "expected batch.max_streams 1, got 2"),
        (("--overwrite",), "--resume and --overwrite exclude each other"),
        (("--state-in", "none"), "none: cannot be read: No such file"),
    ],
)
def test_what_cannot_be_gone_on_with_is_said(streamdet, clips, tiny_model, here, more, message):
    done = streamdet("run", clips / "walk.mp4", "--model", tiny_model, "--resume", *more)
    assert (done.status, message in done.stderr) == (2, True), done.stderr
    assert list(here.iterdir()) == []


def test_a_full_disk_costs_nothing_but_time(start, streamdet, job, here):
    """The file of detections may not grow any longer (a quota): it fails, and after that there is room again."""
    import resource  # Windows has none

    command = job("b", "--no-video", "--detections", "b.jsonl")
    command = tuple(part for part in command if part not in ("-o", "b.mp4"))
    limit = 180_000
    process = start(*command, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 1, stderr
    assert "b.jsonl: cannot be written" in stderr
    assert "the same command with --resume continues it" in stderr
    done = streamdet(*command, "--resume")
    assert done.status == 0, done.stderr
    assert "continues from frame" in done.stderr
    assert streamdet(*(part if part != "b.jsonl" else "a.jsonl" for part in command)).status == 0
    assert (here / "b.jsonl").read_bytes() == (here / "a.jsonl").read_bytes()


def test_memory_is_carried_across_files(streamdet, here, lively_model):
    """Of a video that was cut in two, the second part with the memory of the first is as if it were whole."""
    for name, numbers in (("whole", range(80)), ("one", range(40)), ("two", range(40, 80))):
        lossless(here / f"{name}.mp4", numbers)
    common = ("--model", lively_model, "--conf", "0.3", "--max-det", "20", "--no-video")
    for name, more in (
        ("whole", ()),
        ("one", ("--state-out", "one.state")),
        ("two", ("--state-in", "one.state", "--state-out", "two.state")),
    ):
        assert streamdet("run", f"{name}.mp4", *common, "--detections", f"{name}.jsonl", *more).status == 0
    found = {name: boxes(here / f"{name}.jsonl") for name in ("whole", "one", "two")}
    assert found["one"] + found["two"] == found["whole"]
    assert streamdet("run", "two.mp4", *common, "--detections", "alone.jsonl").status == 0
    assert boxes(here / "alone.jsonl") != found["two"]

    done = streamdet("run", "two.mp4", "--no-video", "--detections", "x.jsonl", "--state-in", "one.state")
    assert (done.status, "--state-in one.state: was written with model" in done.stderr) == (2, True), done.stderr
    (here / "one.state").write_bytes((here / "one.state").read_bytes()[:-3])
    done = streamdet("run", "two.mp4", *common, "--detections", "x.jsonl", "--state-in", "one.state")
    assert (done.status, "one.state: is damaged, or not a checkpoint" in done.stderr) == (2, True), done.stderr
    arguments = ("run", "two.mp4", *common, "--detections", "y.jsonl")
    assert streamdet(*arguments, "--no-track", "--state-out", "untracked").status == 0
    done = streamdet(*arguments, "--overwrite", "--state-in", "untracked")
    assert (done.status, "was written without the stage track; expected --no-track here, too" in done.stderr) == (
        2,
        True,
    ), done.stderr
    done = streamdet("run", "one.mp4", "two.mp4", *common, "--detections", "x/", "--state-out", "s")
    assert (done.status, "carry the state of one source, got 2" in done.stderr) == (2, True), done.stderr


def boxes(path: Path):
    return [json.loads(line)["detections"] for line in path.read_text().splitlines() if '"type":"frame"' in line]


def lossless(path: Path, numbers):
    noise = np.random.default_rng(0).integers(60, 120, (96, 160, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        pictures = container.add_stream("libx264", rate=25, options={"qp": "0"})
        pictures.width, pictures.height, pictures.pix_fmt = 160, 96, "yuv420p"
        for number in numbers:
            image = np.roll(noise, number, axis=0)
            image[30:60, number : number + 20] = 220
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(pictures.encode(None))
