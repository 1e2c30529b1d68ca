"""A stage of one's own: one file and one entry, and a job has it with settings, saved state and --resume."""

import importlib
import json
import sys
from pathlib import Path

import pytest

from streamdet.errors import ConfigError
from streamdet.jobs.config import load_job
from streamdet.jobs.session import Session
from streamdet.result import Result
from streamdet.stages.entry import StageEntry
from streamdet.stages.registry import register, stage_names, unregister

STAGE = '''
"""number: gives every box the running number of its frame in place of a track id."""

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from streamdet.frames import StateSection
from streamdet.stages.entry import StageEntry
from streamdet.stages.per_stream import StreamWorker, per_stream
from streamdet.yaml_file import Section


class NumberSettings(Section):
    step: int = Field(default=1, ge=1)


@dataclass(frozen=True)
class NumberState(StateSection):
    count: np.ndarray


class Numbers(StreamWorker[NumberState]):
    def __init__(self, step):
        self.step, self.count = step, 0

    def process(self, result):
        self.count += self.step
        numbers = np.full(len(result.detections), self.count)
        return result.with_detections(result.detections.with_track_ids(numbers))

    def snapshot(self):
        return NumberState(np.array(self.count))

    def restore(self, section):
        self.count = int(section.count)


STAGE = StageEntry(
    "number",
    lambda settings, context: per_stream("number", lambda: Numbers(settings.step)),
    settings=NumberSettings,
    needs=frozenset({"detections"}),
    gives=frozenset({"track_ids"}),
    state=NumberState,
)
'''

STAGES = "stages=[decode, batch, detect, number, record]"
FRAMES = 400


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """Install the stage as a package does: a module, and an entry point in its metadata."""
    (tmp_path / "number_stage.py").write_text(STAGE)
    metadata = tmp_path / "number_stage-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: number-stage\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[streamdet.stages]\nnumber = number_stage:STAGE\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.invalidate_caches()
    yield metadata
    sys.modules.pop("number_stage", None)


def numbers(path):
    lines = map(json.loads, Path(path).read_text().splitlines())
    return [line["detections"][0]["track"] for line in lines if line["type"] == "frame"]


def test_it_runs_in_a_job_and_is_continued_after_an_interruption(plugin, make_clip, detector, plan_job):
    source = make_clip("a.mp4", FRAMES)
    settings = (STAGES, "number.step=3")
    assert not Session(plan_job([source], *settings, "record.path=whole.jsonl"), detector).wait().failures
    assert numbers("whole.jsonl") == [3 * n for n in range(1, FRAMES + 1)]

    session = Session(plan_job([source], *settings, "record.path=again.jsonl"), detector)

    def listen(event):
        if isinstance(event, Result) and event.index == FRAMES - 50:
            session.cancel()

    session.listen(listen)
    assert session.wait().resumable
    session = Session(plan_job([source], *settings, "record.path=again.jsonl", "resume=true"), detector)
    assert not session.wait().failures
    assert session.tally.sources["a"].resumed_frames == 240
    assert Path("again.jsonl").read_bytes() == Path("whole.jsonl").read_bytes()


def test_its_settings_are_checked_as_all_others(plugin):
    for setting, problem in (
        ("number.step=0", "number.step=0: expected at least 1, got 0"),
        ("number.stap=2", "unknown key; did you mean step?"),
        ("stages=[decode, batch, number, detect]", "expected decode, batch, detect"),
    ):
        with pytest.raises(ConfigError, match=problem):
            load_job(None, [setting])


def test_one_that_cannot_be_loaded_fails(plugin):
    (plugin / "entry_points.txt").write_text("[streamdet.stages]\nnumber = nowhere:STAGE\n")
    with pytest.raises(ConfigError, match="stage number: plug-in nowhere:STAGE cannot be loaded"):
        load_job()
    (plugin / "entry_points.txt").write_text("[streamdet.stages]\nother = number_stage:STAGE\n")
    with pytest.raises(ConfigError, match="stage other: plug-in number_stage:STAGE is not a StageEntry with this name"):
        load_job()


def test_a_program_adds_one_without_installing_it(plugin, detector, make_clip, plan_job):
    entry = importlib.import_module("number_stage").STAGE
    (plugin / "entry_points.txt").unlink()
    with pytest.raises(ConfigError, match="unknown stage number"):
        load_job(None, [STAGES])
    register(entry)
    try:
        assert stage_names()[-1] == "number"
        assert not Session(plan_job([make_clip(frames=3)], STAGES, "record.path=a.jsonl"), detector).wait().failures
        assert numbers("a.jsonl") == [1, 2, 3]
    finally:
        unregister("number")


def test_one_cannot_take_the_name_of_another():
    with pytest.raises(ValueError, match="detect is the name of a stage of streamdet"):
        register(StageEntry("detect", None))
