"""The notebooks of docs/notebooks run as they stand there, cell by cell, and what their cells end with can be shown."""

import ast
import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def code_cells(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert all(cell["outputs"] == [] for cell in book["cells"] if cell["cell_type"] == "code")
    return ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]


def run_cell(code, names):
    """Run a cell; gives the value of its last expression, as a notebook shows it."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["first_steps", "frames_and_state", "tables"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path, here):
    cells = code_cells(path)
    if any("to_df" in cell for cell in cells) and importlib.util.find_spec("pandas") is None:
        pytest.skip("needs pandas")
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = [value for cell in cells if (value := run_cell(cell, names)) is not None]
    pictures = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert any(html.startswith("<figure") and "data:image/jpeg;base64," in html for html in pictures)
    if path.stem == "first_steps":
        assert pictures[-1].startswith("<video")
        held = names["explained"].moments[11].detections
        assert len(held) > 1
        assert (held.support >= 0.99).all()
        assert sum(html.startswith("<iframe") and "data:image/jpeg;base64," in html for html in pictures) == 1
        assert (here / "last.png").stat().st_size > 10_000
