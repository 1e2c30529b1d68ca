"""The loop on a tiny model and tiny footage: it learns, and a killed run goes on exactly."""

import json
import math
from dataclasses import dataclass

import pytest
import torch

from streamdet.errors import ConfigError, PipelineError
from streamdet.models.recurrent.build import build_detector
from streamdet.training import loop
from streamdet.training.config import TrainingConfig
from streamdet.training.loop import Trainer

RECIPE = {
    "model": {"name": "tiny", "classes": ["person", "car"], "channels": 16, "recurrent_channels": 8},
    "initialise": None,
    "sets": [{"name": "clips", "path": "unused"}],
    "phases": [
        {"name": "per-frame", "steps": 4, "frames": 1, "lanes": 2, "canvases": [[64, 96]], "learning_rate": 1e-3},
        {
            "name": "temporal",
            "steps": 4,
            "frames": 3,
            "lanes": 2,
            "streaming_lanes": 1,
            "canvases": [[64, 96], [64, 64]],
            "learning_rate": 1e-3,
            "backbone_rate": 0.0,
            "alpha": [0.0, 1.0],
            "recall": 1.0,
        },
    ],
}


@pytest.fixture(scope="module")
def trainer(footages):
    config = TrainingConfig.model_validate(RECIPE)

    def make():
        torch.manual_seed(0)
        return Trainer(build_detector(config.model), config, footages, torch.device("cpu"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "BLOCK_STEPS", 2)
        yield make


@dataclass
class Undisturbed:
    """A run from start to end: its weights, what was reported, (phase, step) at the end of each block."""

    weights: dict[str, torch.Tensor]
    reported: list[tuple[int, int, dict[str, float]]]
    blocks: list[tuple[int, int]]


@pytest.fixture(scope="module")
def whole(trainer, tmp_path_factory):
    run, result = trainer(), Undisturbed({}, [], [])
    run.run(
        tmp_path_factory.mktemp("whole"),
        lambda progress, figures: result.reported.append((progress.phase, progress.step, figures)),
        on_block=lambda: result.blocks.append((run.progress.phase, run.progress.step)),
    )
    result.weights = run.average.state_dict()
    return result


def assert_same_weights(run, whole):
    for name, value in whole.weights.items():
        assert torch.equal(value, run.average.state_dict()[name]), name


class KilledError(Exception):
    pass


def test_killed_run_goes_on_exactly(trainer, whole, tmp_path, monkeypatch):
    folder = tmp_path
    for step in (1, 3, 6):  # inside a block, in another, in the second phase
        killed = trainer()
        killed.resume(folder)
        count = killed.progress.phase * 4 + killed.progress.step
        original = killed._update

        def update(phase, losses, original=original, limit=step, start=count, seen=[0]):  # noqa: B006
            if start + seen[0] == limit:
                raise KilledError
            seen[0] += 1
            return original(phase, losses)

        monkeypatch.setattr(killed, "_update", update)
        with pytest.raises(KilledError):
            killed.run(folder, lambda *_: None)
    last = trainer()
    assert last.resume(folder)
    last.run(folder, lambda *_: None)
    assert_same_weights(last, whole)


def test_memory_is_fully_on_at_the_end_and_frozen_parts_stay(trainer, whole, tmp_path):
    assert float(whole.weights["memory.16.alpha"]) == 1.0
    before = trainer()
    before.progress.phase = 1
    neck = before.detector.neck.laterals[0].weight.clone()
    head = before.detector.head.groups.weight.clone()
    before.run(tmp_path, lambda *_: None)
    assert torch.equal(before.detector.neck.laterals[0].weight, neck)
    assert not torch.equal(before.detector.head.groups.weight, head)


def test_what_the_phase_began_with_comes_back_in_part(trainer, tmp_path):
    whole, mixed = trainer(), trainer()
    phase = whole.config.phases[0]
    whole.config = whole.config.model_copy(update={"phases": (phase,)})
    mixed.config = whole.config.model_copy(update={"phases": (phase.model_copy(update={"keep_initial": 0.25}),)})
    initial = whole.average.head.groups.weight.clone()
    whole.run(tmp_path, lambda *_: None)
    mixed.run(tmp_path, lambda *_: None)
    trained, kept = (t.average.head.groups.weight for t in (whole, mixed))
    torch.testing.assert_close(kept, 0.75 * trained + 0.25 * initial)


def test_loss_that_is_not_finite_changes_nothing_and_is_counted(trainer):
    run = trainer()
    run._optimizer = run._make_optimizer(run.config.phases[0])
    weight = next(run.detector.head.parameters())
    before = weight.clone()
    assert run._update(run.config.phases[0], {"loss": (weight * float("nan")).sum()}) == {}
    assert run.skipped_steps == 1
    assert torch.equal(next(run.detector.head.parameters()), before)


def test_training_that_never_is_finite_stops_and_says_what_to_do(trainer, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "MAX_SKIPPED_STEPS", 3)
    run = trainer()
    for parameter in run.detector.head.parameters():
        parameter.data.fill_(math.nan)
    rows = []
    with pytest.raises(PipelineError, match=r"per-frame at step 2: .* 3 times in a row; lower learning_rate"):
        run.run(tmp_path, lambda _, figures: rows.append(figures))
    # What was saved after the first block is still there, and the figures of such steps are left out.
    assert trainer().resume(tmp_path)
    assert rows[0]["skipped_steps"] == 2
    assert "loss" not in rows[0]


@pytest.mark.parametrize(("after", "saved"), [(0, (0, 1)), (2, (0, 3)), (3, (1, 0)), (4, (1, 1)), (6, (1, 3))], ids=str)
def test_stopped_run_goes_on_exactly(trainer, whole, tmp_path, after, saved):
    stopped, steps = trainer(), []

    def stop_after_step():
        steps.append((stopped.progress.phase, stopped.progress.step))
        if len(steps) == after:
            stopped.stop()

    if after == 0:
        stopped.stop()
    stopped.run(tmp_path, lambda *_: None, on_step=stop_after_step)
    assert len(steps) == after + 1  # one more step says it to the other processes
    assert (stopped.saved.phase, stopped.saved.step) == saved
    last = trainer()
    last.resume(tmp_path)
    last.run(tmp_path, lambda *_: None)
    assert_same_weights(last, whole)


def test_every_step_is_reported_once(whole):
    """Phases of 4 steps in blocks of 2: a report at each block's end, of the steps since the last."""
    reported = whole.reported
    assert [row[:2] for row in reported] == [(0, 2), (0, 4), (1, 2), (1, 4)]
    assert whole.blocks == [(0, 2), (1, 0), (1, 2), (2, 0)]
    names = {"loss", "score", "box", "centred", "name", "gradient_norm", "alpha", "learning_rate", "skipped_steps"}
    assert [set(figures) - names for *_, figures in reported] == [set(), set(), {"recall"}, {"recall"}]
    assert all(names <= set(figures) for *_, figures in reported)
    assert reported[-1][2]["alpha"] == 1.0


def test_bfloat16_trains_and_keeps_the_memory_in_float32(trainer, whole, tmp_path):
    half, losses = trainer(), []
    half.config = half.config.model_copy(update={"precision": "bf16"})
    half.run(tmp_path, lambda _, figures: losses.append(figures["loss"]))
    exact = [figures["loss"] for *_, figures in whole.reported]
    assert losses == pytest.approx(exact, rel=0.05)
    assert losses != exact
    assert all(
        value.dtype == torch.float32 for value in half.average.state_dict().values() if value.is_floating_point()
    )
    assert half.skipped_steps == 0


def test_resume_fails_with_another_recipe(trainer, tmp_path):
    run = trainer()
    run.save(tmp_path)
    other = trainer()
    changed = json.loads(run.config.model_dump_json()) | {"seed": 9}
    changed["phases"][1]["learning_rate"] = 0.5
    other.config = TrainingConfig.model_validate(changed)
    with pytest.raises(ConfigError, match=r"another recipe: phases\.1\.learning_rate, seed differ"):
        other.resume(tmp_path)


def test_first_run_has_nothing_to_resume(trainer, tmp_path):
    assert not trainer().resume(tmp_path)


def test_some_steps_learn_the_block(footages, tmp_path):
    """The loss of a model that starts from nothing falls by a quarter and more."""
    easy = {"occluders": 0.0, "spells": 0.0}
    recipe = RECIPE | {
        "phases": [RECIPE["phases"][0] | {"steps": 60, "lanes": 4, "learning_rate": 5e-3, "augment": easy}]
    }
    config = TrainingConfig.model_validate(recipe)
    torch.manual_seed(0)
    losses = []
    trainer = Trainer(build_detector(config.model), config, footages, torch.device("cpu"))
    trainer.run(tmp_path, lambda _, figures: losses.append(figures["loss"]))
    assert losses[-1] < losses[0] * 0.75
