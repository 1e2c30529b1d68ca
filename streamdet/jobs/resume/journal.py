"""What is noted of a source while it is processed, so that `--resume` can continue it, whatever ended the run.

A folder beside the source's first output: `job.json` says what job it is and whether the source is complete, and each
of its last checkpoints is a file. One that a power cut tore is found by its hash, and the one before serves.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from streamdet.errors import ConfigError, SinkError
from streamdet.frames import Checkpoint
from streamdet.jobs.resume.checkpoints import write_checkpoint
from streamdet.jobs.resume.locking import hold
from streamdet.media.write.part_file import write_at_once

CHECKPOINT_FRAMES = 240
"""Frames between checkpoints. A multiple of a clip's frames, so that no clip is cut short."""

_FORMAT = 2
_KEPT = 3
_MAX_SHOWN = 60
_JOB = "job.json"
# Room that is given back on a full disk, for what must be noted at the end.
_RESERVE, _RESERVE_BYTES = "reserve", 2**16
HINT = "; --overwrite starts again"


@dataclass(frozen=True, slots=True)
class Noted:
    """What a journal says.

    Attributes:
        identity: what must be equal for a run to continue it.
        counted: what was counted of the source, where it is complete; None where it is not.
        published: outputs that have their final names, with length and time.
        boot: which start of the machine it was; None where that cannot be told.
    """

    identity: dict[str, Any]
    counted: dict[str, Any] | None
    published: dict[str, Any]
    boot: str | None

    def has_published(self, path: Path) -> bool:
        """Whether an output is what the run gave its final name."""
        try:
            return self.published.get(str(path)) == _version(path)
        except OSError:
            return False

    @property
    def lost_nothing(self) -> bool:
        """Whether all that was written is there: there was no power cut since."""
        return self.boot is not None and self.boot == _boot()


class Journal:
    """The journal of one source.

    Args:
        folder: where it is.
        identity: what must be equal for a run to continue it; any JSON values.
        before: what an interrupted run has noted; None where this is the first.
        warn: told, once, that the journal cannot be kept.
    """

    def __init__(
        self,
        folder: Path,
        identity: Mapping[str, Any],
        before: Noted | None = None,
        warn: Callable[[str], None] = lambda message: None,
    ) -> None:
        self.folder = folder
        self._identity = dict(identity)
        self._counted = None if before is None else before.counted
        self._published: dict[str, Any] = {} if before is None else dict(before.published)
        self._continues = before is not None
        self._warn = warn
        self._lock: IO[bytes] | None = None
        self._failed = False

    def start(self) -> None:
        """Make the folder, without what another job left there, and hold it while the source is processed.

        Raises:
            ConfigError: another run holds it.
        """
        if self._lock is not None:
            return
        self._counted = None
        with self._may_fail():
            self.folder.mkdir(exist_ok=True)
            self._lock = locked(self.folder)
            if not self._continues:
                for path in (*self.folder.glob("*.checkpoint"), self.folder / _JOB):
                    path.unlink(missing_ok=True)
            self._write()
            (self.folder / _RESERVE).write_bytes(bytes(_RESERVE_BYTES))

    def commit(self, checkpoint: Checkpoint, counted: Mapping[str, Any]) -> None:
        """Keep a checkpoint that all stages have seen.

        Args:
            checkpoint: of the source.
            counted: what was counted of it so far.
        """
        if self._lock is None:  # the folder could not be locked, and may be another job's
            return
        with self._may_fail():
            write_checkpoint(self.folder / f"{checkpoint.frames:012}.checkpoint", checkpoint, counted)
            for old in checkpoint_files(self.folder)[_KEPT:]:
                old.unlink()

    def finish(self, counted: Mapping[str, Any], outputs: Iterable[Path]) -> None:
        """Note that the source and its outputs are complete."""
        self._counted = dict(counted)
        with self._may_fail():
            self._published = {str(path): _version(path) for path in outputs if path.is_file()}
            self._write()
            if self._lock is not None:
                for old in (*checkpoint_files(self.folder), self.folder / _RESERVE):
                    old.unlink(missing_ok=True)
        self._let_go()

    def leave(self, outputs: Iterable[Path]) -> bool:
        """The run was stopped: note which outputs have their names anyway, with what there is of them.

        Returns:
            Whether there is anything to continue.
        """
        if self._lock is not None:
            with self._may_fail():
                self._published = {str(path): _version(path) for path in outputs if path.is_file()}
                self._write_somehow()
        self._let_go()
        return self._counted is not None or holds_checkpoints(self.folder)

    def remove(self) -> None:
        """It is not needed any more."""
        if self._lock is not None or self._counted is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._let_go()

    @property
    def has_checkpoints(self) -> bool:
        """Whether there is one to continue from."""
        return holds_checkpoints(self.folder)

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _write(self) -> None:
        if self._lock is None:
            return
        job = {"identity": self._identity, "counted": self._counted, "published": self._published, "boot": _boot()}
        text = json.dumps(job)
        noted = {"format": _FORMAT, "sha256": hashlib.sha256(text.encode()).hexdigest(), "job": text}
        write_at_once(self.folder / _JOB, json.dumps(noted, indent=1).encode())

    def _write_somehow(self) -> None:
        """Also on a full disk, where the reserve and the checkpoints before the latest one make room."""
        (self.folder / _RESERVE).unlink(missing_ok=True)
        try:
            self._write()
        except SinkError:
            for old in checkpoint_files(self.folder)[1:]:
                old.unlink()
            self._write()

    @contextmanager
    def _may_fail(self) -> Iterator[None]:
        """The source is processed without its journal; that is reported once."""
        try:
            yield
        except (OSError, SinkError) as error:
            if not self._failed:
                self._warn(f"{self.folder}: --resume may have to start earlier: {error}")
            self._failed = True


def journal_folder(output: Path) -> Path:
    """Where the journal of a source is whose first output this is."""
    return output.with_name(f".{output.name}.journal")


def checkpoint_files(folder: Path) -> list[Path]:
    """The latest first."""
    return sorted(folder.glob("*.checkpoint"), reverse=True)


def holds_checkpoints(folder: Path) -> bool:
    """Whether there is anything to continue from."""
    try:
        return any(path.suffix == ".checkpoint" for path in folder.iterdir())
    except OSError:
        return False


def check_unfinished(folder: Path, output: Path) -> None:
    """Make sure that no interrupted run left an output unfinished.

    Raises:
        ConfigError: one did.
    """
    if holds_checkpoints(folder):
        raise ConfigError(f"{output}: an interrupted run left it unfinished; --resume continues it{HINT}")


def check_free(folder: Path) -> None:
    """Make sure that no run is at work on a source.

    Raises:
        ConfigError: one is.
    """
    if (folder / "lock").exists():
        try:
            locked(folder).close()
        except OSError:
            return


def read_job(folder: Path) -> Noted | None:
    """Read what a journal says; None where there is none.

    Raises:
        ConfigError: it cannot be read.
    """
    path = folder / _JOB
    if not os.path.lexists(path):
        return None
    try:
        noted = json.loads(path.read_bytes())
        if noted["format"] != _FORMAT:
            raise ConfigError(f"{path}: has format {noted['format']}, expected {_FORMAT}{HINT}")
        if hashlib.sha256(noted["job"].encode()).hexdigest() != noted["sha256"]:
            raise ConfigError(f"{path}: is damaged{HINT}")
        job = json.loads(noted["job"])
        counted = None if job["counted"] is None else dict(job["counted"])
        return Noted(dict(job["identity"]), counted, dict(job["published"]), job["boot"])
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}{HINT}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ConfigError(f"{path}: is not a journal of streamdet{HINT}") from error


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
        raise ConfigError("\n".join([*lines[:5], f"expected the same job as in {folder}{HINT}"]))


def _differences(before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            yield f"{prefix}{key}", _short(old), _short(new)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _version(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _boot() -> str | None:
    """Which start of the machine this is; None where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def locked(folder: Path) -> IO[bytes]:
    """A file that is locked until it is closed, or its process ends.

    Raises:
        OSError: it cannot be opened.
        ConfigError: another process has locked it.
    """
    file = (folder / "lock").open("ab")
    hold(file, folder)
    return file
