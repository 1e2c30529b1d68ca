"""What a job notes while it runs so that `--resume` can go on with it, whatever ended it.

A folder beside the first output: `job.json` says what job it is and which sources are done, and each of the last
checkpoints of the source at work is a file. One that a power cut tore is found by its hash, and the one before serves.
"""

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from streamdet.cli.messages import log
from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint
from streamdet.media.interrupted import written_before
from streamdet.media.part_file import part_path
from streamdet.stages.checkpoints import SavedCheckpoint, read_checkpoint, write_checkpoint, write_synced

CHECKPOINT_FRAMES = 240
"""Of a source: after so many frames a checkpoint. A multiple of a clip's frames, so that no clip is cut short."""

_FORMAT = 1
_KEPT = 3
_HINT = "; --overwrite starts anew"


class Journal:
    """The journal of one job.

    Args:
        folder: where it is.
        identity: what must be equal for a run to go on with it; whatever JSON holds.
        names: of the sources, in their order.
        before: what an interrupted run of the job has noted; None where this is the first.
    """

    def __init__(
        self, folder: Path, identity: Mapping[str, Any], names: Sequence[str], before: "Noted | None" = None
    ) -> None:
        self.folder = folder
        self.done: dict[str, Any] = {} if before is None else dict(before.done)
        self._published: dict[str, Any] = {} if before is None else dict(before.published)
        self._goes_on = before is not None
        self._identity = dict(identity)
        self._names = list(names)
        self._failed = False

    def begin(self) -> None:
        """Make the folder, without what another job left there."""
        if self._goes_on:
            return
        with self._may_fail():
            if self.folder.exists():
                shutil.rmtree(self.folder)
            self.folder.mkdir()
            self._write_job()

    def commit(self, checkpoint: Checkpoint, counted: Mapping[str, Any]) -> None:
        """Keep a checkpoint that all stages have seen.

        Args:
            checkpoint: of the source at work.
            counted: what was counted of it so far.
        """
        number = self._names.index(checkpoint.source)
        with self._may_fail():
            write_checkpoint(self.folder / f"{number:06}-{checkpoint.frames:012}.checkpoint", checkpoint, counted)
            for old in _checkpoints(self.folder, number)[_KEPT:]:
                old.unlink()

    @property
    def has_checkpoints(self) -> bool:
        """Whether there is one of a source that is not complete."""
        return any(self.folder.glob("*.checkpoint"))

    @property
    def is_there(self) -> bool:
        """Whether there is anything to go on from."""
        return (self.folder / "job.json").exists()

    def finish(self, source: str, counted: Mapping[str, Any]) -> None:
        """Note that a source and its outputs are complete; with the last one the job is, which `remove` says."""
        if len(self.done) + 1 == len(self._names):
            return
        self.done[source] = dict(counted)
        with self._may_fail():
            self._write_job()
            for old in _checkpoints(self.folder, self._names.index(source)):
                old.unlink()

    def leave(self, outputs: Iterable[Path]) -> None:
        """The job was stopped: note which outputs have their names all the same, with what there is of them."""
        with self._may_fail():
            self._published = {str(path): _version(path) for path in outputs if path.is_file()}
            self._write_job()

    def remove(self) -> None:
        """The job is complete."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _write_job(self) -> None:
        job = {"format": _FORMAT, "identity": self._identity, "done": self.done, "published": self._published}
        write_synced(self.folder / "job.json", json.dumps(job, indent=1).encode())

    @contextmanager
    def _may_fail(self) -> Iterator[None]:
        """The job goes on without its journal; that is said once."""
        try:
            yield
        except OSError as error:
            level = log.debug if self._failed else log.warning
            level("%s: cannot be written (%s): --resume may have to begin earlier", self.folder, error.strerror)
            self._failed = True


def journal_folder(output: Path) -> Path:
    """Where the journal of a job is whose first output this is."""
    return output.with_name(f".{output.name}.journal")


@dataclass(frozen=True, slots=True)
class Noted:
    """What a journal says of its job.

    Attributes:
        identity: what must be equal for a run to go on with it.
        done: sources that are complete, and what was counted of them.
        published: outputs that have their final names, with length and time.
    """

    identity: dict[str, Any]
    done: dict[str, Any]
    published: dict[str, Any]


def read_job(folder: Path) -> Noted:
    """Read what job a journal is of.

    Raises:
        ConfigError: it cannot be read.
    """
    path = folder / "job.json"
    try:
        job = json.loads(path.read_bytes())
        if job["format"] != _FORMAT:
            raise ConfigError(f"{path}: has format {job['format']}, expected {_FORMAT}{_HINT}")
        return Noted(dict(job["identity"]), dict(job["done"]), dict(job["published"]))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}{_HINT}") from error
    except (LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: is no journal of streamdet{_HINT}") from error


def check_same(folder: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Make sure that a journal is of this job.

    Raises:
        ConfigError: it is not; a line for every difference, at most five.
    """
    lines = [
        f"--resume: the run that was interrupted had {key} {old}, this one has {new}"
        for key, old, new in _differences(before, now)
    ]
    if lines:
        raise ConfigError("\n".join([*lines[:5], f"expected the same job as in {folder}{_HINT}"]))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}", json.dumps(old, ensure_ascii=False), json.dumps(new, ensure_ascii=False)


def last_checkpoint(
    folder: Path,
    number: int,
    video: Path | None,
    detections: Path | None,
    published: Mapping[str, Any],
    *,
    coco: bool,
) -> SavedCheckpoint | None:
    """The latest checkpoint of a source of which all that was written before it is there.

    Args:
        folder: of the journal.
        number: which source.
        video, detections: its outputs; None where it has none.
        published: of `Noted`.
        coco: the detections are COCO results, which get their name when they are complete.
    """
    found = []
    for path in _checkpoints(folder, number):
        try:
            found.append(read_checkpoint(path))
        except ConfigError as error:
            log.debug("%s", error)
    facts = [saved.checkpoint.facts for saved in found]
    packets, length = 0, -1
    if video is not None and facts:
        synced_bytes = max(each["encode"]["synced_bytes"] for each in facts)
        written, packets = written_before(video, synced_bytes, published=_is_published(video, published))
        for each in facts:
            each["encode"]["written"] = str(written)
    if detections is not None and facts:
        grows_aside = coco and not _is_published(detections, published)
        length = _length(part_path(detections) if grows_aside else detections)
    for saved, each in zip(found, facts, strict=True):
        if (video is None or each["encode"]["packets"] <= packets) and (
            detections is None or each["record"]["bytes"] <= length
        ):
            return saved
    return None


def _length(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _is_published(path: Path, published: Mapping[str, Any]) -> bool:
    return path.is_file() and published.get(str(path)) == _version(path)


def _version(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _checkpoints(folder: Path, number: int) -> list[Path]:
    """The latest first."""
    return sorted(folder.glob(f"{number:06}-*.checkpoint"), reverse=True)
