"""Where a job's results go, files and addresses: decided and checked before anything is read or written."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from streamdet.errors import ConfigError
from streamdet.jobs.config import PipelineConfig
from streamdet.media.locations import SourceSpec
from streamdet.media.write.standard_output import STDOUT
from streamdet.stages.entry import OutputPlan, StageEntry
from streamdet.stages.outputs import Target
from streamdet.stages.registry import stage_entry, stage_names

_RESUME_HINT = ", or continue a run that was interrupted with --resume"


@dataclass(frozen=True, slots=True)
class SourceOutput:
    """One output of a source.

    Attributes:
        stage: that writes it.
        kind: what reports call it.
        target: a file, or an address, credentials included.
        shared: other sources of the job go there, too; it is no file.
    """

    stage: str
    kind: str
    target: Target
    shared: bool = False


@dataclass(frozen=True, slots=True)
class PlannedOutputs:
    """The outputs of a job.

    Attributes:
        of: by name of the source, in the order of the stages that there are.
        folders: to be made.
        not_resumable: why an interrupted run cannot be continued; None where it can.
    """

    of: Mapping[str, tuple[SourceOutput, ...]]
    folders: tuple[Path, ...] = ()
    not_resumable: str | None = None


def plan_outputs(
    config: PipelineConfig, sources: Sequence[SourceSpec], inputs: Iterable[Path], beside: Sequence[SourceSpec] = ()
) -> PlannedOutputs:
    """Name every output and make sure that it can be written.

    Args:
        config: the job.
        sources: with names that are there once.
        inputs: files that are read, and so must not be written.
        beside: more sources of the job, whose outputs are written by others.

    Raises:
        ConfigError: one line for every mistake.
    """
    mistakes: list[str] = []
    plans: list[tuple[StageEntry, OutputPlan]] = []
    for name in stage_names():
        entry = stage_entry(name) if name in config.stages else None
        if entry is not None and entry.output is not None:
            try:
                plans.append((entry, entry.output.plan(config.settings_of(name), [*beside, *sources])))
            except ConfigError as error:
                mistakes.append(str(error))
    piped = [entry.output.kind for entry, plan in plans if entry.output and STDOUT in plan.targets.values()]
    if len(piped) > 1:
        mistakes.append(f"standard output: {' and '.join(piped)} would be mixed in it; expected one of them")
    names = [source.name for source in sources]
    of = {name: tuple(_outputs_of(name, plans)) for name in names}
    more = [Path(path) for path in (config.report, config.state_out) if path]
    files = [path for name in names for path in files_of(of[name])]
    folders = tuple(_to_make((plan.folder for _, plan in plans), of))
    mistakes += [*_collisions([*files, *more]), *_unwritable([*files, *more], folders)]
    replaces = config.overwrite or config.resume
    unnamed = {target for _, plan in plans if not plan.named for target in plan.targets.values()}
    exact = [path for path in files if path not in unnamed]
    mistakes += _taken([*exact, *more], inputs, replaces, _RESUME_HINT)
    for piece in [] if replaces else [piece for _, plan in plans for piece in plan.earlier]:
        mistakes.append(f"output {piece} already exists; choose another name, or replace it with --overwrite")
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    reasons = (plan.not_resumable for _, plan in plans if plan.not_resumable is not None)
    return PlannedOutputs(of, folders, next(reasons, None))


def files_of(outputs: Iterable[SourceOutput]) -> list[Path]:
    """The outputs that are files."""
    return [output.target for output in outputs if isinstance(output.target, Path)]


def _outputs_of(name: str, plans: Sequence[tuple[StageEntry, OutputPlan]]) -> Iterator[SourceOutput]:
    for entry, plan in plans:
        if entry.output is not None and name in plan.targets:
            yield SourceOutput(entry.name, entry.output.kind, plan.targets[name], plan.shared)


def check_files(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Make sure that files can be written.

    Raises:
        ConfigError: one line for every mistake.
    """
    if mistakes := [*_collisions(paths), *_unwritable(paths, ()), *_taken(paths, (), overwrite)]:
        raise ConfigError("\n".join(mistakes))


def _to_make(paths: Iterable[str | None], of: Mapping[str, Iterable[SourceOutput]]) -> Iterator[Path]:
    """Folders that are not there: those that were asked for, where there is one around them, and those in names."""
    wanted = {Path(path) for path in paths if path is not None}
    made = {path for path in wanted if not os.path.lexists(path) and path.parent.is_dir()}
    for name, outputs in of.items():
        if depth := name.count("/"):
            made.update(folder for file in files_of(outputs) for folder in file.parents[:depth])
    for path in sorted(made):
        if path in wanted or not os.path.lexists(path):
            yield path


def _collisions(paths: Sequence[Path]) -> Iterator[str]:
    seen: set[str] = set()
    for path in paths:
        resolved = os.path.realpath(path)
        if resolved in seen:
            yield f"output {path}: two outputs have this name; expected another for each"
        seen.add(resolved)


def _unwritable(paths: Sequence[Path], folders: Sequence[Path]) -> Iterator[str]:
    """Try every folder: the rights alone do not tell (root, a read-only disk, /proc)."""
    made = set(folders)
    for folder in sorted({path.parent for path in paths}):
        existing = next(each for each in (folder, *folder.parents) if each not in made)
        if not os.path.lexists(existing):
            yield f"folder {folder} does not exist; make it first, or choose another"
            continue
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            yield f"cannot write into folder {folder}: {error.strerror}; choose another"


def _taken(paths: Sequence[Path], inputs: Iterable[Path], overwrite: bool, hint: str = "") -> Iterator[str]:
    read_by = {key: path for path in inputs for key in _keys(path)}
    for path in paths:
        if path.is_dir():
            yield f"output {path}: expected a file name, this is a folder"
        elif read := next((read_by[key] for key in _keys(path) if key in read_by), None):
            yield f"output {path} is the input {read} itself; choose another name"
        elif os.path.lexists(path) and not overwrite:
            yield f"output {path} already exists; choose another name, or replace it with --overwrite{hint}"


def _keys(path: Path) -> Iterator[object]:
    """Equal ones are of the same file: its place, and where it is there, its inode."""
    yield os.path.realpath(path)
    with suppress(OSError):
        status = path.stat()
        yield status.st_dev, status.st_ino
