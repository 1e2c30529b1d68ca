"""The loop on a tiny model and tiny footage: it learns, and a killed run goes on exactly."""

import json
import math

import pytest
import torch

from streamdet.errors import ConfigError, PipelineError
from streamdet.models.recurrent.detector import RecurrentDetector
from streamdet.training import loop
from streamdet.training.config import TrainingConfig
from streamdet.training.loop import Trainer

RECIPE = {
    "model": {"name": "tiny", "classes": ["person", "car"], "channels": 16, "recurrent_channels": 8},
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


@pytest.fixture
def trainer(footages, monkeypatch):
    monkeypatch.setattr(loop, "BLOCK_STEPS", 2)
    config = TrainingConfig.model_validate(RECIPE)

    def make():
        torch.manual_seed(0)
        return Trainer(RecurrentDetector(config.model), config, footages, torch.device("cpu"))

    return make


class KilledError(Exception):
    pass


def test_killed_run_goes_on_exactly(trainer, tmp_path, monkeypatch):
    whole = trainer()
    (tmp_path / "whole").mkdir()
    whole.run(tmp_path / "whole", lambda *_: None)

    folder = tmp_path / "killed"
    folder.mkdir()
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
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, last.average.state_dict()[name]), name


def test_memory_is_fully_on_at_the_end_and_frozen_parts_stay(trainer, tmp_path):
    run = trainer()
    run.run(tmp_path, lambda *_: None)
    assert float(run.average.memory["16"].alpha) == 1.0
    before = trainer()
    before.progress.phase = 1
    neck = before.detector.neck.laterals[0].weight.clone()
    head = before.detector.head.score_convs[0].weight.clone()
    before.run(tmp_path, lambda *_: None)
    assert torch.equal(before.detector.neck.laterals[0].weight, neck)
    assert not torch.equal(before.detector.head.score_convs[0].weight, head)


def test_what_the_phase_began_with_comes_back_in_part(trainer, tmp_path):
    whole, mixed = trainer(), trainer()
    phase = whole.config.phases[0]
    whole.config = whole.config.model_copy(update={"phases": (phase,)})
    mixed.config = whole.config.model_copy(update={"phases": (phase.model_copy(update={"keep_initial": 0.25}),)})
    initial = whole.average.head.score_convs[0].weight.clone()
    whole.run(tmp_path, lambda *_: None)
    mixed.run(tmp_path, lambda *_: None)
    trained, kept = (t.average.head.score_convs[0].weight for t in (whole, mixed))
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


@pytest.mark.parametrize(("after", "saved"), [(3, (1, 0)), (6, (1, 2))])
def test_stopped_run_goes_on_exactly(trainer, tmp_path, after, saved):
    whole, stopped = trainer(), trainer()
    for folder in ("whole", "stopped"):
        (tmp_path / folder).mkdir()
    whole.run(tmp_path / "whole", lambda *_: None)
    steps = []

    def stop_after_step():
        steps.append((stopped.progress.phase, stopped.progress.step))
        if len(steps) == after:
            stopped.stop()

    stopped.run(tmp_path / "stopped", lambda *_: None, on_step=stop_after_step)
    assert len(steps) == after + 1  # one more step says it to the other processes
    assert (stopped.saved.phase, stopped.saved.step) == saved
    last = trainer()
    last.resume(tmp_path / "stopped")
    last.run(tmp_path / "stopped", lambda *_: None)
    for name, value in whole.average.state_dict().items():
        assert torch.equal(value, last.average.state_dict()[name]), name


def test_every_step_is_reported_once(trainer, tmp_path, monkeypatch):
    """Phases of 4 steps in blocks of 2: a report at each block's end, of the steps since the last."""
    run = trainer()
    reported, blocks = [], []
    run.run(
        tmp_path,
        lambda progress, figures: reported.append((progress.phase, progress.step, figures)),
        on_block=lambda: blocks.append((run.progress.phase, run.progress.step)),
    )
    assert [row[:2] for row in reported] == [(0, 2), (0, 4), (1, 2), (1, 4)]
    assert blocks == [(0, 2), (1, 0), (1, 2), (2, 0)]
    names = {"loss", "score", "box", "distance", "gradient_norm", "alpha", "learning_rate", "skipped_steps"}
    assert [set(figures) - names for *_, figures in reported] == [set(), set(), {"recall"}, {"recall"}]
    assert all(names <= set(figures) for *_, figures in reported)
    assert reported[-1][2]["alpha"] == 1.0


def test_bfloat16_trains_and_keeps_the_memory_in_float32(trainer, tmp_path):
    whole, half = trainer(), trainer()
    half.config = whole.config.model_copy(update={"precision": "bf16"})
    losses = {}
    for name, run in (("fp32", whole), ("bf16", half)):
        (tmp_path / name).mkdir()
        run.run(tmp_path / name, lambda _, figures, name=name: losses.setdefault(name, []).append(figures["loss"]))
    assert losses["bf16"] == pytest.approx(losses["fp32"], rel=0.05)
    assert losses["bf16"] != losses["fp32"]
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


def test_a_few_hundred_steps_learn_the_block(footages, tmp_path):
    """The loss of a model that starts from nothing falls by a quarter and more."""
    easy = {"occluders": 0.0, "spells": 0.0}
    recipe = RECIPE | {
        "phases": [
            RECIPE["phases"][0]
            | {"steps": 80, "lanes": 6, "learning_rate": 5e-3, "batch_norm": "train", "augment": easy}
        ]
    }
    config = TrainingConfig.model_validate(recipe)
    torch.manual_seed(0)
    losses = []
    trainer = Trainer(RecurrentDetector(config.model), config, footages, torch.device("cpu"))
    trainer.run(tmp_path, lambda _, figures: losses.append(figures["loss"]))
    assert losses[-1] < losses[0] * 0.75
