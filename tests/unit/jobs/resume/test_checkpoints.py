"""Checkpoint files: what is read is what was written, and what is damaged is found."""

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint
from streamdet.jobs.resume.checkpoints import FORMAT, read_checkpoint, write_checkpoint
from streamdet.stages.detect import DetectState
from streamdet.stages.encode import EncodeState
from streamdet.stages.track import TrackState


@pytest.fixture
def checkpoint():
    rng = np.random.default_rng(0)
    thumbnail = rng.integers(0, 9, (2, 3), "u1")
    hidden = rng.normal(size=(1, 4, 3, 5)).astype(np.float32)
    track = {"next_id": np.asarray(7), "time_s": np.asarray(np.nan), "mean": np.zeros((0, 4, 2))}
    sections = {
        "detect": DetectState([64, 48], 0.1 + 0.2, thumbnail, {"hidden.0": hidden}),
        "track": TrackState(track),
        "encode": EncodeState({"packets": 3, "mark": {"length": 7}}),
    }
    return Checkpoint("a b/ü", 480, (64, 48), 0.1 + 0.2, 0.04, sections=sections)


def assert_same(found, expected):
    if isinstance(expected, dict):
        assert set(found) == set(expected)
        for key, value in expected.items():
            assert_same(found[key], value)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected, strict=True)
    else:
        assert found == expected


def test_what_is_read_is_what_was_written(tmp_path, checkpoint):
    write_checkpoint(tmp_path / "c", checkpoint, {"model": "x"})
    saved = read_checkpoint(tmp_path / "c")
    assert saved.about == {"model": "x"}
    assert replace(saved.checkpoint, sections={}) == replace(checkpoint, sections={})
    assert list(saved.checkpoint.sections) == ["detect", "track", "encode"]
    for stage, section in checkpoint.sections.items():
        found = saved.checkpoint.sections[stage]
        assert type(found) is type(section)
        assert_same(vars(found), vars(section))
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_a_section_without_arrays_is_read(tmp_path):
    state = DetectState([64, 48], None, np.zeros((18, 32), np.uint8))
    write_checkpoint(tmp_path / "c", Checkpoint("a", 1, sections={"detect": state}), {})
    found: Any = read_checkpoint(tmp_path / "c").checkpoint.sections["detect"]
    assert (found.last_s, found.memory) == (None, {})


def test_a_section_of_a_stage_that_is_not_installed_fails(tmp_path):
    write_checkpoint(tmp_path / "c", Checkpoint("a", 1, sections={"acme": EncodeState({})}), {})
    with pytest.raises(ConfigError, match="unknown stage acme"):
        read_checkpoint(tmp_path / "c")


@pytest.mark.parametrize("seed", range(40))
def test_any_damage_is_found(tmp_path, checkpoint, seed):
    path, rng = tmp_path / "c", random.Random(seed)
    write_checkpoint(path, checkpoint, {})
    data = bytearray(path.read_bytes())
    place = rng.randrange(len(data))
    kind = rng.choice(["torn", "zeros", "changed", "longer"])
    if kind == "changed":
        data[place] ^= 1 << rng.randrange(8)
    elif kind == "longer":
        data += bytes(1 + rng.randrange(100))
    else:
        data[place:] = b"" if kind == "torn" else bytes([data[place] ^ 255, *bytes(len(data) - place - 1)])
    path.write_bytes(data)
    with pytest.raises(ConfigError, match="is damaged, or not a checkpoint of streamdet"):
        read_checkpoint(path)


def test_what_is_not_one_is_said(tmp_path, checkpoint, monkeypatch):
    with pytest.raises(ConfigError, match="none: cannot be read: No such file"):
        read_checkpoint(tmp_path / "none")
    monkeypatch.setattr("streamdet.jobs.resume.checkpoints.FORMAT", FORMAT + 1)
    write_checkpoint(tmp_path / "new", checkpoint, {})
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=f"has format {FORMAT + 1}, expected {FORMAT}"):
        read_checkpoint(tmp_path / "new")
