import csv
import json

import numpy as np
import pytest
import torch

from streamdet.errors import ConfigError
from streamdet.models.classify.network import ClipClassifier, load_classifier
from streamdet.training.classify.fit import ClipFit
from streamdet.training.classify.judge import Validation


@pytest.fixture(scope="module")
def trained(squares, recipe, tmp_path_factory):
    """Train by a recipe; gives the fit and its folder."""

    def train(**keys):
        config = recipe(**keys)
        torch.manual_seed(0)
        fit = ClipFit(ClipClassifier(config.spec(squares.classes)), squares, config)
        folder = tmp_path_factory.mktemp("run")
        fit.run(folder, lambda row: None)
        return fit, folder

    return train


def test_memory_tells_what_no_single_frame_shows(trained, squares) -> None:
    fit, folder = trained()
    held_out = Validation(squares.val, 8)
    with_memory = held_out.judge(fit.model).accuracy
    shuffled = np.mean([held_out.judge(fit.model, shuffle=seed).accuracy for seed in range(5)])
    without = held_out.judge(trained(forgetful=True)[0].model).accuracy
    assert with_memory >= 0.95
    assert without == pytest.approx(0.5, abs=0.1)
    assert shuffled < 0.75

    model, _ = load_classifier(folder / "clips.safetensors")
    assert held_out.judge(model).accuracy == pytest.approx(fit.best)


def test_figures_of_every_epoch(trained) -> None:
    fit, folder = trained(epochs=3)
    rows = list(csv.DictReader((folder / "figures.csv").read_text().splitlines()))
    assert [float(row["val_accuracy"]) for row in rows] == [row["val_accuracy"] for row in fit.rows]
    written = json.loads((folder / "figures.json").read_text())
    assert np.sum(written["confusion"]) == 24
    assert [line.split(",")[0] for line in (folder / "confusion.csv").read_text().split()] == ["", "grows", "shrinks"]
    assert "shrinks" in (folder / "confusion.svg").read_text()
    assert (folder / "curves.svg").read_text().count("<polyline") == 4


class _Stopped(Exception):
    pass


@pytest.mark.parametrize("keys", [{}, {"freeze": False, "copies": 0, "carry": 0.5}], ids=["frozen", "whole"])
def test_a_stopped_run_continues_exactly(keys, squares, recipe, tmp_path) -> None:
    config = recipe(epochs=3, **keys)

    def start():
        torch.manual_seed(0)
        return ClipFit(ClipClassifier(config.spec(squares.classes)), squares, config)

    def stop(row):
        raise _Stopped

    whole = tmp_path / "whole"
    whole.mkdir()
    start().run(whole, lambda row: None)
    stopped = tmp_path / "stopped"
    stopped.mkdir()
    with pytest.raises(_Stopped):
        start().run(stopped, stop)
    fit = start()
    assert fit.resume(stopped)
    assert fit.epoch == 1
    fit.run(stopped, lambda row: None)
    for name in ("clips.safetensors", "figures.csv"):
        assert (stopped / name).read_bytes() == (whole / name).read_bytes()

    other = recipe(epochs=4, **keys)
    with pytest.raises(ConfigError, match="another recipe: epochs differ"):
        ClipFit(ClipClassifier(other.spec(squares.classes)), squares, other).resume(stopped)
