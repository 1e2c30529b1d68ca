import json

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from streamdet.errors import SinkError
from streamdet.training.config import PhaseConfig
from streamdet.training.figures import Figures
from streamdet.training.loop import Progress

PHASES = tuple(
    PhaseConfig.model_validate(
        {"name": name, "steps": steps, "frames": 1, "lanes": 1, "canvases": [[64, 64]], "learning_rate": 0.1}
    )
    for name, steps in (("first", 100), ("second", 60))
)


def _rows(folder):
    return [json.loads(line) for line in (folder / "figures.jsonl").read_text().splitlines()]


def _write(folder, *places, resumed_at=(0, 0)):
    with Figures(folder, PHASES, Progress(*resumed_at)) as figures:
        for phase, step in places:
            figures.add_training(Progress(phase, step), {"loss": phase + step / 100})
    return figures


def test_rows_say_phase_step_and_figures(tmp_path):
    figures = _write(tmp_path, (0, 10), (1, 20))
    assert _rows(tmp_path) == [
        {"phase": "first", "step": 10, "loss": 0.1},
        {"phase": "second", "step": 20, "loss": 1.2},
    ]
    assert [figures.total_steps(row) for row in figures.rows] == [10, 120]


def test_a_phase_ends_where_the_next_begins(tmp_path):
    with Figures(tmp_path, PHASES, Progress()) as figures:
        figures.add_judgement(Progress(1, 0), {"yard": {"carry": 0.123456, "reset": None}}, {"yard": {"car": 0.1}})
        figures.add_judgement(Progress(2, 0), {"yard": {"carry": 0.5}}, {})
        assert figures.judgement_at(Progress(1, 0)) == {"yard": {"carry": 0.12346, "reset": None}}
        assert figures.judgement_at(Progress(1, 50)) is None
    assert [(row["phase"], row["step"]) for row in _rows(tmp_path)] == [("first", 100), ("second", 60)]


def test_rows_after_the_point_of_resumption_go(tmp_path):
    _write(tmp_path, (0, 40), (0, 50), (0, 60))
    with (tmp_path / "figures.jsonl").open("a") as file:
        file.write('{"phase": "first", "st')  # the kill came here
    resumed = _write(tmp_path, (0, 60), resumed_at=(0, 50))
    assert [row["step"] for row in _rows(tmp_path)] == [40, 50, 60]
    assert [row["step"] for row in resumed.rows] == [40, 50, 60]


def test_run_from_the_start_begins_a_new_file(tmp_path):
    _write(tmp_path, (0, 40))
    _write(tmp_path, (0, 10))
    assert [row["step"] for row in _rows(tmp_path)] == [10]


def test_rows_of_a_finished_run_stay(tmp_path):
    _write(tmp_path, (0, 100), (1, 60))
    _write(tmp_path, resumed_at=(2, 0))
    assert [row["step"] for row in _rows(tmp_path)] == [100, 60]


def test_tensorboard_shows_each_step_once_after_a_resumption(tmp_path):
    _write(tmp_path, (0, 40), (0, 50), (0, 60))
    _write(tmp_path, (0, 60), (1, 10), resumed_at=(0, 50))
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert events.Tags()["scalars"] == ["train/loss"]
    assert [event.step for event in events.Scalars("train/loss")] == [40, 50, 60, 110]


def test_judgements_are_scalars_too(tmp_path):
    with Figures(tmp_path, PHASES, Progress()) as figures:
        figures.add_judgement(Progress(1, 0), {"yard": {"carry": 0.5, "reset": None}}, {"yard": {"car": 0.25}})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert sorted(events.Tags()["scalars"]) == ["ap50 by class/yard car", "ap50/yard carry"]
    assert [(event.step, event.value) for event in events.Scalars("ap50/yard carry")] == [(100, 0.5)]


def test_folder_that_cannot_be_written_to_fails(tmp_path):
    with pytest.raises(SinkError, match="figures cannot be written there"):
        Figures(tmp_path / "missing", PHASES, Progress())
