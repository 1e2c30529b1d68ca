"""docs/reference.md says what the code does."""

import importlib.util
import json
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from streamdet import stream
from streamdet.result import ZoneEvent, ZonePlace, ZoneReport
from streamdet.sinks.jsonl import event_line, frame_line

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def make_reference():
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_it_is_up_to_date(make_reference):
    written = (DOCS / "reference.md").read_text(encoding="utf-8")
    assert written == make_reference.reference(), "run python docs/make_reference.py"


def fields(line):
    """Names of the fields of an object, and of the objects in its lists."""
    for name, value in line.items():
        yield name
        for inner in value if isinstance(value, list) else ():
            if isinstance(inner, dict):
                yield from (f"{name}[].{each}" for each in inner)


SHAPES = {"detections[].mask", "detections[].keypoints"}


def test_fields_are_those_that_are_written(make_reference, streamdet, clips, tiny_model, here):
    command = ("run", clips / "walk.mp4", "--model", tiny_model, "--conf", "0.005", "--no-video")
    assert streamdet(*command, "--detections", "walk.jsonl", "--report", "walk.json").status == 0
    written = defaultdict(set)
    for line in map(json.loads, (here / "walk.jsonl").read_text().splitlines()):
        written[line["type"]] |= set(fields(line)) - {"type"}
    live_only = {"wall_time", "latency_s", "dropped_before"}
    stages_only = {"detections[].zones", "detections[].speed_mps", "clip_class"}
    assert written["run"] == set(make_reference.JSON_LINES["run"]) - {"keypoints", "skeleton"}
    assert written["frame"] == set(make_reference.JSON_LINES["frame"]) - live_only - stages_only - SHAPES
    assert written["end"] == set(make_reference.JSON_LINES["end"]) - {"error"}
    assert set(json.loads((here / "walk.json").read_text())) == set(make_reference.REPORT)


def test_fields_of_live_frames(make_reference, clips, tiny_model):
    result = next(stream(clips / "walk.mp4", tiny_model, conf=0.0))
    live = replace(result, frame=replace(result.frame, wall_time=datetime.now(UTC)), latency_s=0.1)
    stages_only = {"detections[].zones", "detections[].speed_mps", "clip_class"}
    written = set(fields(json.loads(frame_line(live)))) - {"type"}
    assert written == set(make_reference.JSON_LINES["frame"]) - stages_only - SHAPES


def test_fields_of_zones(make_reference, make_zones):
    result = make_zones()
    written = set(fields(json.loads(frame_line(result))))
    assert {"detections[].zones", "detections[].speed_mps"} <= written & set(make_reference.JSON_LINES["frame"])
    lines = [event_line(result, event) for event in result.zones.events]
    assert {name for line in lines for name in line} - {"type"} == set(make_reference.JSON_LINES["event"])


@pytest.fixture
def make_zones(clips, tiny_model):
    """A result with all that zones can say."""

    def make():
        result = next(stream(clips / "walk.mp4", tiny_model, conf=0.0))
        events = (
            ZoneEvent("line", "door", 0.0, 7, "person", direction="in", speed_mps=1.0, clip="yard/a.mp4"),
            ZoneEvent("left", "gate", 0.0, 7, "person", seconds=2.0),
            ZoneEvent("crowd", "gate", 0.0, count=3),
        )
        n = len(result.detections)
        found = result.detections.with_zones(np.ones((n, 1), bool), np.ones(n))
        frame = replace(result.frame, wall_time=datetime.now(UTC))
        gate = ZonePlace("gate", False, ((0, 0), (1, 0), (1, 1)), {})
        return replace(result, frame=frame, detections=found, zones=ZoneReport((gate,), events))

    return make
