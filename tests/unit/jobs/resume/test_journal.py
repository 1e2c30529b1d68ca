"""The journal of a source: what is kept, what is compared, and that a disk without room stops nothing."""

import json
import shutil

import pytest

from streamdet.errors import ConfigError, SinkError
from streamdet.frames import Checkpoint
from streamdet.jobs.resume.journal import (
    Journal,
    check_free,
    check_same,
    check_unfinished,
    checkpoint_files,
    journal_folder,
    read_job,
)
from streamdet.media.write.part_file import write_at_once

IDENTITY = {"model": {"sha256": "ab"}, "settings": {"detect": {"conf": 0.25, "iou": 0.6}}, "source": {"sha256": "1"}}


@pytest.fixture
def warnings():
    return []


@pytest.fixture
def journal(tmp_path, warnings):
    journal = Journal(journal_folder(tmp_path / "a.mp4"), IDENTITY, warn=warnings.append)
    journal.start()
    yield journal
    journal.leave([])


def frames_kept(journal):
    return [int(path.stem) for path in reversed(checkpoint_files(journal.folder))]


def test_it_is_hidden_beside_the_output(tmp_path, journal):
    assert [path.name for path in tmp_path.iterdir()] == [".a.mp4.journal"]
    journal.remove()
    assert list(tmp_path.iterdir()) == []


def test_the_last_three_checkpoints_are_kept_until_the_source_is_complete(tmp_path, journal):
    for frames in range(240, 1440, 240):
        journal.commit(Checkpoint("a", frames), {"frames": frames})
    assert frames_kept(journal) == [720, 960, 1200]
    assert read_job(journal.folder).counted is None
    with pytest.raises(ConfigError, match=r"a\.mp4: an interrupted run left it unfinished; --resume continues"):
        check_unfinished(journal.folder, tmp_path / "a.mp4")
    (tmp_path / "a.mp4").touch()
    journal.finish({"frames": 1300}, [tmp_path / "a.mp4"])
    assert frames_kept(journal) == []
    noted = read_job(journal.folder)
    assert (noted.counted, noted.has_published(tmp_path / "a.mp4")) == ({"frames": 1300}, True)
    (tmp_path / "a.mp4").write_text("of another run")
    assert not noted.has_published(tmp_path / "a.mp4")


def test_another_run_at_the_same_time_is_refused(journal):
    again = Journal(journal.folder, IDENTITY)
    for attempt in (again.start, lambda: check_free(journal.folder)):
        with pytest.raises(ConfigError, match="another run of this job is in progress"):
            attempt()
    journal.leave([])
    check_free(journal.folder)
    again.start()
    again.leave([])


@pytest.mark.parametrize("odd", ["a file", "a name that is too long"])
def test_an_odd_folder_stops_nothing(tmp_path, warnings, odd):
    folder = journal_folder(tmp_path / "a.mp4")
    if odd == "a file":
        folder.touch()
    else:
        folder = tmp_path / ("x" * 300)
    journal = Journal(folder, IDENTITY, warn=warnings.append)
    journal.start()
    journal.start()
    journal.commit(Checkpoint("a", 240), {})
    journal.finish({}, [])
    assert not journal.has_checkpoints
    journal.leave([])
    journal.remove()
    assert ["--resume may have to start earlier" in warning for warning in warnings] == [True]


def test_another_job_starts_with_an_empty_folder_and_the_same_one_continues(journal):
    journal.commit(Checkpoint("a", 240), {})
    assert journal.leave([])
    for before, expected in ((read_job(journal.folder), [240]), (None, [])):
        again = Journal(journal.folder, IDENTITY, before)
        again.start()
        assert frames_kept(journal) == expected
        again.leave([])


def test_on_a_full_disk_the_latest_checkpoint_stays_and_the_others_make_room(tmp_path, journal, monkeypatch):
    (tmp_path / "a.mp4").touch()
    for frames in (240, 480, 720):
        journal.commit(Checkpoint("a", frames), {"frames": frames})

    def write(target, data):
        if len(frames_kept(journal)) > 1:
            raise SinkError(f"{target}: cannot be written: No space left on device")
        write_at_once(target, data)

    monkeypatch.setattr("streamdet.jobs.resume.journal.write_at_once", write)
    assert journal.leave([tmp_path / "a.mp4"])
    assert frames_kept(journal) == [720]
    assert read_job(journal.folder).has_published(tmp_path / "a.mp4")


def test_differences_are_named(tmp_path):
    now = {**IDENTITY, "settings": {"detect": {"conf": 0.5, "iou": 0.6}}, "source": {}}
    check_same(tmp_path, IDENTITY, IDENTITY)
    with pytest.raises(ConfigError) as caught:
        check_same(tmp_path, IDENTITY, now)
    assert str(caught.value).splitlines() == [
        "--resume: the run that was interrupted had settings.detect.conf 0.25, this one has 0.5",
        '--resume: the run that was interrupted had source.sha256 "1", this one has null',
        f"expected the same job as in {tmp_path}; --overwrite starts again",
    ]


def test_a_folder_that_is_gone_is_said_once_and_stops_nothing(journal, warnings):
    shutil.rmtree(journal.folder)
    for frames in (240, 480):
        journal.commit(Checkpoint("a", frames), {})
    journal.finish({}, [])
    assert ["--resume may have to start earlier" in warning for warning in warnings] == [True]
    assert not journal.has_checkpoints


def test_job_of_another_format(journal):
    path = journal.folder / "job.json"
    noted = json.loads(path.read_text())
    path.write_text(json.dumps({**noted, "format": 7}))
    with pytest.raises(ConfigError, match="has format 7, expected 2; --overwrite starts again"):
        read_job(journal.folder)
    path.write_text(json.dumps({**noted, "job": noted["job"].replace('"counted": null', '"counted": {}')}))
    with pytest.raises(ConfigError, match=r"job\.json: is damaged; --overwrite starts again"):
        read_job(journal.folder)
    path.unlink()
    assert read_job(journal.folder) is None


@pytest.mark.parametrize("checkpoints", [1, 3])
def test_a_disk_that_is_full_at_the_end_has_room_for_what_must_be_noted(
    tmp_path, journal, monkeypatch, warnings, checkpoints
):
    for number in range(1, checkpoints + 1):
        journal.commit(Checkpoint("a", 240 * number), {})
    (tmp_path / "a.mp4").write_bytes(bytes(1000))

    def used():
        return sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())

    room = used()

    def write_if_there_is_room(path, data):
        if used() + len(data) > room:
            raise SinkError(f"{path}: cannot be written: No space left on device")
        write_at_once(path, data)

    monkeypatch.setattr("streamdet.jobs.resume.journal.write_at_once", write_if_there_is_room)
    assert journal.leave([tmp_path / "a.mp4"])
    assert frames_kept(journal)[-1] == 240 * checkpoints
    assert read_job(journal.folder).has_published(tmp_path / "a.mp4")
    assert warnings == []
