"""What earlier runs have left of a source, for --resume, and the state that --state-in brings along."""

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint, StateSection
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.plan import SourceJob
from streamdet.jobs.resume.checkpoints import SavedCheckpoint, read_checkpoint
from streamdet.jobs.resume.journal import (
    HINT,
    Noted,
    check_free,
    check_same,
    checkpoint_files,
    holds_checkpoints,
    read_job,
)
from streamdet.media.locations import SourceSpec, list_images
from streamdet.models.contract import Detector
from streamdet.stages.detect import DetectSettings
from streamdet.stages.entry import Left
from streamdet.stages.registry import stage_entry
from streamdet.version import __version__

log = logging.getLogger(__name__)

_ENDS_BYTES = 2**20
NOT_OF_THE_RESULT = {"sources", "shard", "overwrite", "resume", "report", "state_in", "state_out"}


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier runs have left of a source.

    Attributes:
        complete: all of it is done.
        counted: what was counted of it up to there.
        checkpoint: what it continues from; None where it starts from nothing.
        noted: its journal; None where there is none.
        lost: it has checkpoints, but the outputs do not hold what came before them.
    """

    complete: bool = False
    counted: Mapping[str, Any] | None = None
    checkpoint: Checkpoint | None = None
    noted: Noted | None = None
    lost: bool = False


def look_back(job: SourceJob, identity: Mapping[str, Any]) -> Earlier:
    """With --resume: what there is of a source. Reads only.

    Args:
        job: of the source.
        identity: of `identity_of`.

    Raises:
        ConfigError: its outputs are of another job, or another run is at work on it.
    """
    folder = job.journal
    if folder is None:
        return Earlier()
    check_free(folder)
    if not job.config.resume:
        return Earlier()
    noted = read_job(folder)
    if noted is None:
        return Earlier(complete=is_complete(job))
    check_same(folder, noted.identity, identity)
    if noted.counted is not None and all(noted.has_published(path) for path in job.results):
        return Earlier(complete=True, counted=noted.counted, noted=noted)
    saved = _last_checkpoint(folder, job, noted)
    if saved is None:
        return Earlier(noted=noted, lost=holds_checkpoints(folder))
    return Earlier(counted=saved.about, checkpoint=saved.checkpoint, noted=noted)


def all_complete(jobs: Sequence[SourceJob]) -> bool:
    """Whether earlier runs have done all of a job, and taken back its journals.

    Raises:
        ConfigError: outputs are of another job, or a journal cannot be read.
    """
    return all(job.journal is not None and read_job(job.journal) is None and is_complete(job) for job in jobs)


def is_complete(job: SourceJob) -> bool:
    """Whether all outputs of a source have their names and no journal says that they are unfinished.

    Raises:
        ConfigError: only some have.
    """
    there = [path for path in job.results if os.path.lexists(path)]
    if there and len(there) < len(job.results):
        missing = next(path for path in job.results if path not in there)
        raise ConfigError(
            f"--resume: {there[0]} is there, but neither {missing} nor a journal of a run that was interrupted: "
            f"it is of another job{HINT}"
        )
    return bool(there)


def same_runtime(jobs: Sequence[SourceJob], settings: DetectSettings) -> DetectSettings:
    """What to load: what auto meant in the run that was interrupted, it means again.

    Raises:
        ConfigError: a journal cannot be read.
    """
    for job in jobs:
        noted = read_job(job.journal) if job.config.resume and job.journal is not None else None
        if noted is not None:
            words = str(noted.identity.get("runtime")).split()
            meant = {"runtime": words[0], "precision": words[2]} if len(words) == 3 else {}
            return settings.model_copy(
                update={name: value for name, value in meant.items() if getattr(settings, name) == "auto"}
            )
    return settings


def about_state(config: PipelineConfig, detector: Detector) -> dict[str, Any]:
    """What must be equal in the run that continues with a state file."""
    size = config.settings(DetectSettings).image_size or detector.spec.input.size
    return {"model": detector.spec.sha256, "image_size": list(size) if isinstance(size, tuple) else size}


def read_state(config: PipelineConfig, about: Mapping[str, Any]) -> Checkpoint | None:
    """The state of --state-in.

    Raises:
        ConfigError: it cannot be read, or not be used here.
    """
    if config.state_in is None:
        return None
    path = config.state_in
    saved = read_checkpoint(Path(path))
    for key, now in about.items():
        if saved.about.get(key) != now:
            raise ConfigError(f"--state-in {path}: was written with {key} {saved.about.get(key)}, this run has {now}")
    for name in config.stages:
        entry = stage_entry(name)
        if entry.state is not None and entry.output is None and name not in saved.checkpoint.sections:
            option = "--no-track" if name == "track" else f"a job without {name}"
            raise ConfigError(f"--state-in {path}: was written without the stage {name}; expected {option} here, too")
    return saved.checkpoint


def identity_of(job: SourceJob, detector: Detector) -> dict[str, Any]:
    """What must be equal for a run to continue what another one has done of a source."""
    config = job.config
    return {
        "streamdet": __version__,
        "model": {"name": detector.spec.name, "sha256": detector.spec.sha256},
        "runtime": detector.runtime,
        "settings": config.model_dump(mode="json", exclude=NOT_OF_THE_RESULT),
        "state": None if config.state_in is None else _fingerprint(Path(config.state_in)),
        "source": _source(job.spec),
    }


def _last_checkpoint(folder: Path, job: SourceJob, noted: Noted) -> SavedCheckpoint | None:
    """The latest checkpoint of which all that was written before it is there."""
    found = []
    for path in checkpoint_files(folder):
        try:
            found.append(read_checkpoint(path))
        except ConfigError as error:
            log.debug("%s", error)
    found = [saved for saved in found if saved.checkpoint.source == job.name]
    sections: list[dict[str, StateSection | None]] = [dict(saved.checkpoint.sections) for saved in found]
    for output in job.outputs:
        entry = stage_entry(output.stage).output
        if entry is None or entry.surviving is None or not isinstance(output.target, Path):
            continue
        here = [each for each in sections if each.get(output.stage) is not None]
        left = Left(noted.has_published(output.target), noted.lost_nothing)
        surviving = entry.surviving([each[output.stage] for each in here], output.target, left)
        for each, section in zip(here, surviving, strict=True):
            each[output.stage] = section
    for saved, each in zip(found, sections, strict=True):
        left_over = {stage: section for stage, section in each.items() if section is not None}
        if len(left_over) == len(each):
            return replace(saved, checkpoint=replace(saved.checkpoint, sections=left_over))
    return None


def _source(spec: SourceSpec) -> dict[str, Any]:
    if spec.kind == "images":
        found = hashlib.sha256()
        for path in list_images(spec.location):
            with suppress(OSError):
                status = path.stat()
                found.update(os.fsencode(path.name) + f" {status.st_size} {status.st_mtime_ns}\n".encode())
        return {"location": spec.shown, "sha256": found.hexdigest()}
    return {"location": spec.shown, "sha256": _fingerprint(Path(spec.location))}


def _fingerprint(path: Path) -> str | None:
    """Of a file's length and its first and last megabyte: all of a large one would take too long.

    None where it cannot be read, which whoever reads it says.
    """
    try:
        with path.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            found = hashlib.sha256(str(length).encode())
            for place in (0, max(0, length - _ENDS_BYTES)):
                file.seek(place)
                found.update(file.read(_ENDS_BYTES))
    except OSError:
        return None
    return found.hexdigest()
