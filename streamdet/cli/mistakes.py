"""Mistakes in a command line, in one line each that says what was probably meant."""

import difflib
from pathlib import Path
from typing import Any

# Options of other detection tools, and what they are called here.
_ELSEWHERE = {
    "--source": "the source without an option in front: streamdet run SOURCE",
    "--weights": "--model",
    "--img": "--imgsz",
    "--img-size": "--imgsz",
    "--conf-thres": "--conf",
    "--iou-thres": "--iou",
    "--save-txt": "--detections NAME.txt",
    "--save-csv": "--csv NAME.csv",
    "--save-json": "--detections NAME.json",
    "--project": "--output",
    "--name": "--output",
    "--vid-stride": "--stride",
    "--view-img": "--show",
    "--half": "--precision fp16",
    "--exist-ok": "--overwrite",
}


def describe_mistake(error: Any) -> str:
    """One line for a mistake in a command line, with a pointer to the help.

    Args:
        error: what the command line library raised.
    """
    command = error.ctx.command_path if getattr(error, "ctx", None) else "streamdet"
    option = getattr(error, "option_name", None)
    text = error.format_message().rstrip(".")
    if option is not None and text.startswith("No such option"):
        text = _unknown_option(option, _options(error))
    elif command == "streamdet" and text.startswith("No such command"):
        text = _unknown_command(text)
    elif text.startswith("Got unexpected extra argument") and {"--output", "-o"} & set(_options(error)):
        text += "; did you mean -o NAME?"
    return f"{text} (see: {command} --help)"


def _unknown_option(option: str, known: list[str]) -> str:
    meant = _ELSEWHERE.get(option)
    if meant is None:
        # An abbreviation or a longer form of a known option is nearer than one that shares some letters.
        same_start = [name for name in known if option.startswith(name) or name.startswith(option)]
        near = [*same_start, *difflib.get_close_matches(option, known, n=2)]
        meant = " or ".join(list(dict.fromkeys(near))[:2])
    return f"unknown option {option}" + (f"; did you mean {meant}?" if meant else "")


def _options(error: Any) -> list[str]:
    parameters = error.ctx.command.params if getattr(error, "ctx", None) else []
    return [name for parameter in parameters for name in parameter.opts if name.startswith("--")]


def _unknown_command(text: str) -> str:
    """A source in the place of a command is what people type first."""
    word = text.removeprefix("No such command '").partition("'")[0]
    if "://" in word:
        return "expected a command before the source; did you mean: streamdet run SOURCE?"
    if Path(word).suffix or Path(word).exists():
        return f"expected a command before {word}; did you mean: streamdet run {word}?"
    return text
