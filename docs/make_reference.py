"""Writes docs/reference.md from the code: options, keys of a job, fields of what is written, exit statuses, errors.

python docs/make_reference.py
"""

import inspect
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel

from streamdet import errors
from streamdet.cli import app, exit_status
from streamdet.cli.help import with_defaults
from streamdet.jobs.config import job_model

FOLDER = Path(__file__).parent
JOB = FOLDER.parent / "pipelines" / "annotate_file.yaml"

# type of a line: field: meaning
JSON_LINES = {
    "run": {
        "format": "version of this format, 1",
        "streamdet": "version of streamdet",
        "model": "name or path of the model",
        "model_sha256": "SHA-256 of its file; null where there is none",
        "classes": "class names of the model, in the order of `class_id`",
        "sources": "names of the sources",
        "keypoints": "names of the keypoints; of models that find some",
        "skeleton": "pairs of indices into `keypoints` that a line joins; of models that find some",
    },
    "frame": {
        "source": "name of the source",
        "session": "0; one more after each gap",
        "frame": "number of the frame in its source, from 0; frames that were skipped or dropped count, too",
        "pts": "presentation time in units of `time_base`",
        "time_base": "unit of `pts` in seconds, as a fraction",
        "time_s": "presentation time in seconds",
        "width": "width of the frame in pixels; boxes are in these pixels",
        "height": "height of the frame in pixels",
        "wall_time": "live sources: when the frame was captured, UTC",
        "latency_s": "live sources: seconds from capture to this line",
        "dropped_before": "live sources: frames that were dropped since the last line",
        "clip_class": "with the stage `classify`: `class`, its `probability`, and `probabilities` of all",
        "detections": "list of the objects in the frame",
        "detections[].box": "`[x1, y1, x2, y2]` in pixels, within the frame",
        "detections[].class": "class name",
        "detections[].class_id": "index into `classes`",
        "detections[].score": "0 to 1",
        "detections[].track": "track id: the same number for the same object in all frames; null: none yet",
        "detections[].support": "how much of it is due to earlier frames, 0 to 1; of detectors that say it",
        "detections[].mask": "with `--masks`, of models that give masks: `size`, `[height, width]` of the frame, and "
        "`counts`, COCO's run lengths as text",
        "detections[].keypoints": "`[[x, y, score], ...]` in pixels and 0 to 1; of models that find some",
        "detections[].zones": "with the stage `zones`: areas that the object is in; only where it is in one",
        "detections[].speed_mps": "with the stage `zones`: metres a second on the ground; only where it is known",
    },
    "event": {
        "source": "name of the source",
        "clip": "with the stage `clips`: the video that shows it, below the folder of the stage, once it is complete",
        "kind": "`entered`, `appeared` (inside at first sight), `left`, `line`, `dwell` or `crowd`",
        "zone": "name of the area or line",
        "track": "track id of the object; null of `crowd`",
        "class": "class name of the object",
        "time_s": "when it happened, presentation time in seconds; the line follows that of the frame which showed it",
        "wall_time": "live sources: the same, UTC",
        "direction": "of `line`: `in` (from left to right of the line) or `out`",
        "seconds": "of `left` and `dwell`: how long the object has been inside",
        "count": "of `crowd`: how many are inside",
        "speed_mps": "speed of the object in metres a second; only where it is known",
    },
    "gap": {
        "source": "name of the source",
        "session": "the session that starts here",
        "reason": "why there is a gap, such as `reconnected`, `stale`, `resumed` or `moved` (to another machine)",
        "lost_s": "length of the gap in seconds; null where it is unknown",
    },
    "end": {
        "source": "name of the source",
        "frames": "frames that were written",
        "dropped": "frames that were dropped",
        "error": "why the source failed; only where it did",
    },
}

REPORT = {
    "format": "version of this format, 1",
    "streamdet": "version of streamdet",
    "started": "start of the run, UTC",
    "exit_status": "exit status of the command",
    "frames": "frames of all sources",
    "wall_s": "duration of the run in seconds",
    "fps": "frames of this run by its duration",
    "latency_ms": "files: milliseconds from a decoded frame to its detections, `p50` and `p95`",
    "latency_s": "live sources: seconds from capture to output, `p50` and `p95`",
    "bound_by": "the stage that limits the speed",
    "stages": "for each stage: name, items in and out, seconds busy and waiting, `busy_share`",
    "channels": "for each channel between two stages: its size and how full it was",
    "dropped": "frames that were dropped on purpose",
    "drops": "the same by cause",
    "undecodable": "packets that could not be decoded",
    "model": "name, SHA-256, classes and runtime of the model",
    "sources": "for each source: name, location, frames, dropped frames, sessions, error, whether it ended",
    "outputs": "for each output: kind, source, path, bytes, SHA-256, error; of an address: what was sent and dropped",
    "failures": "what failed: `what`, `source`, `message`",
    "settings": "the settings of the job, without sources and credentials",
    "machine": "platform, Python, cores, peak memory in MB",
}


def reference() -> str:
    """The page as Markdown."""
    return (
        "\n".join(
            [
                "# Reference",
                "",
                "Written by `python docs/make_reference.py` from the code; do not edit.",
                "",
                *_commands(),
                *_job(),
                *_json_lines(),
                *_report(),
                *_exit_statuses(),
                *_errors(),
            ]
        ).rstrip()
        + "\n"
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"
    yield ""


def _cell(text: str) -> str:
    text = text.replace("|", "\\|")
    return text if text.startswith("`") else text.replace("<", "&lt;")


def _commands() -> Iterator[str]:
    group: Any = typer.main.get_command(app)
    yield from ("## Commands", "")
    for name, command in _leaves("", group.commands):
        context = command.make_context(name, [], resilient_parsing=True)
        yield from (f"### streamdet {name}", "", " ".join(inspect.cleandoc(command.help).split()), "")
        records = (
            (parameter.get_help_record(context), parameter)
            for parameter in command.get_params(context)
            if parameter.name != "help"
        )
        rows = (
            (
                f"`{parameter.metavar if parameter.param_type_name == 'argument' else record[0]}`",
                " ".join(with_defaults(record[1]).split()),
            )
            for record, parameter in records
        )
        yield from _table(("option", "meaning"), rows)


def _leaves(before: str, commands: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """All commands, those of groups by their whole names."""
    for name, command in commands.items():
        if hasattr(command, "commands"):
            yield from _leaves(f"{before}{name} ", command.commands)
        else:
            yield f"{before}{name}", command


def _comments() -> dict[str, str]:
    """The comment of every key in pipelines/annotate_file.yaml, by its dotted name."""
    comments, section = {}, ""
    for line in JOB.read_text(encoding="utf-8").splitlines():
        if match := re.match(r"(  )?(\w+):.*?(?:\s#\s(.*))?$", line):
            indent, key, comment = match.groups()
            section = section if indent else key
            comments[f"{section}.{key}" if indent else key] = comment or ""
    return comments


def _job() -> Iterator[str]:
    yield from ("## Keys of a job", "", "For the file of `--pipeline` and `--set KEY=VALUE`.", "")
    comments = _comments()

    def rows() -> Iterator[tuple[str, str, str]]:
        for name, field in job_model().model_fields.items():
            section = field.default
            keys = type(section).model_fields if isinstance(section, BaseModel) else {"": field}
            for key, inner in keys.items():
                dotted = f"{name}.{key}" if key else name
                if not comments.get(dotted):
                    raise SystemExit(f"{JOB}: expected {dotted} with its default and a comment")
                yield f"`{dotted}`", f"`{_shown(inner.get_default(call_default_factory=True))}`", comments[dotted]

    yield from _table(("key", "default", "meaning"), rows())


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _json_lines() -> Iterator[str]:
    yield from ("## JSON Lines", "", "`--detections PATH.jsonl`: one JSON object a line; `type` says which.", "")
    for kind, fields in JSON_LINES.items():
        yield from (f"`{kind}`:", "")
        yield from _table(("field", "meaning"), ((f"`{name}`", text) for name, text in fields.items()))


def _report() -> Iterator[str]:
    yield from ("## Report", "", "`--report PATH`: one JSON object.", "")
    yield from _table(("field", "meaning"), ((f"`{name}`", text) for name, text in REPORT.items()))


def _exit_statuses() -> Iterator[str]:
    source = inspect.getsource(exit_status)
    texts = dict(re.findall(r"^([A-Z]+) = .*?# (.*)$", source, re.MULTILINE))
    yield from ("## Exit statuses", "")
    statuses = [(str(getattr(exit_status, name)), text) for name, text in texts.items()]
    yield from _table(("status", "meaning"), [*statuses, ("143", "SIGTERM; outputs are closed and playable")])


def _errors() -> Iterator[str]:
    yield from ("## Errors", "", "In Python; all are in `streamdet.errors`.", "")
    classes = [each for each in vars(errors).values() if inspect.isclass(each) and each.__module__ == errors.__name__]

    def rows() -> Iterator[tuple[str, str, str]]:
        for each in classes:
            base = each.__mro__[1].__name__
            yield f"`{each.__name__}`", f"`{base}`", inspect.cleandoc(each.__doc__ or "").splitlines()[0]

    yield from _table(("class", "base", "meaning"), rows())


if __name__ == "__main__":
    (FOLDER / "reference.md").write_text(reference(), encoding="utf-8")
