"""What a job goes on from, and what it leaves for the next one: --resume, --state-in and --state-out."""

import hashlib
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streamdet.errors import ConfigError, SinkError
from streamdet.frames import Checkpoint, StreamEnded
from streamdet.jobs.assemble import OutputFailures
from streamdet.jobs.config import DetectConfig, PipelineConfig
from streamdet.jobs.outputs import Outputs
from streamdet.jobs.resume.checkpoints import read_checkpoint, write_checkpoint
from streamdet.jobs.resume.journal import (
    CHECKPOINT_FRAMES,
    Journal,
    Noted,
    check_same,
    holds_checkpoints,
    journal_folder,
    last_checkpoint,
    read_job,
)
from streamdet.jobs.tally import Tally
from streamdet.jobs.video_outputs import is_playlist
from streamdet.media.locations import SourceSpec, list_images
from streamdet.media.write.interrupted import forget_interrupted
from streamdet.models.contract import Detector
from streamdet.stages.decode import Continuation
from streamdet.version import __version__

log = logging.getLogger("streamdet")

_ENDS_BYTES = 2**20
_ANEW = "--overwrite starts anew"
_NOT_OF_THE_RESULT = {"sources", "overwrite", "resume", "report", "state_in", "state_out"}


@dataclass(frozen=True, slots=True)
class Continued:
    """What a job goes on from.

    Attributes:
        continuation: for its decode stages.
        journal: of the job; None where it cannot be gone on with.
        counted: what was counted before, by source.
        about_state: what is noted in the file of --state-out.
    """

    continuation: Continuation = field(default_factory=Continuation)
    journal: Journal | None = None
    counted: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    about_state: Mapping[str, Any] = field(default_factory=dict)

    @property
    def done(self) -> Sequence[str]:
        """Names of the sources that are complete."""
        return list(self.journal.done) if self.journal is not None else []


def interrupted_job(config: PipelineConfig, specs: Sequence[SourceSpec], outputs: Outputs) -> Noted | None:
    """With --resume: the job that was interrupted; None where nothing of it is there yet.

    Raises:
        ConfigError: it cannot be gone on with.
    """
    problem = _why_no_journal(config, specs, outputs)
    if not config.resume:
        if not problem and not config.overwrite and holds_checkpoints(_folder(outputs)):
            first = outputs.results()[0]
            raise ConfigError(f"{first}: a run that was interrupted left it unfinished; --resume goes on, {_ANEW}")
        return None
    if problem:
        raise ConfigError(f"--resume: {problem}")
    folder = _folder(outputs)
    if os.path.lexists(folder / "job.json"):
        return read_job(folder)
    if there := [path for path in outputs.paths() if os.path.lexists(path)]:
        raise ConfigError(
            f"--resume: {there[0]} is there, but no journal of a run that was interrupted: it is complete, or of "
            f"another job; {_ANEW}"
        )
    return None


def same_runtime(noted: Noted | None, part: DetectConfig) -> DetectConfig:
    """What to load: what auto meant in the run that was interrupted, it means again."""
    words = [] if noted is None else str(noted.identity.get("runtime")).split()
    if len(words) != 3:
        return part
    meant = {"runtime": words[0], "precision": words[2]}
    return part.model_copy(update={name: value for name, value in meant.items() if getattr(part, name) == "auto"})


def go_on(
    config: PipelineConfig, specs: Sequence[SourceSpec], outputs: Outputs, detector: Detector, noted: Noted | None
) -> Continued:
    """Decide where a job begins and what it notes.

    Args:
        noted: from `interrupted_job`.

    Raises:
        ConfigError: the job that was interrupted is another one; the memory of --state-in cannot be used.
    """
    if config.state_in or config.state_out:
        if len(specs) != 1:
            raise ConfigError(f"--state-in and --state-out carry the memory of one source, got {len(specs)}")
        if specs[0].kind not in ("file", "images"):
            raise ConfigError(f"--state-in and --state-out are for files; {specs[0].shown} is none")
    about = {"model": detector.spec.sha256, "image_size": config.detect.image_size or detector.spec.input.size}
    memory = None if config.state_in is None else _memory(Path(config.state_in), about, config)
    ends = config.state_out is not None
    if _why_no_journal(config, specs, outputs):
        return Continued(Continuation(checkpoint_at_end=ends, memory=memory), about_state=about)
    names = [spec.name for spec in specs]
    identity = _identity(config, specs, detector)
    folder, resume = _folder(outputs), {}
    counted: dict[str, Mapping[str, Any]] = {}
    if noted is not None:
        check_same(folder, noted.identity, identity)
        for source in enumerate(names):
            name = source[1]
            if name in noted.done and all(noted.has_published(path) for path in outputs.results_of([name])):
                counted[name] = noted.done[name]
                continue
            noted.done.pop(name, None)
            video, detections = outputs.videos.get(name), outputs.detections.get(name)
            video = None if video is None else Path(video)
            saved = last_checkpoint(folder, source, video, detections, noted, coco=outputs.form == "coco")
            if saved is not None:
                resume[name], counted[name] = saved.checkpoint, saved.about
    journal = Journal(folder, identity, names, noted)
    return Continued(Continuation(CHECKPOINT_FRAMES, ends, resume, memory), journal, counted, about)


class Keeper:
    """Looks at what comes out of a run, and keeps what the next one may go on from.

    Args:
        continued: of the job.
        tally: has counted what came out.
        failures: outputs that failed so far.
    """

    def __init__(
        self,
        continued: Continued,
        config: PipelineConfig,
        outputs: Outputs,
        tally: Tally,
        failures: OutputFailures,
    ) -> None:
        self._continued, self._config, self._outputs, self._tally = continued, config, outputs, tally
        self._failures = failures
        self._journal = continued.journal
        self._state: Checkpoint | None = None

    def begin(self) -> None:
        """Before the run: say what is gone on with."""
        for name in self._continued.done:
            log.info("%s: is done already", name)
        for name, checkpoint in self._continued.continuation.resume.items():
            log.info("%s: goes on from frame %d", name, checkpoint.frames)
        if self._config.resume and not self._continued.counted:
            log.info("nothing to go on from; begins at the beginning")
        if self._journal is not None:
            self._journal.begin()
        for name, video in self._outputs.videos.items():
            if self._journal is not None and name not in self._continued.counted:
                forget_interrupted(Path(video))

    def see(self, item: object) -> None:
        """One item came out of the run, and was counted."""
        if isinstance(item, Checkpoint):
            if item.last:
                self._state = item
            elif self._journal is not None and self._is_whole(item):
                self._journal.commit(item, self._tally.counted(item.source))
        elif self._journal is not None and isinstance(item, StreamEnded) and self._is_complete(item):
            outputs = self._outputs.results_of([item.source])
            self._journal.finish(item.source, self._tally.counted(item.source), outputs)

    def end(self, *, complete: bool, stopped: bool) -> str | None:
        """After the run.

        Args:
            complete: nothing is missing.
            stopped: by a signal, or by a mistake of ours.

        Returns:
            how what is missing can be had.

        Raises:
            SinkError: the memory cannot be written.
        """
        journal, hint = self._journal, None
        if journal is not None and (complete or not (stopped or self._failed_outputs() or journal.has_checkpoints)):
            journal.remove()
        elif journal is not None:
            hint = "the same command with --resume goes on" if journal.has_checkpoints or journal.done else None
            journal.leave(self._outputs.results())
        if self._outputs.state is not None:
            if self._state is None:
                raise SinkError(f"{self._outputs.state}: not written: the source was not read to its end")
            write_checkpoint(self._outputs.state, self._state, self._continued.about_state)
        return hint

    def _is_complete(self, ended: StreamEnded) -> bool:
        return not ended.error and ended.source not in self._failed_outputs()

    def _failed_outputs(self) -> set[str]:
        return {source for source, _ in (*self._failures.videos, *self._failures.detections)}

    def _is_whole(self, checkpoint: Checkpoint) -> bool:
        """Whether all stages have added what is needed: an output that failed does not."""
        wanted = {"detect"}
        wanted |= {"encode"} if checkpoint.source in self._outputs.videos else set()
        wanted |= {"record"} if checkpoint.source in self._outputs.detections else set()
        return wanted <= set(checkpoint.facts)


def _memory(path: Path, about: Mapping[str, Any], config: PipelineConfig) -> Checkpoint:
    saved = read_checkpoint(path)
    if "track" in config.stages and "track" not in saved.checkpoint.arrays:
        raise ConfigError(f"--state-in {path}: was written without identities; expected --no-track here, too")
    for key, now in about.items():
        before = saved.about.get(key)
        if before != (list(now) if isinstance(now, tuple) else now):
            raise ConfigError(f"--state-in {path}: was written with {key} {before}, this run has {now}")
    return saved.checkpoint


def _why_no_journal(config: PipelineConfig, specs: Sequence[SourceSpec], outputs: Outputs) -> str | None:
    """Why a job that was interrupted could not be gone on with; None where it can."""
    if passing := [spec.shown for spec in specs if not _can_be_read_again(spec)]:
        return f"{passing[0]} is no file, and what it showed is gone"
    if outputs.shared is not None:
        return "detections that were sent, or read from standard output, cannot be taken back; expected a file"
    if not outputs.results():
        return "nothing is written that could be gone on with"
    videos = outputs.videos.values()
    if config.encode.segment_s is not None or any(not isinstance(path, Path) or is_playlist(path) for path in videos):
        return "segments, playlists and published video cannot be gone on with; expected a file such as .mp4"
    if (config.batch.max_streams or 1) > 1:
        return f"expected batch.max_streams 1, got {config.batch.max_streams}: streams side by side end at no one place"
    return None


def _can_be_read_again(spec: SourceSpec) -> bool:
    """Not a camera, a server or a pipe; of a file that is not there, whoever opens it says so."""
    path = Path(spec.location)
    return spec.kind == "images" or (spec.kind == "file" and (path.is_file() or not path.exists()))


def _folder(outputs: Outputs) -> Path:
    return journal_folder(outputs.results()[0])


def _identity(config: PipelineConfig, specs: Sequence[SourceSpec], detector: Detector) -> dict[str, Any]:
    return {
        "streamdet": __version__,
        "model": {"name": detector.spec.name, "sha256": detector.spec.sha256},
        "runtime": detector.runtime,
        "settings": config.model_dump(mode="json", exclude=_NOT_OF_THE_RESULT),
        "state": None if config.state_in is None else _fingerprint(Path(config.state_in)),
        "order of sources": [spec.name for spec in specs],
        "sources": {spec.name: _source(spec) for spec in specs},
    }


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
