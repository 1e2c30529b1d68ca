import cv2
import numpy as np
import pytest

from streamdet.errors import SinkError
from streamdet.training.config import PhaseConfig
from streamdet.training.curves import draw_curves

PHASE = PhaseConfig.model_validate(
    {"name": "only", "steps": 30, "frames": 1, "lanes": 1, "canvases": [[64, 64]], "learning_rate": 0.1}
)
ROWS = [
    {"step": 10, "loss": 2.0, "score": 1.0, "box": 0.7, "distance": 0.3, "gradient_norm": 4.0, "alpha": 0.0},
    {"step": 20, "loss": 1.0, "score": 0.4, "box": 0.4, "distance": 0.2, "gradient_norm": 2.0, "alpha": 0.5},
    {"step": 20, "skipped_steps": 10},  # no step of these ten had a finite loss
    {"step": 20, "ap50": {"yard": {"carry": 0.3, "reset": 0.2}, "none of it": {"carry": None}}},
    {"step": 30, "ap50": {"yard": {"carry": 0.6, "reset": 0.5}}},
]


def _draw(path, rows):
    draw_curves(rows, lambda row: row["step"], (PHASE, PHASE.model_copy(update={"name": "other"})), path)
    return cv2.imread(str(path))


def test_every_panel_has_its_lines(tmp_path):
    full, empty = _draw(tmp_path / "full.png", ROWS), _draw(tmp_path / "empty.png", [])
    assert full.shape == empty.shape == (800, 1100, 3)
    coloured = (np.ptp(full.astype(int), axis=2) > 60).reshape(2, 400, 2, 550).sum(axis=(1, 3))
    assert (coloured > 100).all()
    assert (np.ptp(empty.astype(int), axis=2) < 60).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty.png", "full.png"]


def test_file_that_cannot_be_written_fails(tmp_path):
    with pytest.raises(SinkError, match="curves cannot be written"):
        _draw(tmp_path / "missing" / "curves.png", ROWS)
