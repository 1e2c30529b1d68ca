"""The stage around the counting: each stream for itself, saved and continued, in JSON Lines and in the picture."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest

from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint, StreamEnded, StreamGap
from streamdet.jobs.resume.checkpoints import read_checkpoint, write_checkpoint
from streamdet.result import Result
from streamdet.sinks.detection_files import open_detection_file
from streamdet.sinks.jsonl import RunHeader
from streamdet.stages.annotate import annotate
from streamdet.stages.entry import StageContext
from streamdet.stages.zones import STAGE, zones
from streamdet.zones.options import ZoneOptions

SETTINGS = {
    "areas": {"left half": {"polygon": [[0, 0], [0.5, 0], [0.5, 1], [0, 1]]}},
    "lines": {"middle": {"points": [[0.5, 0.0], [0.5, 1.0]]}},
    "heat_s": 60.0,
}
OPTIONS = ZoneOptions.model_validate_json(json.dumps(SETTINGS))
FRAMES = 24
assert STAGE.build is not None
build = STAGE.build


@pytest.fixture
def walk(make_result):
    """Results of a person who walks from the left to the right through the frame of 64 pixels."""

    def make(first=0, end=FRAMES, source="a", **more):
        rows = ([(2 * n, 10, 2 * n + 10, 40, 0.9, 0, 7)] for n in range(first, end))
        return [make_result(row, source=source, index=first + n, **more) for n, row in enumerate(rows)]

    return make


def events(items):
    return [
        (item.source, event.kind, event.zone)
        for item in items
        if isinstance(item, Result)
        for event in item.zones.events
    ]


def test_every_stream_is_counted_for_itself(run_stage, walk):
    items = [item for pair in zip(walk(), walk(source="b"), strict=True) for item in pair]
    told = events(run_stage(zones(OPTIONS), items))
    expected = [("appeared", "left half"), ("left", "left half"), ("line", "middle")]
    assert [(kind, zone) for source, kind, zone in told if source == "a"] == expected
    assert [(kind, zone) for source, kind, zone in told if source == "b"] == expected


def test_markers_pass_and_a_gap_starts_again(run_stage, walk, started):
    items = [started("a"), *walk(0, 10), StreamGap("a", 1, "reconnected"), *walk(0, 10), StreamEnded("a", 20)]
    out = run_stage(zones(OPTIONS), items)
    assert [type(item) for item in out] == [type(item) for item in items]
    assert [kind for _, kind, _ in events(out)] == ["appeared", "left", "appeared"]


@pytest.mark.parametrize("cut", [3, 12, 17])
def test_an_interrupted_run_counts_the_same(run_stage, walk, started, tmp_path, cut):
    whole = run_stage(zones(OPTIONS), walk())
    *before, checkpoint = run_stage(zones(OPTIONS), [*walk(0, cut), Checkpoint("a", cut, (64, 48), 0.0)])
    write_checkpoint(tmp_path / "saved", checkpoint, {})
    saved = read_checkpoint(tmp_path / "saved").checkpoint
    _, *after = run_stage(zones(OPTIONS), [replace(started("a"), continues=saved), *walk(cut)])
    assert events([*before, *after]) == events(whole)
    assert [dict(place.counts) for place in after[-1].zones.places] == [
        dict(place.counts) for place in whole[-1].zones.places
    ]
    np.testing.assert_array_equal(after[-1].zones.heat, whole[-1].zones.heat)


def test_json_lines_say_where_objects_are_and_what_happened(run_stage, walk, tmp_path):
    path, now = tmp_path / "a.jsonl", datetime(2026, 5, 4, 12, tzinfo=UTC)
    file = open_detection_file(path, "jsonl", RunHeader("0", "m", None, ("person",)), ["a"])
    for n, item in enumerate(run_stage(zones(OPTIONS), walk())):
        file.write(replace(item, frame=replace(item.frame, wall_time=now + timedelta(seconds=0.04 * n))))
    file.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    frames = [line for line in lines if line["type"] == "frame"]
    assert frames[8]["detections"][0]["zones"] == ["left half"]
    assert "zones" not in frames[-1]["detections"][0]
    appeared, left, line = [line for line in lines if line["type"] == "event"]
    assert appeared == {
        "type": "event",
        "source": "a",
        "kind": "appeared",
        "zone": "left half",
        "track": 7,
        "class": "person",
        "time_s": 0.0,
        "wall_time": "2026-05-04T12:00:00.000Z",
    }
    assert (left["kind"], left["seconds"] > 0.3, line["kind"], line["direction"]) == ("left", True, "line", "out")
    assert lines.index(left) > lines.index(frames[0])


def test_they_are_drawn_with_their_counts(run_stage, make_result):
    big = [make_result([], index=index, size=(320, 240)) for index in range(2)]
    plain = big[0].image.astype(int)
    drawn, _ = run_stage(annotate(), run_stage(zones(ZoneOptions.model_validate_json(json.dumps(SETTINGS))), big))
    changed = (np.abs(drawn.image.astype(int) - plain) > 12).any(axis=2)
    assert changed[120:230, 158:162].any(axis=1).all(), "the line, and the edge of the area"
    assert changed[100:230, :3].any(axis=1).all()
    assert not changed[180:220, 200:300].any()


def test_the_heat_map_is_drawn_where_somebody_was(run_stage, make_result):
    warm = ZoneOptions.model_validate_json('{"heat_s": 60}')
    items = [make_result([(100, 50, 140, 120, 0.9, 0, 7)], index=index, size=(320, 240)) for index in range(5)]
    image = run_stage(annotate(), run_stage(zones(warm), items))[-1].image.astype(int)
    assert image[121, 120, 0] - image[121, 120, 2] > 60
    assert np.ptp(image[200, 300]) < 5


def test_a_class_that_the_model_does_not_know_is_refused():
    wrong = ZoneOptions.model_validate_json('{"lines": {"a": {"points": [[0, 0], [1, 1]], "classes": ["dog"]}}}')
    context = StageContext(SimpleNamespace(spec=SimpleNamespace(classes=("person",))), 0.3, ["a"])
    with pytest.raises(ConfigError, match="unknown class dog"):
        build(wrong, context)


def test_a_stream_that_there_is_not_is_told(caplog):
    wrong = ZoneOptions.model_validate_json('{"lines": {"a": {"points": [[0, 0], [1, 1]], "streams": ["yrd"]}}}')
    context = StageContext(SimpleNamespace(spec=SimpleNamespace(classes=("person",))), 0.3, ["yard"])
    build(wrong, context)
    assert "zones: a is for the stream yrd, which is not there; there are yard" in caplog.text
