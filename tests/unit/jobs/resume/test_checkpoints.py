"""Checkpoint files: what is read is what was written, and what is damaged is found."""

import random

import numpy as np
import pytest

from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint
from streamdet.jobs.resume.checkpoints import FORMAT, read_checkpoint, write_checkpoint


@pytest.fixture
def checkpoint():
    rng = np.random.default_rng(0)
    detect = {
        "hidden.0": rng.normal(size=(1, 4, 3, 5)).astype(np.float32),
        "thumbnail": rng.integers(0, 9, (2, 3), "u1"),
    }
    track = {"next_id": np.asarray(7), "time_s": np.asarray(np.nan), "mean": np.zeros((0, 4, 2))}
    return Checkpoint("a b/ü", 480, facts={"detect": {"last_s": 0.1 + 0.2}}, arrays={"detect": detect, "track": track})


def test_what_is_read_is_what_was_written(tmp_path, checkpoint):
    write_checkpoint(tmp_path / "c", checkpoint, {"model": "x"})
    saved = read_checkpoint(tmp_path / "c")
    found = saved.checkpoint
    assert (found.source, found.frames, found.facts, saved.about) == ("a b/ü", 480, checkpoint.facts, {"model": "x"})
    assert set(found.arrays) == {"detect", "track"}
    for stage, arrays in checkpoint.arrays.items():
        assert set(found.arrays[stage]) == set(arrays)
        for name, value in arrays.items():
            np.testing.assert_array_equal(found.arrays[stage][name], value, strict=True)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


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
    with pytest.raises(ConfigError, match="is torn, or no checkpoint of streamdet"):
        read_checkpoint(path)


def test_what_is_not_one_is_said(tmp_path, checkpoint, monkeypatch):
    with pytest.raises(ConfigError, match="none: cannot be read: No such file"):
        read_checkpoint(tmp_path / "none")
    monkeypatch.setattr("streamdet.jobs.resume.checkpoints.FORMAT", FORMAT + 1)
    write_checkpoint(tmp_path / "new", checkpoint, {})
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=f"has format {FORMAT + 1}, expected {FORMAT}"):
        read_checkpoint(tmp_path / "new")
