import errno

import pytest
import torch

from streamdet.errors import CheckpointError, ConfigError, SinkError
from streamdet.training.config import TrainingConfig
from streamdet.training.saved_run import read_run, saved_run, write_run

CPU = torch.device("cpu")
CONFIG = TrainingConfig.model_validate(
    {
        "model": {"name": "tiny", "classes": ["person"]},
        "sets": [{"name": "clips", "path": "unused"}],
        "phases": [
            {"name": "only", "steps": 4, "frames": 1, "lanes": 2, "canvases": [[64, 96]], "learning_rate": 1e-3}
        ],
    }
)


def _state():
    return {"config": CONFIG.model_dump_json(), "progress": [0, 2], "detector": {"w": torch.ones(3)}}


def test_what_was_written_is_read(tmp_path):
    write_run(tmp_path, _state())
    state = read_run(tmp_path, CONFIG, CPU)
    assert state["progress"] == [0, 2]
    assert torch.equal(state["detector"]["w"], torch.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == ["resume.pt"]


def test_values_that_a_newer_recipe_leaves_at_their_default_do_not_matter(tmp_path):
    """A run that was begun before a key existed goes on."""
    old = CONFIG.model_dump_json().replace('"validate_every":0,', "")
    assert old != CONFIG.model_dump_json()
    write_run(tmp_path, _state() | {"config": old})
    assert read_run(tmp_path, CONFIG, CPU)["progress"] == [0, 2]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and no more", b"text"])
def test_damaged_file_fails(tmp_path, content):
    saved_run(tmp_path).write_bytes(content)
    with pytest.raises(CheckpointError, match=r"resume\.pt is not a readable saved run"):
        read_run(tmp_path, CONFIG, CPU)


def test_file_that_was_cut_off_fails(tmp_path):
    write_run(tmp_path, _state())
    saved_run(tmp_path).write_bytes(saved_run(tmp_path).read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="not a readable saved run"):
        read_run(tmp_path, CONFIG, CPU)


def test_other_recipe_fails_and_is_named(tmp_path):
    write_run(tmp_path, _state())
    other = CONFIG.model_copy(update={"model": CONFIG.model.model_copy(update={"classes": ("person", "car")})})
    with pytest.raises(ConfigError, match=r"another recipe: model\.classes differ"):
        read_run(tmp_path, other, CPU)


def test_recipe_of_another_version_fails(tmp_path):
    write_run(tmp_path, _state() | {"config": '{"colour": 1}'})
    with pytest.raises(ConfigError, match="another version of streamdet"):
        read_run(tmp_path, CONFIG, CPU)


def test_full_disk_keeps_what_was_saved_before(tmp_path, monkeypatch):
    write_run(tmp_path, _state())

    def full(state, file):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(SinkError, match=r"the run cannot be saved: .*No space left on device"):
        write_run(tmp_path, _state() | {"progress": [0, 4]})
    assert read_run(tmp_path, CONFIG, CPU)["progress"] == [0, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["resume.pt"]
