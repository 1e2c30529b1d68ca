"""The journal of a job: what is kept, what is compared, and that a disk without room stops nothing."""

import json
import shutil

import pytest

from streamdet.cli.journal import Journal, check_same, journal_folder, last_checkpoint, read_job
from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint

IDENTITY = {"model": {"sha256": "ab"}, "settings": {"detect": {"conf": 0.25, "iou": 0.6}}, "sources": {"a": 1, "b": 2}}


@pytest.fixture
def journal(tmp_path):
    journal = Journal(journal_folder(tmp_path / "a.mp4"), IDENTITY, ["a", "b", "c"])
    journal.begin()
    return journal


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
    found = last_checkpoint(journal.folder, 0, None, None, {}, coco=False)
    assert (found.checkpoint.frames, found.about) == (1200, {"frames": 1200})
    journal.finish("a", {"frames": 1300})
    assert frames_kept(journal) == []
    journal.commit(Checkpoint("b", 240), {})
    assert last_checkpoint(journal.folder, 0, None, None, {}, coco=False) is None
    assert read_job(journal.folder).done == {"a": {"frames": 1300}}


def test_a_torn_checkpoint_costs_the_one_before(journal):
    for frames in (240, 480):
        journal.commit(Checkpoint("a", frames), {})
    newest = max(journal.folder.glob("*.checkpoint"))
    newest.write_bytes(newest.read_bytes()[:100])
    assert last_checkpoint(journal.folder, 0, None, None, {}, coco=False).checkpoint.frames == 240


def test_detections_that_are_shorter_than_a_checkpoint_says_cost_it(tmp_path, journal):
    for frames in (240, 480):
        journal.commit(Checkpoint("a", frames, facts={"record": {"bytes": 10 * frames}}), {})
    path = tmp_path / "a.jsonl"
    for length, expected in ((4800, 480), (4799, 240), (2399, None), (None, None)):
        path.unlink() if length is None else path.write_bytes(bytes(length))
        found = last_checkpoint(journal.folder, 0, None, path, {}, coco=False)
        assert (found and found.checkpoint.frames) == expected


def test_another_job_begins_with_an_empty_folder_and_the_same_one_goes_on(journal):
    journal.commit(Checkpoint("a", 240), {})
    again = Journal(journal.folder, IDENTITY, ["a", "b", "c"], read_job(journal.folder))
    again.begin()
    assert frames_kept(journal) == [240]
    Journal(journal.folder, IDENTITY, ["a"]).begin()
    assert frames_kept(journal) == []


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
    journal.finish("a", {})
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [message.endswith("--resume may have to begin earlier") for message in said] == [True]
    assert not journal.is_there


def test_job_of_another_format(journal):
    path = journal.folder / "job.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 7}))
    with pytest.raises(ConfigError, match="has format 7, expected 1; --overwrite starts anew"):
        read_job(journal.folder)
