"""The journal of a job: what is kept, what is compared, and that a disk without room stops nothing."""

import json
import shutil
from dataclasses import asdict

import pytest

from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint
from streamdet.jobs.resume.journal import Journal, check_same, journal_folder, last_checkpoint, read_job
from streamdet.media.write.part_file import mark_of

IDENTITY = {"model": {"sha256": "ab"}, "settings": {"detect": {"conf": 0.25, "iou": 0.6}}, "sources": {"a": 1, "b": 2}}


@pytest.fixture
def journal(tmp_path):
    journal = Journal(journal_folder(tmp_path / "a.mp4"), IDENTITY, ["a", "b", "c"])
    journal.begin()
    yield journal
    journal.leave([])


def newest(journal, detections=None, name="a"):
    return last_checkpoint(journal.folder, (0, name), None, detections, read_job(journal.folder), coco=False)


def frames_kept(journal):
    return sorted(int(path.stem.partition("-")[2]) for path in journal.folder.glob("*.checkpoint"))


def test_it_is_hidden_beside_the_output(tmp_path, journal):
    assert [path.name for path in tmp_path.iterdir()] == [".a.mp4.journal"]
    journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_the_last_three_checkpoints_of_the_source_at_work_are_kept(journal):
    for frames in range(240, 1440, 240):
        journal.commit(Checkpoint("a", frames), {"frames": frames})
    assert frames_kept(journal) == [720, 960, 1200]
    found = newest(journal)
    assert (found.checkpoint.frames, found.about) == (1200, {"frames": 1200})
    journal.finish("a", {"frames": 1300}, [])
    assert frames_kept(journal) == []
    journal.commit(Checkpoint("b", 240), {})
    assert newest(journal) is None
    assert read_job(journal.folder).done == {"a": {"frames": 1300}}


def test_a_torn_checkpoint_costs_the_one_before(journal):
    for frames in (240, 480):
        journal.commit(Checkpoint("a", frames), {})
    last = max(journal.folder.glob("*.checkpoint"))
    last.write_bytes(last.read_bytes()[:100])
    assert newest(journal).checkpoint.frames == 240


def test_detections_that_are_shorter_than_a_checkpoint_says_cost_it(tmp_path, journal):
    path = tmp_path / "a.jsonl"
    path.write_bytes(bytes(5000))
    for frames in (240, 480):
        journal.commit(Checkpoint("a", frames, facts={"record": {"mark": asdict(mark_of(path, 10 * frames))}}), {})
    for length, expected in ((4800, 480), (4799, 240), (2399, None), (None, None)):
        path.unlink() if length is None else path.write_bytes(bytes(length))
        found = newest(journal, path)
        assert (found and found.checkpoint.frames) == expected
    path.write_bytes(b"of another run" + bytes(5000))  # the length alone would do
    assert newest(journal, path) is None


def test_a_checkpoint_is_of_the_source_that_it_names(journal):
    journal.commit(Checkpoint("a", 240), {})
    assert newest(journal, name="b") is None


def test_another_run_of_the_job_at_the_same_time_is_refused(journal):
    again = Journal(journal.folder, IDENTITY, ["a", "b", "c"])
    with pytest.raises(ConfigError, match="another run is at work on this job"):
        again.begin()
    journal.leave([])
    again.begin()
    again.leave([])


@pytest.mark.parametrize("odd", ["a file", "a name that is too long"])
def test_an_odd_folder_stops_nothing(tmp_path, caplog, odd):
    folder = journal_folder(tmp_path / "a.mp4")
    if odd == "a file":
        folder.touch()
    else:
        folder = tmp_path / ("x" * 300)
    journal = Journal(folder, IDENTITY, ["a"])
    journal.begin()
    journal.commit(Checkpoint("a", 240), {})
    assert not journal.has_checkpoints
    journal.leave([])
    journal.remove()
    assert "--resume may have to begin earlier" in caplog.text


def test_another_job_begins_with_an_empty_folder_and_the_same_one_goes_on(journal):
    journal.commit(Checkpoint("a", 240), {})
    journal.leave([])
    for before, expected in ((read_job(journal.folder), [240]), (None, [])):
        again = Journal(journal.folder, IDENTITY, ["a", "b", "c"], before)
        again.begin()
        assert frames_kept(journal) == expected
        again.leave([])


def test_differences_are_named(tmp_path):
    now = {**IDENTITY, "settings": {"detect": {"conf": 0.5, "iou": 0.6}}, "sources": {"a": 1}}
    check_same(tmp_path, IDENTITY, IDENTITY)
    with pytest.raises(ConfigError) as caught:
        check_same(tmp_path, IDENTITY, now)
    assert str(caught.value).splitlines() == [
        "--resume: the run that was interrupted had settings.detect.conf 0.25, this one has 0.5",
        "--resume: the run that was interrupted had sources.b 2, this one has null",
        f"expected the same job as in {tmp_path}; --overwrite starts anew",
    ]


def test_a_folder_that_is_gone_is_said_once_and_stops_nothing(journal, caplog):
    shutil.rmtree(journal.folder)
    for frames in (240, 480):
        journal.commit(Checkpoint("a", frames), {})
    journal.finish("a", {}, [])
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert ["--resume may have to begin earlier" in message for message in said] == [True]
    assert not journal.has_checkpoints


def test_job_of_another_format(journal):
    path = journal.folder / "job.json"
    noted = json.loads(path.read_text())
    path.write_text(json.dumps({**noted, "format": 7}))
    with pytest.raises(ConfigError, match="has format 7, expected 1; --overwrite starts anew"):
        read_job(journal.folder)
    path.write_text(json.dumps({**noted, "job": noted["job"].replace('"done": {}', '"done": {"a": 3}')}))
    with pytest.raises(ConfigError, match=r"job\.json: is damaged; --overwrite starts anew"):
        read_job(journal.folder)
