"""Where a job's results go, files and addresses: decided and checked before anything is read or written."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        beside: sources whose outputs, and the report, are planned and written already.

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
    more = [] if beside else [Path(path) for path in (config.report, config.state_out) if path]
    files = [path for name in names for path in files_of(of[name])]
    folders = tuple(_to_make(plan.folder for _, plan in plans))
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


def _to_make(paths: Iterable[str | None]) -> Iterator[Path]:
    """Folders that were asked for and are not there; the folder around them must be."""
    for path in sorted({Path(path) for path in paths if path is not None}):
        if not os.path.lexists(path) and path.parent.is_dir():
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
    for folder in sorted({path.parent for path in paths}):
        existing = folder.parent if folder in folders else folder
        if not os.path.lexists(existing):
            yield f"folder {folder} does not exist; make it first, or choose another"
            continue
        try:
            with tempfile.TemporaryFile(dir=existing):
                pass
        except OSError as error:
            yield f"cannot write into folder {folder}: {error.strerror}; choose another"


def _taken(paths: Sequence[Path], inputs: Iterable[Path], overwrite: bool, hint: str = "") -> Iterator[str]:
    inputs = list(inputs)
    for path in paths:
        if path.is_dir():
            yield f"output {path}: expected a file name, this is a folder"
        elif read := next((each for each in inputs if _same(path, each)), None):
            yield f"output {path} is the input {read} itself; choose another name"
        elif os.path.lexists(path) and not overwrite:
            yield f"output {path} already exists; choose another name, or replace it with --overwrite{hint}"


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:  # one of them is not there
        return os.path.realpath(path) == os.path.realpath(other)
