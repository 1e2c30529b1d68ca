"""Model files of foreign detectors give back what was saved, and refuse what is damaged."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from streamdet.errors import CheckpointError
from streamdet.models.foreign.config import ForeignConfig
from streamdet.models.safetensors_file import read_header
from streamdet.runtimes.foreign_file import load_foreign, new_foreign, save_foreign

CONFIG = ForeignConfig(
    name="ssd",
    detector="torchvision/ssdlite320_mobilenet_v3_large",
    classes=("person", "car"),
    recurrent_channels=8,
    levels=("1",),
    training_dt_s=0.04,
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model one of whose norms has another epsilon, as weights of torchvision have, and its file."""
    model = new_foreign(CONFIG, None, Path(), 3, print).eval()
    next(module for module in model.network.modules() if hasattr(module, "eps")).eps = 0.0
    model.set_alpha(0.7)
    path = tmp_path_factory.mktemp("saved") / "ssd.safetensors"
    return model, path, save_foreign(path, model, CONFIG, {"step": 7})


def test_a_file_gives_back_weights_memory_and_epsilons(saved):
    model, path, sha256 = saved
    loaded, config = load_foreign(path)
    assert (config, loaded.spec.sha256, loaded.spec.training_dt_s) == (CONFIG, sha256, 0.04)
    assert list(loaded.memory.levels) == ["1"]
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    epsilons = [[m.eps for m in each.network.modules() if hasattr(m, "eps")] for each in (model, loaded)]
    assert epsilons[0] == epsilons[1]
    assert 0.0 in epsilons[1]
    assert not loaded.training


def test_the_same_model_is_the_same_file(saved, tmp_path):
    model, _, sha256 = saved
    assert save_foreign(tmp_path / "again.safetensors", model, CONFIG, {"step": 7}) == sha256


@pytest.mark.parametrize(
    ("tensors", "header", "message"),
    [
        (
            {"memory.levels.1.alpha": None},
            {},
            r"does not hold the tensors of its model: memory\.levels\.1\.alpha differ",
        ),
        ({"more": torch.zeros(1)}, {}, r"does not hold the tensors of its model: more differ"),
        (
            {"memory.levels.1.project.weight": torch.zeros(3)},
            {},
            r"does not hold the tensors of its model: size mismatch",
        ),
        ({}, {"model": "{}"}, r"has a wrong description of its model: name: Field required"),
        ({}, {"eps": "[]"}, r"has a wrong description of its model"),
        (
            {},
            {"model": '{"name":"x","detector":"torchvision/none","classes":["a"]}'},
            r"unknown model torchvision/none",
        ),
    ],
)
def test_what_is_damaged_is_refused(saved, tmp_path, tensors, header, message):
    _, path, _ = saved
    changed = {name: x for name, x in (load_file(path) | tensors).items() if x is not None}
    save_file(changed, tmp_path / "x.safetensors", read_header(path) | header)
    with pytest.raises(CheckpointError, match=message):
        load_foreign(tmp_path / "x.safetensors")
