"""Labelled video in, the weights of an object memory out, and a run with them."""

import json

import pytest

from streamdet.cli import main

RECIPE = """
name: mine
sets:
  - {name: street, path: street.labels.json}
strides: [1, 2]
min_px: 2.0
fit: {epochs: 2, lanes: 4, steps: 10}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("memory")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["scene", "--seconds", "2", "--fps", "10", "--width", "320", "--height", "192", "-q"]) == 0
        (folder / "recipe.yaml").write_text(RECIPE)
        assert main(["train", "recipe.yaml", "--task", "object-memory", "-q"]) == 0
    return folder


def test_a_run_uses_the_weights(folder, monkeypatch):
    monkeypatch.chdir(folder)
    weights = "track.weights=runs/mine/mine.safetensors"
    for name, chosen in (("own", ["--set", weights]), ("packaged", [])):
        words = ["run", "street.mp4", "--no-video", "--detections", f"{name}.jsonl", "--conf", "0.05", "-q"]
        assert main([*words, *chosen]) == 0
    own, packaged = ((folder / f"{name}.jsonl").read_text().splitlines() for name in ("own", "packaged"))
    assert len(own) == len(packaged)
    assert own != packaged
    found = [row for line in own for row in json.loads(line).get("detections", ())]
    assert found
    assert all(0 <= row["support"] <= 1 for row in found)


def test_a_second_run_in_the_folder_is_continued_or_refused(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    words = ["train", "recipe.yaml", "--task", "object-memory"]
    assert main(words) == 2
    assert "already holds a run: --resume continues it" in capsys.readouterr().err
    assert main([*words, "--resume", "-q"]) == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "dog"], "--task: expected detector, object-memory or classify, got dog"),
        (["--task", "object-memory", "--set", "initialise=no.safetensors", "-o", "b"], "no.safetensors does not exist"),
    ],
)
def test_mistakes_are_named(folder, monkeypatch, capsys, words, message):
    monkeypatch.chdir(folder)
    assert main(["train", "recipe.yaml", *words]) == 2
    assert message in capsys.readouterr().err
