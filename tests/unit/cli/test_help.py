"""--help: options in groups, every default, the classes of the model."""

import re

import pytest

from streamdet.cli import app, main
from streamdet.runtimes.loading import load_weights
from streamdet.stages.decode import DecodeSettings
from streamdet.stages.detect import DetectSettings
from streamdet.stages.encode import EncodeSettings


@pytest.fixture
def help_text(capsys):
    """What `streamdet COMMAND --help` prints, in one line."""

    def run(*command: str) -> str:
        assert main([*command, "--help"]) == 0
        return " ".join(capsys.readouterr().out.split())

    return run


def test_options_are_in_groups_in_the_order_of_their_declaration(capsys):
    assert main(["run", "--help"]) == 0
    groups = re.findall(r"^(\w.*):$", capsys.readouterr().out, re.MULTILINE)
    assert groups == [
        "Arguments",
        "Input",
        "Output",
        "Detection and tracking",
        "Execution",
        "Continue",
        "Job file",
        "Many files",
        "Messages and help",
    ]


def test_options_without_a_group_come_first(capsys):
    assert main(["demo", "--help"]) == 0
    options, _, messages = capsys.readouterr().out.partition("Messages and help:")
    assert "Options:\n  --seconds" in options
    assert "--help" in messages


def test_defaults_of_a_run_are_those_of_a_job(help_text):
    text, detect = help_text("run"), DetectSettings()
    for option, default in (
        ("--conf 0..1", detect.conf),
        ("--iou 0..1", detect.iou),
        ("--max-det N", detect.max_detections),
        ("--max-staleness S", DecodeSettings().max_staleness_s),
        ("--codec h264|hevc|av1", EncodeSettings().codec),
    ):
        assert re.search(rf"{re.escape(option)} [^-]*Default: {default}\.", text), option


def test_classes_are_named(help_text):
    *first, last = load_weights("street").config.classes
    assert f"{', '.join(first)} and {last}" in help_text("run")


@pytest.mark.parametrize(
    "name", sorted(command.name or command.callback.__name__ for command in app.registered_commands)
)
def test_commands_have_a_sentence_that_is_not_cut(help_text, name):
    [line] = re.findall(rf" {name} ([A-Z][^.]*\.) ", help_text() + " ")
    assert "..." not in line
