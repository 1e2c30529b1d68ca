"""A job as one piece of work for each source: all that can be checked without the detector is, and nothing is written.

A piece can be pickled and sent to another machine that sees the same files; `jobs.session.run_source` does it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from streamdet.errors import ConfigError
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.outputs import PlannedOutputs, SourceOutput, files_of, plan_outputs
from streamdet.jobs.privacy import with_privacy
from streamdet.jobs.resume.journal import check_unfinished, journal_folder
from streamdet.jobs.sources import find_sources
from streamdet.media.locations import SourceSpec
from streamdet.stages.batch import BatchSettings
from streamdet.stages.detect import DetectSettings
from streamdet.stages.registry import stage_entry
from streamdet.tracking.options import TrackOptions


@dataclass(frozen=True, slots=True)
class SourceJob:
    """What is done with one source.

    Attributes:
        spec: the source.
        config: of the whole job.
        outputs: what is written of it.
        folders: to be made before.
        not_resumable: why it could not be continued after an interruption; None where it can.
    """

    spec: SourceSpec
    config: PipelineConfig
    outputs: tuple[SourceOutput, ...] = ()
    folders: tuple[Path, ...] = ()
    not_resumable: str | None = "nothing is written that could be continued"

    @property
    def name(self) -> str:
        """Of the source."""
        return self.spec.name

    @property
    def files(self) -> list[Path]:
        """Outputs that are files."""
        return files_of(self.outputs)

    @property
    def results(self) -> list[Path]:
        """Those, and the state at its end."""
        state_out = self.config.state_out
        return [*self.files, *([Path(state_out)] if state_out is not None else [])]

    @property
    def journal(self) -> Path | None:
        """The folder in which its progress is noted; None where an interrupted run could not be continued."""
        return journal_folder(self.files[0]) if self.not_resumable is None else None


def plan(config: PipelineConfig, inputs: Iterable[Path] = ()) -> list[SourceJob]:
    """Find the sources, name every output, and make sure that it can be written.

    Args:
        config: from `load_job`.
        inputs: files that are read besides the sources, and so must not be written.

    Returns:
        One for each source of the shard, which may be none.

    Raises:
        ConfigError: the job is wrong: a source is missing, an output is in the way, an interrupted run left its
            output unfinished; one line for every mistake.
    """
    return plan_sources(config, find_sources(config.sources), inputs)


def plan_sources(config: PipelineConfig, found: Sequence[SourceSpec], inputs: Iterable[Path] = ()) -> list[SourceJob]:
    """The same for sources that were found before; all of them, also with a shard."""
    _check_carried(config)
    config = with_privacy(config)
    specs = found[config.part]
    lists = [Path(source[1:]) for source in config.sources if source.startswith("@")]
    files = [Path(spec.location) for spec in specs if spec.kind in ("file", "images")]
    state = [Path(config.state_in)] if config.state_in else []
    read = [*files, *lists, *state, Path(config.settings(DetectSettings).model), *inputs]
    mine = {spec.name for spec in specs}
    planned = plan_outputs(config, specs, read, beside=[spec for spec in found if spec.name not in mine])
    _check_state_files(config, specs)
    jobs = _jobs(config, specs, planned)
    if config.resume:
        reasons = [job.not_resumable for job in jobs if job.not_resumable is not None]
        if reasons:
            raise ConfigError(f"--resume: {reasons[0]}")
    elif not config.overwrite:
        for job in jobs:
            if job.journal is not None:
                check_unfinished(job.journal, job.files[0])
    return jobs


def plan_joining(config: PipelineConfig, spec: SourceSpec, beside: Sequence[SourceSpec]) -> SourceJob:
    """The same for a source that joins a job that runs.

    Args:
        config: of the job.
        spec: the source; its name is new.
        beside: the sources that are read already.

    Raises:
        ConfigError: its outputs cannot be written.
    """
    unwritten = config.model_copy(update={"report": None, "state_out": None})  # these two are planned already
    [job] = _jobs(config, [spec], plan_outputs(unwritten, [spec], [], beside=beside))
    return job


def make_folders(jobs: Iterable[SourceJob]) -> None:
    """Make the folders of outputs; raises ConfigError."""
    try:
        for folder in sorted({folder for job in jobs for folder in job.folders}):
            folder.mkdir(exist_ok=True)
    except OSError as error:
        raise ConfigError(f"cannot make folder {error.filename}: {error.strerror}") from error


def _jobs(config: PipelineConfig, specs: Sequence[SourceSpec], planned: PlannedOutputs) -> list[SourceJob]:
    return [
        SourceJob(
            spec,
            config,
            planned.of[spec.name],
            planned.folders,
            _why_not_resumable(config, spec, planned, planned.of[spec.name]),
        )
        for spec in specs
    ]


def _why_not_resumable(
    config: PipelineConfig, spec: SourceSpec, planned: PlannedOutputs, outputs: Sequence[SourceOutput]
) -> str | None:
    max_streams = config.settings(BatchSettings).max_streams or 1
    if not _can_be_read_again(spec):
        return f"{spec.shown} is no file, and what it showed is gone"
    if planned.not_resumable is not None:
        return planned.not_resumable
    if not files_of(outputs):
        return "nothing is written that could be continued"
    if max_streams > 1:
        return f"expected batch.max_streams 1, got {max_streams}: streams side by side end at no one place"
    return _why_not_saved(config)


def _why_not_saved(config: PipelineConfig) -> str | None:
    reasons = (stage_entry(name).why_not_saved(config.settings_of(name)) for name in config.stages)
    return next((reason for reason in reasons if reason is not None), None)


def _can_be_read_again(spec: SourceSpec) -> bool:
    """Not a camera, a server or a pipe; of a file that is not there, whoever opens it says so."""
    path = Path(spec.location)
    return spec.kind == "images" or (spec.kind == "file" and (path.is_file() or not path.exists()))


def _check_carried(config: PipelineConfig) -> None:
    """Frames that are not looked at need the object memory."""
    carries = "track" in config.stages and config.settings(TrackOptions).tracker == "memory"
    if config.settings(DetectSettings).every != 1 and not carries:
        raise ConfigError(
            "--every: the object memory carries the frames that are not looked at; expected --memory both or objects, "
            "and --track"
        )


def _check_state_files(config: PipelineConfig, specs: Sequence[SourceSpec]) -> None:
    if config.state_in or config.state_out:
        if len(specs) != 1:
            raise ConfigError(f"--state-in and --state-out carry the state of one source, got {len(specs)}")
        if specs[0].kind not in ("file", "images"):
            raise ConfigError(f"--state-in and --state-out are for files; {specs[0].shown} is not a file")
        if reason := _why_not_saved(config):
            raise ConfigError(f"--state-in and --state-out: {reason}")
