"""Attempts at one file: published once, whoever else tries, and whatever ends between two steps."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from streamdet.cluster import storage
from streamdet.cluster.attempt import Attempt, claimed
from streamdet.errors import SinkError


@pytest.fixture
def piece(plan_files):
    [piece] = plan_files("x/a").pieces
    Path(piece.claims).mkdir(parents=True)
    return piece


def _written(piece, text):
    """An attempt that has written its output."""
    attempt = Attempt(piece, Path("scratch"))
    [output] = attempt.job().outputs
    Path(output.target).write_text(text)
    return attempt


def _left():
    return sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*") if path.is_file())


def test_the_first_that_is_complete_is_the_result(piece):
    first, second = _written(piece, "first"), _written(piece, "second")
    assert first.publish({"source": "x/a", "by": 1})["by"] == 1
    assert second.publish({"source": "x/a", "by": 2})["by"] == 1
    assert Path("out/x/a.jsonl").read_text() == "first"
    assert claimed(piece)["by"] == 1
    assert _left() == [f".streamdet/claims/{piece.key}", "x/a.jsonl"]


def test_a_claim_without_its_moves_is_finished_by_whoever_finds_it(piece, monkeypatch):
    attempt = _written(piece, "first")
    with monkeypatch.context() as patch:
        patch.setattr(storage, "move", lambda source, target: exec("raise KeyboardInterrupt"))
        with pytest.raises(KeyboardInterrupt):
            attempt.publish({"source": "x/a", "by": 1})
    assert not Path("out/x/a.jsonl").exists()
    late = _written(piece, "late")
    assert late.publish({"source": "x/a", "by": 2})["by"] == 1
    assert Path("out/x/a.jsonl").read_text() == "first"


def test_an_orphan_of_a_job_that_is_over_publishes_nothing(piece):
    orphan = _written(piece, "orphan")
    _written(piece, "whole").publish({"source": "x/a"})
    storage.remove_tree("out/.streamdet")
    with pytest.raises(SinkError):
        orphan.publish({"source": "x/a"})
    assert Path("out/x/a.jsonl").read_text() == "whole"
    assert _left() == ["x/a.jsonl"]


def test_an_earlier_result_is_replaced_at_once(piece):
    attempt = _written(piece, "new")
    Path("out/x/a.jsonl").write_text("old")
    attempt.publish({"source": "x/a"})
    assert Path("out/x/a.jsonl").read_text() == "new"
    assert json.loads(storage.read(piece.claim))["row"] == {"source": "x/a"}


def test_only_an_attempt_of_the_same_run_is_continued(piece):
    first = replace(piece, claims=f"{piece.claims}/first")
    journal = Attempt(first, Path("scratch")).job().journal
    journal.mkdir()
    (journal / "000000000240.checkpoint").touch()
    assert Attempt(first, Path("scratch")).job().config.resume
    assert not Attempt(replace(piece, claims=f"{piece.claims}/second"), Path("scratch")).job().config.resume
