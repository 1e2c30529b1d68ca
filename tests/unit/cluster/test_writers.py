"""A file that two machines see is written by one of them: the one that has taken it last."""

import pytest

from streamdet.cluster.cameras import writers as module
from streamdet.cluster.cameras.writers import LOOK_EVERY_S, Writer, mark_of_writer
from streamdet.errors import SinkError


@pytest.fixture
def waited(monkeypatch):
    """How long writers have waited; time stands still meanwhile. `waited.now` is the clock of their looks."""

    class Waited(list):
        now = 100.0

    found = Waited()
    monkeypatch.setattr(module, "sleep", found.append)
    monkeypatch.setattr(module, "monotonic", lambda: found.now)
    return found


@pytest.fixture
def make_writer():
    """A writer, and the files that it has lost."""

    def make():
        lost = []
        return Writer(lost.append), lost

    return make


def test_a_writer_that_was_not_told_notices_before_the_one_after_it_writes(tmp_path, waited, make_writer):
    path = tmp_path / "out/gate.jsonl"
    (first, lost), (second, second_lost) = make_writer(), make_writer()
    first.take([path])
    assert waited == []
    waited.now += LOOK_EVERY_S
    first.check(path)
    assert lost == []
    second.take([path])
    [wait_s] = waited
    assert wait_s > LOOK_EVERY_S
    waited.now += LOOK_EVERY_S
    for writer in (first, second):
        writer.check(path)
    assert (lost, second_lost) == ([path], [])


def test_after_standing_still_a_writer_looks_before_it_writes(tmp_path, waited, make_writer):
    path = tmp_path / "gate.jsonl"
    (first, lost), (second, _) = make_writer(), make_writer()
    first.take([path])
    second.take([path])
    second.release([path])  # and it has ended, too
    waited.now += 3600.0
    first.check(path)
    assert lost == [path]


def test_what_was_released_is_taken_without_waiting(tmp_path, waited, make_writer):
    path = tmp_path / "gate.jsonl"
    (first, _), (second, lost) = make_writer(), make_writer()
    first.take([path])
    first.take([path])  # a driver that has started again asks for it once more
    first.release([path])
    assert not mark_of_writer(path).exists()
    second.take([path])
    first.release([path])  # it is no longer its own
    waited.now += LOOK_EVERY_S
    second.check(path)
    assert (waited, lost) == ([], [])


def test_other_targets_are_left_alone(tmp_path, waited, make_writer):
    writer, lost = make_writer()
    waited.now += 3600.0
    writer.check("mqtt://broker/topic")
    writer.check(tmp_path / "gate.jsonl")
    assert lost == []


def test_a_folder_that_cannot_be_written_is_an_error_that_names_the_file(tmp_path, waited, make_writer):
    (tmp_path / "out").touch()
    writer, _ = make_writer()
    with pytest.raises(SinkError, match=r"gate\.jsonl: cannot be written"):
        writer.take([tmp_path / "out/gate.jsonl"])
