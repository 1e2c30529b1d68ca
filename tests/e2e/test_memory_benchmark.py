"""The benchmark of the memory, run as its docs say on a small set."""

import json

import memory
import pytest

RECIPE = """
model: {name: tiny, classes: [person, car, motorcycle, bus, truck], channels: 16, recurrent_channels: 8, image_size: 96}
data: nowhere
sets:
  - {name: street, path: street.labels.json, hold_out: {street: [6, 36]}}
phases:
  - {name: per-frame, steps: 10, frames: 1, lanes: 2, canvases: [[64, 96]], learning_rate: 1e-3}
"""


@pytest.fixture
def recipe(streamdet, here):
    (here / "data").mkdir()
    words = ("--seconds", "4", "--fps", "10", "--width", "160", "--height", "96")
    assert streamdet("scene", "-o", "data/street.mp4", *words).status == 0
    (here / "recipe.yaml").write_text(RECIPE)
    return "recipe.yaml"


def test_it_writes_figures_and_tables(recipe, here, tiny_model, tmp_path, capfd):
    other = tmp_path / "other.safetensors"
    other.write_bytes(tiny_model.read_bytes())
    words = ["--data", "data", "--model", str(tiny_model), "--per-frame", str(other), "--drift-frames", "100"]
    assert memory.main([recipe, *words, "--degrade", "drop,occlusion", "--output", "out"]) == 0
    result = json.loads((here / "out" / "memory.json").read_text())
    assert list(result["sets"]["street"]) == ["clean", "occlusion", "drop"]
    assert "other + tracker + smoother" in result["sets"]["street"]["clean"]["rows"]
    assert result["sets"]["street"]["clean"]["rows"]["carry"]["frames"] == 30
    assert (result["drift"]["frames"], len(result["drift"]["ap50_by_pass"])) == (120, 4)
    text = (here / "out" / "memory.md").read_text()
    for words in ("## In short", "| AP50, carry minus reset |", "## street, drop", "## A long stream", "95 %"):
        assert words in text
    assert text in capfd.readouterr().out


def test_it_can_be_tried_quickly(recipe, here, tiny_model):
    words = ["--data", "data", "--model", str(tiny_model), "--sets", "street", "--max-frames", "8"]
    assert memory.main([recipe, *words, "--degrade", "none", "--drift-frames", "0"]) == 0
    result = json.loads((here / "memory.json").read_text())
    assert list(result["sets"]["street"]) == ["clean"]
    assert (result["sets"]["street"]["clean"]["rows"]["reset"]["frames"], result["drift"]) == (8, None)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sets", "moon"], "--sets: moon is none of street, scenes"),
        (["--degrade", "rain"], "--degrade: expected some of occlusion, blur, noise, dark, drop, or none, got rain"),
        (["--per-frame", "street", "--per-frame", "x/street"], "two files have the same name"),
        (["--per-frame", "nothing"], "unknown model nothing"),
    ],
)
def test_mistake_is_named_and_writes_nothing(recipe, here, tiny_model, words, message, capfd):
    assert memory.main([recipe, "--data", "data", "--model", str(tiny_model), "--output", "out", *words]) == 2
    assert message in capfd.readouterr().err
    assert not (here / "out").exists()
