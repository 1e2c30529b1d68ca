"""A job over many files without a cluster: continued where a worker or the driver has died, byte for byte."""

import pickle
import resource
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from streamdet.cluster import storage
from streamdet.cluster.attempt import Attempt
from streamdet.cluster.driver import Lost
from streamdet.cluster.files import FilesJob
from streamdet.cluster.pools import HerePool
from streamdet.cluster.work import facts_of
from streamdet.errors import ConfigError, SinkError
from streamdet.jobs.config import load_job


class Killed(BaseException):
    """What kill -9 is to a process that tests itself."""


@pytest.fixture
def job(streamdet, clips, model):
    """The files of the clips, with the settings of the command line that `whole` has."""

    def make(source, *more):
        return FilesJob(
            load_job(
                None,
                [
                    f"sources=['{source}']",
                    "stages=[decode,batch,detect,track,annotate,encode,record]",
                    *("encode.path=out/", "record.path=out/", "encode.preset=ultrafast", "encode.threads=1"),
                    *(f"detect.model={model}", "detect.conf=0.001", "detect.max_detections=5"),
                    *("detect.runtime=torch", "detect.precision=fp32", *more),
                ],
            )
        )

    return make


def _run(job, pool=None):
    said = []
    return job.run(pool or HerePool(), facts_of, said.append), said


def test_many_files_are_what_a_plain_run_makes_of_them(job, clips, whole, files_of):
    summary, said = _run(job(f"{clips}/**/*.mp4"))
    assert summary.complete
    assert said == []
    assert files_of(Path("out")) == whole
    assert summary.report(0)["frames"] == 36
    with pytest.raises(ConfigError, match="already exists"):
        job(f"{clips}/**/*.mp4")


def test_a_driver_that_dies_is_continued_and_nothing_is_done_twice(job, clips, whole, files_of):
    class Dying(HerePool):
        def wait(self, seconds):
            found = super().wait(seconds)
            if found[0][0].name == "x/a":
                raise Killed  # the file is published, its line is not in the ledger
            return found

    with pytest.raises(Killed):
        _run(job(f"{clips}/**/*.mp4"), Dying())
    stamps = {path: path.stat().st_mtime_ns for path in Path("out").glob("**/a.jsonl")}
    assert len(stamps) == 2
    with pytest.raises(ConfigError):
        job(f"{clips}/**/*.mp4")
    summary, _ = _run(job(f"{clips}/**/*.mp4", "resume=true"))
    assert summary.complete
    assert files_of(Path("out")) == whole
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_what_has_failed_is_tried_again_although_something_of_it_was_written(job, streamdet):
    Path("bad").mkdir()
    Path("bad/a.mp4").write_text("this is no video" * 100)
    summary, _ = _run(job("bad/*.mp4"))
    assert summary.progress.failed == 1
    for name in ("a.jsonl", "a.annotated.mp4"):
        Path("out", name).touch()
    summary, said = _run(job("bad/*.mp4", "resume=true"))
    assert summary.progress.failed == 1
    assert "not a video" in said[-1]


def test_another_job_does_not_continue_it(job, clips):
    class Dying(HerePool):
        def wait(self, seconds):
            raise Killed

    with pytest.raises(Killed):
        _run(job(f"{clips}/**/*.mp4"), Dying())
    with pytest.raises(ConfigError, match=r"--resume: the run that was interrupted had settings.detect.iou 0.45"):
        _run(job(f"{clips}/**/*.mp4", "resume=true", "detect.iou=0.5"))


DYING = """
import os, pickle, signal, sys
from streamdet.cluster import work
from streamdet.result import Result

seen = []
def die(self, event):
    seen.extend([event] if isinstance(event, Result) else [])
    if len(seen) == 300:
        os.kill(os.getpid(), signal.SIGKILL)

work._Listener.__call__ = die
work.do_piece(pickle.load(sys.stdin.buffer), print, work.__version__, last=False)
"""


class Losing(HerePool):
    """Does the first piece in a process that is killed at its 300th frame."""

    lost = False

    def wait(self, seconds):
        if self.lost:
            return super().wait(seconds)
        self.lost = True
        assert self._next is not None
        piece, _ = self._next
        done = subprocess.run([sys.executable, "-c", DYING], input=pickle.dumps(piece), check=False)
        assert done.returncode == -signal.SIGKILL
        return [(piece, Lost("its worker ended", "n1"))]


def test_a_lost_worker_costs_what_is_behind_its_last_checkpoint(job, streamdet, settings, write_clip, files_of):
    write_clip(Path("long/a.mp4"), 500)
    status, _ = streamdet("run", "long/*.mp4", "-o", "alone/", "--detections", "alone/", *settings)
    assert status == 0
    summary, said = _run(job("long/*.mp4"), Losing())
    assert said == ["a: is tried again: a: its worker ended"]
    assert summary.complete
    assert summary.rows["a"]["resumed_frames"] == 240
    assert files_of(Path("out")) == files_of(Path("alone"))


def test_a_file_that_does_not_fit_on_the_disk(job, whole, clips, write_clip, files_of):
    write_clip(Path("in/b.mp4"), 60)
    shutil.copy(clips / "a.mp4", "in/a.mp4")
    with largest_file(max(map(len, whole.values())) + 10_000):
        summary, said = _run(job("in/*.mp4"))
    assert summary.progress.failed == 1
    [failure] = summary.report(1)["failures"]
    assert failure["message"].endswith("out/b.jsonl: cannot be written: File too large")
    assert said[-1] == failure["message"]
    [warning] = summary.rows["b"]["warnings"]
    assert warning.startswith(f"{Path('out').absolute()}/.b.annotated.mp4.journal: --resume may have to start earlier")
    assert set(files_of(Path("out"))) >= {"a.jsonl", "a.annotated.mp4"}
    assert not list(Path("out").glob("b.*"))
    summary, said = _run(job("in/*.mp4", "resume=true"))
    assert said == []
    assert summary.complete
    assert {"a.jsonl", "a.annotated.mp4", "b.jsonl", "b.annotated.mp4"} == set(files_of(Path("out")))
    assert Path("out/a.jsonl").read_bytes() == whole["a.jsonl"]


@contextmanager
def largest_file(size):
    """As a disk on which nothing larger fits."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_result_that_cannot_get_its_name_keeps_what_was_written(job, clips, whole, monkeypatch, files_of):
    move, failing = storage.move, ["a.jsonl"]

    def fails_once(source, target):
        if Path(target).name in failing:
            failing.clear()
            raise SinkError(f"{target}: cannot be written: No space left on device")
        move(source, target)

    monkeypatch.setattr(storage, "move", fails_once)
    summary, said = _run(job(f"{clips}/**/*.mp4"))
    assert "No space left" in said[0]
    assert summary.complete
    assert files_of(Path("out")) == whole


def test_an_attempt_that_was_taken_for_dead_publishes_nothing(job, clips, monkeypatch, files_of):
    publish = Attempt.publish

    def late(self, row):
        for folder in Path("out").glob(".*"):
            if folder.name != ".streamdet":
                shutil.rmtree(folder)  # as the attempt that was complete before it
        return publish(self, row)

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "publish", late)
        summary, said = _run(job(f"{clips}/a.mp4"))
    assert summary.progress.failed == 1
    assert said[-1].endswith("what was written for a: was removed meanwhile")
    summary, _ = _run(job(f"{clips}/a.mp4", "resume=true"))
    assert set(files_of(Path("out"))) == {"a.jsonl", "a.annotated.mp4"}


def test_what_cannot_be_taken_back_is_refused(job, clips):
    with pytest.raises(ConfigError, match="cannot be taken back when a worker is lost"):
        job(f"{clips}/a.mp4", "record.path='-'")
    with pytest.raises(ConfigError, match="rtsp://cam/live: is no file"):
        job("rtsp://cam/live")
