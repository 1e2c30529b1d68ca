"""A file of a camera whose runner ended without a word is continued behind its last whole line."""

import json
import os
from dataclasses import replace

import pytest

from streamdet.cluster.cameras.earlier import before_of, files_of
from streamdet.cluster.cameras.writers import mark_of_writer
from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint, Place
from streamdet.jobs.config import load_job
from streamdet.media.locations import SourceSpec
from streamdet.media.write.part_file import mark_of
from streamdet.stages.record import RecordState

SPEC = SourceSpec("rtsp://camera/a", "gate", "network")
PLACE = Place(1, 10, 5.0, 1000.0)
RUN = {"type": "run"}
END = {"type": "end", "frames": 3}


def frame(number, session=1):
    return {"type": "frame", "frame": number, "session": session}


@pytest.fixture
def before(tmp_path):
    """What a camera continues from, where its file holds these lines and then this."""
    config = load_job(None, ["stages=[decode, batch, detect, track, record]", f"record.path={tmp_path}/out/"])
    path = tmp_path / "out/gate.jsonl"
    path.parent.mkdir()

    def find(lines=None, torn="", place=PLACE, handed=None):
        if lines is not None:
            path.write_text("".join(f"{json.dumps(line)}\n" for line in lines) + torn)
        found = before_of(config, SPEC, place, handed(path) if handed else None)
        kept = None
        section = None if found is None else found.sections.get("record")
        if isinstance(section, RecordState):
            kept = [json.loads(line) for line in path.read_bytes()[: section.length].splitlines()]
        return found, kept

    return find


def test_a_new_camera_continues_nothing(before):
    assert before(place=None) == (None, None)


def test_a_camera_whose_file_is_on_another_machine_starts_one(before):
    found, kept = before()
    assert (found.place, found.sections, kept) == (PLACE, {}, None)


@pytest.mark.parametrize("torn", ["", '{"type": "fra'])
def test_a_torn_line_goes_and_numbers_continue_behind_the_file(before, torn):
    found, kept = before([RUN, frame(8), frame(14, 3)], torn)
    assert kept == [RUN, frame(8), frame(14, 3)]
    assert (found.place.index, found.place.session) == (14, 3)
    assert not found.place.exact


def test_what_was_reported_counts_where_the_file_has_less(before):
    found, _ = before([RUN, frame(8, 0)])
    assert (found.place.index, found.place.session) == (10, 1)


def test_the_end_that_a_stopped_runner_has_written_goes(before):
    _, kept = before([RUN, frame(8), END])
    assert kept == [RUN, frame(8)]


@pytest.mark.parametrize("lines", [[], [RUN], [RUN, END]])
def test_a_file_without_frames(before, lines):
    found, kept = before(lines)
    assert found.place == PLACE
    assert kept == [line for line in lines if line is not END]


def test_what_was_handed_over_is_exact(before):
    def handed(path):
        mark = mark_of(path, len(json.dumps(RUN)) + 1)
        place = replace(PLACE, exact=True)
        return Checkpoint("gate", 3, sections={"record": RecordState(mark.length, mark.tail_sha256)}, place=place)

    found, kept = before([RUN, frame(8)], handed=handed)
    assert found.place.exact
    assert kept == [RUN]


def test_another_file_of_that_name_is_continued_at_its_end_and_behind_a_gap(before):
    def handed(path):
        section = RecordState(5, "0" * 64)
        return Checkpoint("gate", 3, sections={"record": section}, place=replace(PLACE, exact=True))

    found, kept = before([RUN, frame(20)], handed=handed)
    assert not found.place.exact
    assert kept == [RUN, frame(20)]
    assert found.place.index == 20


def test_a_runner_that_ended_before_it_could_tell_has_left_its_mark(tmp_path):
    config = load_job(None, ["stages=[decode, batch, detect, track, record]", f"record.path={tmp_path}/out/"])
    path = tmp_path / "out/gate.jsonl"
    path.parent.mkdir()
    mark_of_writer(path).touch()
    assert files_of(config, SPEC, None) == ([path], None)
    mark_of_writer(path).unlink()
    path.write_text("".join(f"{json.dumps(line)}\n" for line in (RUN, frame(3, 0))))
    with pytest.raises(ConfigError, match="already exists"):
        files_of(config, SPEC, None)
    assert files_of(config, SPEC, PLACE) == ([path], PLACE)
    mark_of_writer(path).touch()
    os.utime(mark_of_writer(path), (1000, 1000))
    files, place = files_of(config, SPEC, None)
    found = before_of(config, SPEC, place, None)
    assert files == [path]
    assert (found.place.session, found.place.index) == (0, 3)
    assert (found.place.last_s, found.place.at) == (0.0, 1000.0)  # its time counts from when that runner took it
    assert found.sections["record"].length == path.stat().st_size
