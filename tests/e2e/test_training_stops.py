"""Training that is interrupted, killed, or shared among processes ends up where an undisturbed run does."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from streamdet.cli import main

REPOSITORY = Path(__file__).parents[2]
RECIPE = """
model: {name: tiny, classes: [person, car], channels: 8, recurrent_channels: 4, image_size: 64}
data: .
initialise: null
seed: 3
sets:
  - {name: street, path: street.labels.json, hold_out: {street: [12, 16]}}
phases:
  - {name: per-frame, steps: 60, frames: 1, lanes: 2, canvases: [[64, 64]], learning_rate: 1e-3}
  - {name: temporal, steps: 20, frames: 2, lanes: 2, streaming_lanes: 1, canvases: [[64, 64]], learning_rate: 1e-3,
     backbone_rate: 0, alpha: [0, 1]}
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other signals")


@pytest.fixture
def recipe(here):
    """A recipe and a labelled clip of the synthetic street."""
    assert main(["scene", "--seconds", "1.6", "--fps", "10", "--width", "96", "--height", "64", "-q"]) == 0
    (here / "recipe.yaml").write_text(RECIPE)
    return here / "recipe.yaml"


def rows(folder):
    path = folder / "figures.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def wait_for_step(process, folder, step):
    """Until as many steps of the first phase are written down."""
    while not any(row["step"] >= step for row in rows(folder)):
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)


def weights(folder):
    return load_file(folder / "tiny.safetensors")


def test_run_that_is_interrupted_and_killed_ends_as_if_nothing_had_been(start, here, recipe):
    run = here / "runs" / "tiny"
    process = start("train", "recipe.yaml", "--progress")
    wait_for_step(process, run, 10)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=120)
    assert process.returncode == 130, stderr
    assert "stopping" in stderr
    step = re.search(r"saved: per-frame step (\d+) of 60", stderr)
    assert step is not None
    assert int(step[1]) >= 10
    assert "continue with: streamdet train recipe.yaml --output runs/tiny --resume" in stderr
    assert "Traceback" not in stderr

    process = start("train", "recipe.yaml", "--resume", "--progress")
    wait_for_step(process, run, 60)
    process.kill()
    process.communicate()
    assert main(["train", "recipe.yaml", "--resume", "-q"]) == 0

    assert main(["train", "recipe.yaml", "-o", "undisturbed", "-q"]) == 0
    assert rows(run) == rows(here / "undisturbed")
    for name, value in weights(run).items():
        assert torch.equal(value, weights(here / "undisturbed")[name]), name


@pytest.mark.soak
def test_two_processes_train_what_one_does(here, recipe):
    """By torch's own launcher. The memory's start is that of a process, so there is none."""
    steady = RECIPE.replace("alpha: [0, 1]", "alpha: [1, 1]")
    recipe.write_text(steady.replace("steps: 60", "steps: 20"))
    assert main(["train", "recipe.yaml", "-o", "one", "-q"]) == 0
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    done = subprocess.run(
        [*launcher, "streamdet", "train", "recipe.yaml", "-o", "two"],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("wrote two/tiny.safetensors") == 2  # by one of them, after each phase
    pairs = list(zip(rows(here / "one"), rows(here / "two"), strict=True))
    assert len(pairs) == 6
    assert [(row["phase"], row["step"]) for row, _ in pairs] == [(row["phase"], row["step"]) for _, row in pairs]
    for name in ("loss", "box", "gradient_norm", "learning_rate"):
        assert [row.get(name, 0.0) for _, row in pairs] == pytest.approx(
            [row.get(name, 0.0) for row, _ in pairs], rel=1e-3
        )
    for name, value in weights(here / "one").items():
        torch.testing.assert_close(weights(here / "two")[name], value, rtol=1e-3, atol=1e-4)
