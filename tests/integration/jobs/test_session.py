"""Whole jobs without a terminal: events, failures, sources that come and go, interruption and its resumption."""

import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from lively_detector import lively_detector
from waiting import wait_until

from streamdet.errors import ConfigError
from streamdet.frames import StreamEnded, StreamStarted
from streamdet.jobs.assemble import looks_of
from streamdet.jobs.config import load_job
from streamdet.jobs.events import JobFinished, SourceComplete, SourceJoined, SourceLeft, SourceResumed
from streamdet.jobs.plan import plan
from streamdet.jobs.resume import journals
from streamdet.jobs.session import Session, run_source
from streamdet.result import Result
from streamdet.runtimes.torch import TorchDetector
from streamdet.stages.outputs import OutputFailed
from tests.integration.media.conftest import write_clip

ALL = "stages=[decode, batch, detect, track, annotate, encode, record]"
TO_FOLDER = (ALL, "encode.path=out/", "record.path=out/")
B_FRAMES = {"x264-params": "keyint=12:scenecut=0:bframes=3:b-adapt=0"}
LONG, CHECKPOINT_FRAMES = 240, 80  # frames


@pytest.fixture(autouse=True)
def frequent_checkpoints(monkeypatch):
    monkeypatch.setattr(journals, "CHECKPOINT_FRAMES", CHECKPOINT_FRAMES)


def files(folder="out"):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def kinds(events):
    return [type(event) for event in events if not isinstance(event, Result)]


def test_listeners_are_told_all_of_it_and_a_broken_source_is_that_source_alone(make_clip, detector, plan_job, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    events = []
    jobs = plan_job([make_clip("a.mp4", 9), tmp_path / "text.mp4", make_clip("b.mp4", 5)], *TO_FOLDER)
    outcome = Session(jobs, detector, [events.append]).wait()
    ended = [StreamStarted, StreamEnded]
    assert kinds(events) == [*ended, StreamEnded, *ended, JobFinished]
    assert events[-1].outcome is outcome
    assert [result.index for result in events if isinstance(result, Result) and result.source == "a"] == list(range(9))
    assert [(failure.what, failure.source) for failure in outcome.failures] == [("source", "text")]
    assert sorted(files()) == ["a.annotated.mp4", "a.jsonl", "b.annotated.mp4", "b.jsonl"]
    assert {path.name for path in outcome.written} == set(files())
    assert [source.frames for source in outcome.tally.sources.values()] == [9, 0, 5]
    assert pickle.loads(pickle.dumps(outcome)).tally.frames == 14


def test_each_source_can_be_done_elsewhere(make_clip, detector, plan_job):
    """A job in pieces that were pickled, as a cluster does it, writes what the whole one does."""
    sources = [make_clip("a.mp4", 9), make_clip("b.mp4", 5)]
    assert not Session(plan_job(sources, *TO_FOLDER), detector).wait().failures
    for job in plan_job(sources, ALL, "encode.path=apart/", "record.path=apart/"):
        assert not run_source(pickle.loads(pickle.dumps(job)), detector).failures
    assert files("apart") == files("out")


def interrupted(jobs, detector, source, frames):
    """Cancel a session when so many results of a source have come."""
    session = Session(jobs, detector)

    def listen(event):
        if isinstance(event, Result) and event.source == source and event.index == frames:
            session.cancel()

    session.listen(listen)
    return session.wait()


def test_an_interrupted_job_is_continued_and_a_complete_one_left_alone(make_clip, detector, plan_job):
    sources = [make_clip("a.mp4", 9), make_clip("b.mp4", LONG)]
    assert not Session(plan_job(sources, *TO_FOLDER), detector).wait().failures
    settings = (ALL, "encode.path=again/", "record.path=again/")
    outcome = interrupted(plan_job(sources, *settings), detector, "b", LONG - 50)
    assert (outcome.stopped, outcome.resumable) == (True, True)
    assert sorted(path.name for path in Path("again").glob("*.journal")) == [
        ".a.annotated.mp4.journal",
        ".b.annotated.mp4.journal",
    ]
    with pytest.raises(ConfigError, match=r"a\.annotated\.mp4 already exists"):
        plan_job(sources, *settings)
    events = []
    outcome = Session(plan_job(sources, *settings, "resume=true"), detector, [events.append]).wait()
    assert events[:2] == [SourceComplete("a"), SourceResumed("b", 160)]
    assert (outcome.failures, outcome.resumable) == ((), False)
    assert [source.frames for source in outcome.tally.sources.values()] == [9, LONG]
    assert {path.name for path in outcome.written} == set(files("out"))
    assert files("again") == files("out")

    outcome = Session(plan_job(sources, *settings, "resume=true"), detector, [events.append]).wait()
    assert events[-3:] == [SourceComplete("a"), SourceComplete("b"), JobFinished(outcome)]
    assert (outcome.failures, files("again")) == ((), files("out"))


def test_a_journal_knows_its_own_source_alone(make_clip, detector, plan_job):
    """What was begun in a job of two is finished by itself; the other source is not asked for."""
    a, b = make_clip("a.mp4", LONG), make_clip("b.mp4", 9)
    first, _ = plan_job([a, b], *TO_FOLDER)
    assert interrupted([first], detector, "a", LONG - 50).resumable
    events = []
    b_job, a_job = plan_job([b, a], *TO_FOLDER, "resume=true")
    assert not run_source(a_job, detector, [events.append]).failures
    assert events[0] == SourceResumed("a", 160)
    assert not run_source(b_job, detector).failures
    assert sorted(files()) == ["a.annotated.mp4", "a.jsonl", "b.annotated.mp4", "b.jsonl"]


def test_a_job_of_other_settings_is_refused_before_anything_is_written(make_clip, detector, plan_job):
    source = make_clip("a.mp4", LONG)
    interrupted(plan_job([source], *TO_FOLDER), detector, "a", LONG - 50)
    before = {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")}
    jobs = plan_job([source], *TO_FOLDER, "resume=true", "detect.iou=0.5")
    with pytest.raises(ConfigError, match=r"had settings\.detect\.iou 0\.45, this one has 0\.5"):
        Session(jobs, detector)
    assert {path: path.stat().st_mtime_ns for path in Path("out").rglob("*")} == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_an_output_that_fails_is_told_and_ends_what_would_be_for_nothing(make_clip, detector, plan_job):
    events = []
    Path("full.jsonl").symlink_to("/dev/full")
    settings = ("stages=[decode, batch, detect, record]", "record.path=full.jsonl")
    jobs = plan_job([make_clip("a.mp4", LONG)], *settings, "overwrite=true")
    outcome = Session(jobs, detector, [events.append]).wait()
    [failed] = [event for event in events if isinstance(event, OutputFailed)]
    assert (failed.stage, failed.source) == ("record", "a")
    assert [failure.what for failure in outcome.failures] == ["detections"]
    assert outcome.tally.frames < LONG


def test_sources_join_and_leave_and_a_session_pauses(make_clip, detector, plan_job):
    events = []
    settings = ("stages=[decode, batch, detect]", "batch.max_streams=2")
    session = Session(plan_job([make_clip("a.mp4", 3000)], *settings), detector, [events.append])
    outcomes = []
    worker = threading.Thread(target=lambda: outcomes.append(session.wait()))
    worker.start()
    wait_until(lambda: session.tally.sources["a"].frames > 3)
    session.pause()
    wait_until(lambda: frames_stand_still(session))
    session.resume()
    [name] = session.add([str(make_clip("b.mp4", 3000))])
    wait_until(lambda: session.tally.sources[name].frames > 3)
    session.remove("a")
    with pytest.raises(KeyError):
        session.remove("a")
    wait_until(lambda: session.tally.sources["a"].ended)
    assert session.sources == {"b"}
    assert session.stats.wall_s > 0
    session.stop()
    worker.join(60)
    assert SourceJoined("b") in events
    assert SourceLeft("a") in events
    [outcome] = outcomes
    assert (outcome.stopped, outcome.failures) == (True, ())


def frames_stand_still(session):
    before = session.tally.frames
    threading.Event().wait(0.5)
    return session.tally.frames == before


PROGRAM = """
import pickle, sys
from streamdet.jobs.config import load_job
from streamdet.jobs.plan import plan
from streamdet.jobs.session import Session, load_detector
jobs = plan(load_job(None, ["sources=[a.mp4]", "record.path=a.jsonl", sys.argv[1]]))
outcome = Session(pickle.loads(pickle.dumps(jobs)), load_detector(jobs)).wait()
assert not outcome.failures, outcome.failures
print([name for name in sys.modules if name.startswith("streamdet.cli")], outcome.tally.frames)
"""


def test_a_job_needs_no_command_line(make_clip, tmp_path):
    make_clip("a.mp4", 9)
    command = [sys.executable, "-c", PROGRAM, "stages=[decode, batch, detect, track, record]"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[] 9\n"


def test_carried_frames_need_the_memory_of_objects(tmp_path) -> None:
    (tmp_path / "clip.mp4").touch()
    config = load_job(None, [f"sources=[{tmp_path / 'clip.mp4'}]", "detect.every=3", "track.tracker=byte"])
    with pytest.raises(ConfigError, match="--every: the object memory carries"):
        plan(config)


def test_frames_that_nobody_looks_at_change_no_result(tmp_path, plan_job):
    """Their pictures are not decoded where nothing shows them; the lines are the same."""
    clip, detector = write_clip(tmp_path / "a.mp4", 40, options=B_FRAMES), TorchDetector(lively_detector(), "cpu")
    lines, decoded = [], []
    for pictures in (False, True):
        stages = ("stages=[decode, batch, detect, track, record]", "detect.every=2", f"record.path={pictures}.jsonl")
        seen = []
        session = Session(plan_job([clip], *stages, "detect.conf=0.25"), detector, [seen.append], pictures=pictures)
        assert not session.wait().failures
        decoded.append([each.frame.decoded for each in seen if isinstance(each, Result)])
        lines.append(Path(f"{pictures}.jsonl").read_text())
    assert lines[0] == lines[1]
    assert lines[0].count('"carried":true') > 10
    assert [len(each) for each in decoded] == [40, 40]
    assert decoded[0].count(False) >= 10
    assert all(decoded[1])


@pytest.mark.parametrize(
    ("stages", "every", "looks"),
    [("track, record, overlay", "3", 3), ("track, record", "auto", 1), ("annotate, encode", "3", 1), ("crops", "3", 1)],
)
def test_all_frames_are_decoded_for_what_shows_pictures(stages, every, looks):
    settings = ("sources=[a.mp4]", f"stages=[decode, batch, detect, {stages}]", f"detect.every={every}")
    assert looks_of(load_job(None, settings)) == looks
