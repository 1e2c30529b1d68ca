"""What continues a camera's file where nothing was handed over: its machine, or all of them, ended."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from streamdet.cluster.cameras.writers import mark_of_writer
from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint, Place, StateSection
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.outputs import SourceOutput
from streamdet.jobs.plan import plan_joining, plan_sources
from streamdet.media.locations import SourceSpec
from streamdet.media.write.part_file import Mark, mark_of
from streamdet.stages.record import RecordState

_TAIL_BYTES = 2**20


def check_outputs(config: PipelineConfig, specs: Sequence[SourceSpec]) -> None:
    """Make sure that the job is right, and that what is written of its cameras can be continued on other machines.

    Raises:
        ConfigError: it cannot.
    """
    jobs = plan_sources(config.model_copy(update={"overwrite": True, "resume": False}), specs)
    for output in (output for job in jobs for output in job.outputs):
        if isinstance(output.target, Path) and not _grows(output):
            raise ConfigError(
                f"{output.target}: {output.kind} of a camera that may move cannot be in such a file; expected "
                "detections in .jsonl files, or what is sent: to a broker, a web server or as a stream"
            )


def _grows(output: SourceOutput) -> bool:
    return output.stage == "record" and isinstance(output.target, Path) and output.target.suffix == ".jsonl"


def files_of(config: PipelineConfig, spec: SourceSpec, place: Place | None) -> tuple[list[Path], Place | None]:
    """Files that are written of a camera as long as it is read, and how far it was.

    Args:
        config: of the job.
        spec: of the camera.
        place: how far it was, as far as is known; None: it is new, unless its runner ended before it could tell: then
            the mark of that is beside its file.

    Raises:
        ConfigError: they cannot be written, or are there and of something else.
    """
    files = _growing_files(config.model_copy(update={"overwrite": True}), spec)
    marks = [mark_of_writer(file) for file in files if file.is_file()]
    if place is None and (times := [mark.stat().st_mtime for mark in marks if mark.exists()]):
        place = Place(0, -1, 0.0, min(times))
    return (files if place is not None else _growing_files(config, spec)), place


def _growing_files(config: PipelineConfig, spec: SourceSpec) -> list[Path]:
    outputs = plan_joining(config, spec, []).outputs
    return [output.target for output in outputs if isinstance(output.target, Path) and _grows(output)]


def before_of(
    config: PipelineConfig, spec: SourceSpec, place: Place | None, handed: Checkpoint | None
) -> Checkpoint | None:
    """What a camera continues from here.

    Args:
        config: of the job.
        spec: of the camera.
        place: how far it was, as far as is known; None: it is new.
        handed: what its runner gave; None: nothing.

    Returns:
        With a section for its file where that is there; None of a camera that is new.
    """
    place = handed.place if handed is not None else place
    if place is None:
        return None
    before = handed or Checkpoint(spec.name, 0, place=place)
    sections: dict[str, StateSection] = {name: each for name, each in before.sections.items() if name != "record"}
    for path in _growing_files(config.model_copy(update={"overwrite": True}), spec):
        if not path.is_file():
            continue
        saved = before.sections.get("record")
        if isinstance(saved, RecordState) and Mark(saved.length, saved.tail_sha256).fits(path):
            sections["record"] = saved
        else:
            sections["record"], written = _left_by(path)
            place = _later(place, written)
    return replace(before, sections=sections, place=place)


def _left_by(path: Path) -> tuple[RecordState, dict[str, Any] | None]:
    """The end of a file of lines, before a line that says that the stream had ended; and its last frame."""
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - _TAIL_BYTES))
        tail = file.read()
    whole = tail[: tail.rfind(b"\n") + 1]
    end, last = size - len(tail) + len(whole), None
    for line in reversed(whole.splitlines(keepends=True)):
        try:
            values = json.loads(line)
            kind = values["type"]
        except (ValueError, LookupError, TypeError):
            continue
        if kind == "end" and last is None:
            end -= len(line)
        if kind == "frame":
            last = values
            break
    mark = mark_of(path, end)
    return RecordState(mark.length, mark.tail_sha256), last


def _later(place: Place, frame: dict[str, Any] | None) -> Place:
    """How far it was: the last that was reported, or what the file says where that is more."""
    try:
        index, session = (-1, -1) if frame is None else (int(frame["frame"]), int(frame["session"]))
    except (LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"the file of detections has a frame without its number: {error}") from error
    return replace(place, index=max(place.index, index), session=max(place.session, session), exact=False)
