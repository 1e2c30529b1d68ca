"""A bar on a terminal, nothing in a pipe."""

import io
import sys
import time
from fractions import Fraction

import pytest

from streamdet.cli import progress
from streamdet.cli.messages import messages
from streamdet.cli.progress import expected_frames, make_progress
from streamdet.frames import StreamInfo


class Terminal(io.StringIO):
    def isatty(self):
        return True


def go_on(wanted, videos=2):
    with make_progress(wanted, videos) as shown:
        for name in ("a", "b[1]"):
            shown.begin(name, 3)
            for _ in range(3):
                shown.advance(name)
            shown.end(name)
        shown.end("never begun")


@pytest.mark.parametrize("wanted", [None, False])
def test_silent_in_a_pipe(capsys, wanted):
    with messages("text"):
        go_on(wanted)
    assert capsys.readouterr().err == ""


def test_a_long_command_in_a_pipe_shows_that_it_is_alive(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_UNASKED_EVERY_S", 0.0)
    with messages("text"):
        go_on(None)
    assert capsys.readouterr().err.splitlines()[-1].startswith("b[1]: 3 frames of 3, 0 s left, ")


def test_lines_in_a_pipe_where_asked_for(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    with messages("text"):
        go_on(True)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("a: 1 frames of 3, ")
    assert lines[-1].startswith("b[1]: 3 frames of 3, 0 s left, ")
    assert lines[-1].endswith(" fps")


def test_a_bar_on_a_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    go_on(None, videos=1)
    assert "3/3 frames" in sys.stderr.getvalue()


def test_figures_stay_whole_on_a_narrow_terminal(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "25")  # without it a dumb terminal counts as 80 wide
    with make_progress(None, 2) as shown:
        shown.begin("a-camera-with-a-name-of-some-length", 3000)
        shown.advance("a-camera-with-a-name-of-some-length")
    [shown_line] = [line for line in sys.stderr.getvalue().splitlines() if line]
    assert shown_line.startswith("a-camera-with")
    assert shown_line.endswith("1/3000 frames  - fps --:--")
    assert len(shown_line) <= 60


def test_training_counts_steps_from_where_it_was_resumed(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_LINE_EVERY_S", 0.0)
    with messages("text"), make_progress(True, 1, "steps") as shown:
        shown.begin("temporal", 200, 150)
        shown.advance("temporal")
    line = capsys.readouterr().err.splitlines()[0]
    assert line.startswith("temporal: 151 steps of 200, ")
    assert line.endswith(" steps/s")
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with make_progress(None, 1, "steps") as shown:
        shown.begin("temporal", 200, 150)
        shown.advance("temporal")
    assert "151/200 steps" in sys.stderr.getvalue()


def test_bars_of_many_videos_say_which(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with make_progress(None, 2) as shown:
        shown.end("could not be opened")
        shown.begin("a", 3)
        time.sleep(0.3)  # longer than until the bar is drawn anew
        shown.end("a")
    assert "a (2/2)" in sys.stderr.getvalue()


def test_no_bar_between_json_lines(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with messages("json"):
        go_on(None)
    assert sys.stderr.getvalue() == ""


def test_no_bar_where_none_is_wanted(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    go_on(False)
    assert sys.stderr.getvalue() == ""


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"frames": 7, "duration_s": 99.0, "average_rate": Fraction(25)}, 7),
        ({"duration_s": 2.0, "average_rate": Fraction(25)}, 50),
        ({"duration_s": 2.0}, None),
        ({}, None),
    ],
)
def test_expected_frames(known, expected):
    assert expected_frames(StreamInfo("x", 1, 1, Fraction(1, 25), **known)) == expected
