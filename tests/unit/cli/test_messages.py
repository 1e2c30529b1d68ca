"""What reaches standard error."""

import json
import logging
import warnings

import pytest

from streamdet.cli.messages import log, messages, says_json, start_messages
from streamdet.errors import ConfigError


def speak():
    log.debug("detail")
    log.info("news")
    log.warning("care")
    log.error("bad\nworse")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "news\nwarning: care\nerror: bad\nworse\n"),
        ({"quiet": True}, "warning: care\nerror: bad\nworse\n"),
        ({"verbose": True}, "detail\nnews\nwarning: care\nerror: bad\nworse\n"),
    ],
)
def test_text(capsys, options, said):
    with messages("text"):
        start_messages(**options)
        speak()
        assert not says_json()
    assert capsys.readouterr().err == said


def test_json_is_one_object_a_line(capsys):
    with messages("json"):
        assert says_json()
        log.info("frame %d", 7, extra={"fields": {"frames": 7}})
        log.error("a\nb")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["message"], first["frames"]) == ("info", "frame 7", 7)
    assert second["message"] == "a\nb"


@pytest.mark.parametrize("options", [{"log_format": "xml"}, {"verbose": True, "quiet": True}])
def test_options_fail(options):
    with messages("text"), pytest.raises(ConfigError):
        start_messages(**options)


def test_logging_is_as_before_afterwards():
    before = log.handlers[:], log.propagate, log.level
    with messages("json"):
        start_messages(verbose=True)
        assert log.level == logging.DEBUG
    assert (log.handlers[:], log.propagate, log.level) == before


def test_warnings_of_libraries_are_details(monkeypatch, capsys):
    monkeypatch.setattr("sys.warnoptions", [])
    with messages("text"):
        warnings.warn("of no interest to a user", stacklevel=1)
    assert capsys.readouterr().err == ""
