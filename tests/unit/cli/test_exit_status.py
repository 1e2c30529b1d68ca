"""Every way in which a command ends has its status and its words."""

import pytest
import typer

from streamdet.cli.exit_status import DONE, FAILED, INTERRUPTED, WRONG, guard
from streamdet.cli.messages import messages, start_messages
from streamdet.errors import CheckpointError, ConfigError, SinkError, SourceOpenError, StageError


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ConfigError("x: wrong"), WRONG, "error: x: wrong\n"),
        (CheckpointError("x: damaged"), WRONG, "error: x: damaged\n"),
        (SourceOpenError("x: empty"), FAILED, "error: x: empty\n"),
        (SinkError("x: full"), FAILED, "error: x: full\n"),
        (StageError("stage detect: x"), FAILED, "error: stage detect: x\n"),
        (typer.BadParameter("no number."), WRONG, "error: Invalid value: no number (see: streamdet --help)\n"),
        (KeyboardInterrupt(), INTERRUPTED, "error: interrupted\n"),
        (KeyError("x"), FAILED, "error: KeyError: 'x' (a bug in streamdet; -v shows where)\n"),
    ],
)
def test_status_and_message(capsys, error, status, said):
    def command():
        raise error

    with messages("text"):
        assert guard(command) == status
    assert capsys.readouterr().err == said


def test_success(capsys):
    with messages("text"):
        assert guard(lambda: DONE) == DONE
    assert capsys.readouterr().err == ""


def test_verbose_shows_where(capsys):
    def command():
        raise ConfigError("x: wrong")

    with messages("text"):
        start_messages(verbose=True)
        guard(command)
    assert "Traceback" in capsys.readouterr().err


def test_quoting_what_a_hostile_file_holds_does_not_fill_the_screen(capsys):
    def fail():
        raise ConfigError(f"labels.txt: line 1: expected numbers, got {'9' * 100_000}; see the readme")

    with messages("text"):
        assert guard(fail) == WRONG
    said = capsys.readouterr().err
    assert len(said) < 700
    assert said.startswith("error: labels.txt: line 1: expected numbers, got 999")
    assert said.endswith("99; see the readme\n")
