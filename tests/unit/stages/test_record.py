"""Which detections go into which file, when files are finished, and what happens when one fails."""

import json
from contextlib import suppress
from dataclasses import replace

import pytest

from streamdet.errors import StageError
from streamdet.flow import Run, Stage
from streamdet.frames import StreamEnded, StreamStarted
from streamdet.sinks.jsonl import RunHeader
from streamdet.stages.outputs import OutputLog
from streamdet.stages.record import record

HEADER = RunHeader("0.1.0", "street", None, ("person", "car", "truck"))
ROW = (10, 20, 30, 40, 0.9, 0, 7)


@pytest.fixture
def items(make_result, started):
    frames = [make_result([ROW], source=source, index=index) for index in range(3) for source in "ab"]
    return [started("a"), started("b"), *frames, StreamEnded("a", 3), StreamEnded("b", 3)]


def to_files(items, files):
    """The same items of streams whose detections go into these files."""
    return [
        replace(item, outputs={"record": files[item.source]})
        if isinstance(item, StreamStarted) and item.source in files
        else item
        for item in items
    ]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def summary(path):
    return [(line["type"], line.get("source")) for line in lines(path)]


@pytest.mark.parametrize("mode", ["inline", "threaded"])
def test_every_stream_has_its_file_and_everything_passes(run_stage, tmp_path, items, mode):
    files, log = {"a": tmp_path / "a.jsonl", "b": tmp_path / "b.jsonl"}, OutputLog()
    items = to_files(items, files)
    assert run_stage(record("jsonl", HEADER, log), items, mode) == items
    assert log.failures == ()
    for source, path in files.items():
        assert summary(path) == [("run", None), *[("frame", source)] * 3, ("end", source)]
        assert lines(path)[0]["sources"] == [source]


def shared(path, log=None):
    return record("jsonl", HEADER, log or OutputLog(), str(path), ["a", "b"])


def test_streams_may_share_json_lines(run_stage, tmp_path, items):
    path = tmp_path / "all.jsonl"
    run_stage(shared(path), items)
    assert summary(path) == [("run", None), *[("frame", "a"), ("frame", "b")] * 3, ("end", "a"), ("end", "b")]
    assert lines(path)[0]["sources"] == ["a", "b"]


def test_a_shared_file_outlives_its_first_stream(run_stage, tmp_path, make_result, started):
    path = tmp_path / "all.jsonl"
    items = [x for s in "ab" for x in (started(s), make_result([ROW], source=s), StreamEnded(s, 1))]
    run_stage(shared(path), items)
    assert summary(path) == [("run", None), ("frame", "a"), ("end", "a"), ("frame", "b"), ("end", "b")]


@pytest.mark.parametrize(("form", "ending"), [("mot", "txt"), ("coco", "json")])
def test_other_formats_have_a_file_for_each_stream(run_stage, tmp_path, items, form, ending):
    files = {source: tmp_path / f"{source}.{ending}" for source in "ab"}
    run_stage(record(form, HEADER, OutputLog()), to_files(items, files))
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"a.{ending}", f"b.{ending}"]


def test_a_stream_without_a_file_passes(run_stage, tmp_path, items):
    items = to_files(items, {"b": tmp_path / "b.jsonl"})
    assert run_stage(record("jsonl", HEADER, OutputLog()), items) == items
    assert [path.name for path in tmp_path.iterdir()] == ["b.jsonl"]


def test_a_file_is_finished_as_soon_as_its_stream_has_ended(tmp_path, make_result, started):
    path = tmp_path / "a.json"
    first = started("a", record=path)
    items = [first, make_result([ROW]), StreamEnded("a", 1), started("b"), make_result(source="b")]
    stages = [record("coco", HEADER, OutputLog())]
    with Run([Stage("items", lambda inbox: iter(items))], stages, "inline") as run:
        for item in run:
            if isinstance(item, StreamEnded):
                break
        assert len(json.loads(path.read_text())) == 1


def test_a_source_that_never_began_has_no_file(run_stage, tmp_path):
    items = [StreamEnded("a", 0, error="a.mp4: no such file")]
    assert run_stage(record("jsonl", HEADER, OutputLog()), items) == items
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("first_fails", [True, False])
def test_a_source_that_never_began_is_named_in_a_shared_file(run_stage, tmp_path, make_result, started, first_fails):
    path = tmp_path / "all.jsonl"
    failed = [StreamEnded("a", 0, error="a.mp4: no such file")]
    good = [started("b"), make_result(source="b"), StreamEnded("b", 1)]
    items = failed + good if first_fails else good + failed
    run_stage(shared(path), items)
    ends = {line["source"]: line.get("error") for line in lines(path) if line["type"] == "end"}
    assert ends == {"a": "a.mp4: no such file", "b": None}


@pytest.mark.parametrize("mode", ["inline", "threaded"])
@pytest.mark.parametrize("how", ["stopped", "left", "failed"])
@pytest.mark.parametrize("form", ["coco", "jsonl"])
def test_an_interrupted_run_leaves_complete_files(tmp_path, make_result, started, mode, how, form):
    """Ctrl-C, a break in the consumer's loop, a stage before that breaks: the streams' ends never come."""
    path = tmp_path / f"a.{form}"

    def source(inbox):
        yield started("a", record=path)
        for index in range(3):
            yield make_result([ROW], index=index, dropped_before=index)
        if how == "failed":
            raise ZeroDivisionError

    with suppress(StageError), Run([Stage("source", source)], [record(form, HEADER, OutputLog())], mode) as run:
        for item in run:
            if how == "left" and getattr(item, "index", None) == 2:
                break
    if form == "coco":
        assert [row["image_id"] for row in json.loads(path.read_text())] == [1, 2, 3]
    else:
        assert [line["type"] for line in lines(path)] == ["run", "frame", "frame", "frame", "end"]
        assert lines(path)[-1] == {"type": "end", "source": "a", "frames": 3, "dropped": 3, "error": "interrupted"}
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_cannot_be_opened_is_that_stream_alone(run_stage, tmp_path, items, said):
    files, log = {"a": tmp_path / "nowhere" / "a.jsonl", "b": tmp_path / "b.jsonl"}, OutputLog()
    items = to_files(items, files)
    assert run_stage(record("jsonl", HEADER, log), items) == items
    [(source, message)] = said(log)
    assert source == "a"
    assert "a.jsonl" in message
    assert len(lines(files["b"])) == 5


def test_a_shared_file_that_fails_is_named_once(run_stage, items, said):
    log = OutputLog()
    assert run_stage(shared("/dev/full", log), items) == items
    assert said(log) == [("a", "/dev/full: cannot be written: No space left on device")]
