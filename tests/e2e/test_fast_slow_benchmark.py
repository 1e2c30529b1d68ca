"""The benchmark of full and light looks, run as its page says on a small set; and that its ways do what they say."""

import importlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from lively_detector import lively_detector

from streamdet.boxes import Letterbox
from streamdet.datasets.open_set import open_set
from streamdet.detections import Detections
from streamdet.evaluation.predict import predict
from streamdet.models.recurrent.checkpoint import save_checkpoint
from streamdet.models.recurrent.state import State

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RECIPE = """
model: {name: tiny, classes: [person, car, motorcycle, bus, truck], channels: 16, recurrent_channels: 8, image_size: 96}
data: .
sets:
  - {name: street, path: street.labels.json, hold_out: {street: [0, 12]}}
phases:
  - {name: per-frame, steps: 10, frames: 1, lanes: 2, canvases: [[64, 96]], learning_rate: 1e-3}
"""


@pytest.fixture(scope="module")
def benchmark():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("fast_slow")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "lively.safetensors"
    save_checkpoint(path, lively_detector(channels=16, recurrent_channels=8), {})
    return str(path)


@pytest.fixture
def street(streamdet, here):
    words = ("--seconds", "1.2", "--fps", "10", "--width", "160", "--height", "96")
    assert streamdet("scene", "-o", "street.mp4", *words).status == 0
    return open_set(here / "street.labels.json").videos[0]


def test_it_writes_figures_a_table_and_curves(benchmark, street, here, model, capfd):
    (here / "recipe.yaml").write_text(RECIPE)
    words = ["--model", model, "--sets", "street", "--max-frames", "3", "--rounds", "1", "--output", "out"]
    assert benchmark.main(["recipe.yaml", *words]) == 0
    result = json.loads((here / "out" / "fast_slow.json").read_text())
    assert list(result["sets"]) == ["street"]
    assert result["sets"]["street"]["320 every frame"]["cost"] == 1
    text = (here / "out" / "fast_slow.md").read_text()
    assert "| k = 2, light look, memory updated, at 192 |" in text
    assert text in capfd.readouterr().out
    assert (here / "out" / "fast_slow.png").stat().st_size > 0


def test_unknown_set_is_named(benchmark, street, here, model, capfd):
    (here / "recipe.yaml").write_text(RECIPE)
    assert benchmark.main(["recipe.yaml", "--model", model, "--sets", "moon"]) == 2
    assert "--sets: moon is none of street, scenes" in capfd.readouterr().err


def test_the_single_extractor_is_a_run(benchmark, street, model):
    bench = benchmark.Bench(model)
    found = bench.find(benchmark.Way(), street)
    run = predict(bench.detector, street, image_size=320, chunk_frames=1).detections
    for one, other in zip(found, run, strict=True):
        np.testing.assert_array_equal(one.boxes, other.boxes)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_only_an_updating_look_changes_what_full_looks_find(benchmark, street, model):
    bench = benchmark.Bench(model)

    def full_looks(between):
        way = benchmark.Way(every=3, between=between, light_size=0 if between == "hold" else 192)
        return [found.scores.tolist() for found in bench.find(way, street)[::3]]

    held = full_looks("hold")
    assert full_looks("read") == held
    assert full_looks("forget") == held
    assert full_looks("update") != held


def test_resized_memory_keeps_places(benchmark):
    looks = importlib.import_module("looks")
    full, light = (Letterbox.fit(640, 360, size) for size in (320, 192))
    # Where in the frame each cell of stride 8 lies; the two model images are filled up by different shares.
    y, x = torch.meshgrid(*((torch.arange(n) + 0.5) * 16 for n in (24, 40)), indexing="ij")
    places = torch.stack((x, y))[None]
    state = State((places,), (places,))
    small = looks.resized(state, full, light).cell[0]
    assert small.shape == (1, 2, 16, 24)
    y, x = torch.meshgrid(*((torch.arange(n) + 0.5) * 8 / 0.3 for n in (16, 24)), indexing="ij")
    torch.testing.assert_close(small[0, :, 1:13, 1:23], torch.stack((x, y))[:, 1:13, 1:23], rtol=0, atol=0.01)
    assert looks.resized(state, full, full) is state


def test_boxes_move_as_their_tracks(benchmark, street, model, monkeypatch):
    looks = importlib.import_module("looks")
    stream = looks.Stream(looks.Way(every=2, between="move"), benchmark.Bench(model).detector, street)

    def see(image, box, time_s):
        left = 40 * time_s
        return Detections.of([[left, 20, left + 30, 60], [5, 70, 15, 80]], [0.9, 0.03], [0, 0], ("person", "car"))

    monkeypatch.setattr(stream, "_see", see)
    found = [stream.look(None, number / 10) for number in range(12)]
    assert found[11].boxes[0, 0] == pytest.approx(44, abs=1)
    assert found[11].boxes[1].tolist() == [5, 70, 15, 80]
