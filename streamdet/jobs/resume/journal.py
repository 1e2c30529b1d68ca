"""What a job notes while it runs so that `--resume` can go on with it, whatever ended it.

A folder beside the first output: `job.json` says what job it is and which sources are done, and each of the last
checkpoints of the source at work is a file. One that a power cut tore is found by its hash, and the one before serves.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from streamdet.errors import ConfigError, SinkError
from streamdet.frames import Checkpoint
from streamdet.jobs.resume.checkpoints import SavedCheckpoint, read_checkpoint, write_checkpoint
from streamdet.media.write.interrupted import written_before
from streamdet.media.write.part_file import Mark, part_path, write_at_once

log = logging.getLogger("streamdet")

CHECKPOINT_FRAMES = 240
"""Of a source: after so many frames a checkpoint. A multiple of a clip's frames, so that no clip is cut short."""

_FORMAT = 1
_KEPT = 3
_MOST_SHOWN = 60
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
        self._lock: IO[bytes] | None = None
        self._identity = dict(identity)
        self._names = list(names)
        self._failed = False

    def begin(self) -> None:
        """Make the folder, without what another job left there, and hold it while the run goes on.

        Raises:
            ConfigError: another run holds it.
        """
        with self._may_fail():
            self.folder.mkdir(exist_ok=True)
            self._lock = _locked(self.folder / "lock")
            if not self._goes_on:
                for path in (*self.folder.glob("*.checkpoint"), self.folder / "job.json"):
                    path.unlink(missing_ok=True)
            self._write_job()

    def commit(self, checkpoint: Checkpoint, counted: Mapping[str, Any]) -> None:
        """Keep a checkpoint that all stages have seen.

        Args:
            checkpoint: of the source at work.
            counted: what was counted of it so far.
        """
        number = self._names.index(checkpoint.source)
        if self._lock is None:  # the folder could not be begun, and may be another job's
            return
        with self._may_fail():
            write_checkpoint(self.folder / f"{number:06}-{checkpoint.frames:012}.checkpoint", checkpoint, counted)
            for old in _checkpoints(self.folder, number)[_KEPT:]:
                old.unlink()

    @property
    def has_checkpoints(self) -> bool:
        """Whether there is one of a source that is not complete."""
        return holds_checkpoints(self.folder)

    def finish(self, source: str, counted: Mapping[str, Any], outputs: Iterable[Path]) -> None:
        """Note that a source and its outputs are complete; with the last one the job is, which `remove` says."""
        is_last = len(self.done) + 1 == len(self._names)
        if not is_last:
            self.done[source] = dict(counted)
        with self._may_fail():
            self._published |= {str(path): _version(path) for path in outputs if path.is_file()}
            self._write_job()
            for old in [] if is_last else _checkpoints(self.folder, self._names.index(source)):
                old.unlink()

    def leave(self, outputs: Iterable[Path]) -> None:
        """The job was stopped: note which outputs have their names all the same, with what there is of them."""
        with self._may_fail():
            self._published = {str(path): _version(path) for path in outputs if path.is_file()}
            self._write_job()
        self._let_go()

    def remove(self) -> None:
        """The job is complete."""
        if self._lock is not None:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _write_job(self) -> None:
        if self._lock is None:
            return
        job = {"identity": self._identity, "done": self.done, "published": self._published, "boot": _boot()}
        text = json.dumps(job)
        noted = {"format": _FORMAT, "sha256": hashlib.sha256(text.encode()).hexdigest(), "job": text}
        write_at_once(self.folder / "job.json", json.dumps(noted, indent=1).encode())

    @contextmanager
    def _may_fail(self) -> Iterator[None]:
        """The job goes on without its journal; that is said once."""
        try:
            yield
        except (OSError, SinkError) as error:
            level = log.debug if self._failed else log.warning
            level("%s: --resume may have to begin earlier: %s", self.folder, error)
            self._failed = True


def journal_folder(output: Path) -> Path:
    """Where the journal of a job is whose first output this is."""
    return output.with_name(f".{output.name}.journal")


def holds_checkpoints(folder: Path) -> bool:
    """Whether there is anything to go on from."""
    try:
        return any(path.suffix == ".checkpoint" for path in folder.iterdir())
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Noted:
    """What a journal says of its job.

    Attributes:
        identity: what must be equal for a run to go on with it.
        done: sources that are complete, and what was counted of them.
        published: outputs that have their final names, with length and time.
        boot: which start of the machine it was; None where that cannot be told.
    """

    identity: dict[str, Any]
    done: dict[str, Any]
    published: dict[str, Any]
    boot: str | None

    def has_published(self, path: Path) -> bool:
        """Whether an output is what the job gave its final name."""
        try:
            return self.published.get(str(path)) == _version(path)
        except OSError:
            return False

    @property
    def lost_nothing(self) -> bool:
        """Whether all that was written is there: there was no power cut since."""
        return self.boot is not None and self.boot == _boot()


def read_job(folder: Path) -> Noted:
    """Read what job a journal is of.

    Raises:
        ConfigError: it cannot be read.
    """
    path = folder / "job.json"
    try:
        noted = json.loads(path.read_bytes())
        if noted["format"] != _FORMAT:
            raise ConfigError(f"{path}: has format {noted['format']}, expected {_FORMAT}{_HINT}")
        if hashlib.sha256(noted["job"].encode()).hexdigest() != noted["sha256"]:
            raise ConfigError(f"{path}: is damaged{_HINT}")
        job = json.loads(noted["job"])
        return Noted(dict(job["identity"]), dict(job["done"]), dict(job["published"]), job["boot"])
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}{_HINT}") from error
    except (AttributeError, LookupError, TypeError, ValueError) as error:
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
            yield f"{prefix}{key}", _short(old), _short(new)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."


def last_checkpoint(
    folder: Path, source: tuple[int, str], video: Path | None, detections: Path | None, noted: Noted, *, coco: bool
) -> SavedCheckpoint | None:
    """The latest checkpoint of a source of which all that was written before it is there.

    Args:
        folder: of the journal.
        source: its number and name.
        video, detections: its outputs; None where it has none.
        noted: what the journal says.
        coco: the detections are COCO results, which get their name when they are complete.
    """
    number, name = source
    found = []
    for path in _checkpoints(folder, number):
        try:
            saved = read_checkpoint(path)
        except ConfigError as error:
            log.debug("%s", error)
        else:
            if saved.checkpoint.source == name:
                found.append(saved)
    facts = [saved.checkpoint.facts for saved in found]
    packets = 0
    if video is not None and found:
        marks = [Mark(**each["encode"]["mark"]) for each in facts]
        published = noted.has_published(video)
        written, packets = written_before(video, marks, whole=noted.lost_nothing, published=published)
        for each in facts:
            each["encode"]["written"] = str(written)
    if detections is not None and coco and not noted.has_published(detections):
        detections = part_path(detections)
    for saved, each in zip(found, facts, strict=True):
        if (video is None or each["encode"]["packets"] <= packets) and (
            detections is None or Mark(**each["record"]["mark"]).fits(detections)
        ):
            return saved
    return None


def _version(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _boot() -> str | None:
    """Which start of the machine this is; None where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None


def _locked(path: Path) -> IO[bytes]:
    """A file that is locked until it is closed, or its process ends.

    Raises:
        OSError: it cannot be opened.
        ConfigError: another process has locked it.
    """
    file = path.open("ab")
    try:
        import fcntl  # Windows has none

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except ImportError:
        pass
    except BlockingIOError as error:
        file.close()
        raise ConfigError(f"{path.parent}: another run is at work on this job; wait for its end, or stop it") from error
    return file


def _checkpoints(folder: Path, number: int) -> list[Path]:
    """The latest first."""
    return sorted(folder.glob(f"{number:06}-*.checkpoint"), reverse=True)
