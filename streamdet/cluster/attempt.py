"""One attempt at one file: it writes under its own names, and what it wrote is published once, whoever else tries.

An attempt's outputs are in a folder of its own, `.<key>.<run>.<attempt>` beside their final place; of outputs in
buckets the folder is in the machine's scratch, and is sent to such a place in the bucket when it is complete. Then the
attempt claims the file: it creates `claims/<key>`, which only one can, and which says what is to be moved where.
Whoever finds a claim finishes these moves, so an end between claim and move, or an attempt that was taken for dead,
changes nothing.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from streamdet.cluster import storage
from streamdet.errors import SinkError
from streamdet.jobs.outputs import SourceOutput
from streamdet.jobs.plan import SourceJob
from streamdet.jobs.resume.journal import checkpoint_files
from streamdet.media.locations import SourceSpec, redact


@dataclass(frozen=True, slots=True)
class Piece:
    """One file of a job, as it is sent to a worker.

    Attributes:
        job: what is done with it. Outputs that go to buckets have a path here that only tells their names.
        finals: final places of the outputs, in their order: paths or addresses.
        claims: the folder of the claims of this run, named by it; a run that continues another one has its name.
        fetch: the address that it is fetched from before; None for a file that the worker can open.
    """

    job: SourceJob
    finals: tuple[str, ...]
    claims: str
    fetch: str | None = None

    @property
    def name(self) -> str:
        """Of the source."""
        return self.job.name

    @property
    def key(self) -> str:
        """A file name that stands for the source."""
        return hashlib.sha256(self.name.encode()).hexdigest()[:24]

    @property
    def run(self) -> str:
        """The name of the run."""
        return self.claims.rpartition("/")[2]

    @property
    def claim(self) -> str:
        """Where the claim is."""
        return storage.join(self.claims, self.key)


def claimed(piece: Piece) -> dict[str, Any] | None:
    """What an attempt that was complete has done; its moves are finished now. None where there was none.

    Raises:
        SinkError: the place cannot be read or written.
    """
    data = storage.read(piece.claim)
    if data is None:
        return None
    claim = json.loads(data)
    _finish(piece, claim)
    row: dict[str, Any] = claim["row"]
    return row


class Attempt:
    """The folder of one attempt, and how it becomes the result.

    Args:
        piece: the file.
        scratch: a folder of this machine, for what goes to and comes from buckets.
    """

    def __init__(self, piece: Piece, scratch: Path) -> None:
        self._piece, self._scratch = piece, scratch
        self._series = f".{piece.key}.{piece.run}"
        self._mark = f"{self._series}.{secrets.token_hex(6)}"
        self._folders = {folder: self._folder_of(folder) for folder in map(_parent, piece.finals)}
        self._claimed = False

    @property
    def shown(self) -> dict[str, str]:
        """What stands for its folders in messages."""
        return {f"{folder}/": f"{redact(final)}/" for final, folder in self._folders.items()}

    def job(self) -> SourceJob:
        """The job with this attempt's names, continued from the furthest attempt before it where that can be.

        Raises:
            SinkError: its folder cannot be made.
        """
        try:
            for folder in self._folders.values():
                folder.mkdir(parents=True)
        except OSError as error:
            raise SinkError(f"{error.filename}: cannot be made: {error.strerror}") from error
        outputs = tuple(self._output(*each) for each in zip(self._piece.job.outputs, self._piece.finals, strict=True))
        job = replace(self._piece.job, outputs=outputs, folders=(), spec=self._source())
        resumed = job.journal is not None and self._continue(job.journal)
        config = job.config.model_copy(update={"resume": resumed, "overwrite": not resumed})
        return replace(job, config=config)

    def publish(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Make what was written the result.

        Args:
            row: what the ledger and the report say of the file.

        Returns:
            The row of the attempt whose result it is: this one's, or that of one which came before.

        Raises:
            SinkError: the place cannot be written, or another attempt took this one for dead and is complete.
        """
        claim = {"row": dict(row), "moves": list(self._sent())}
        data = json.dumps(claim, ensure_ascii=False).encode()
        gone = next((final for final, folder in self._folders.items() if not folder.is_dir()), None)
        self._claimed = gone is None and storage.create(self._piece.claim, data)
        if self._claimed:
            _finish(self._piece, claim)
            return dict(row)
        self.discard()
        earlier = claimed(self._piece)
        if earlier is None:
            what = f"{redact(gone)}/: what was written for {self._piece.name}" if gone else self._piece.claim
            raise SinkError(f"{what}: was removed meanwhile")
        return earlier

    def discard(self) -> None:
        """Forget what was written, unless it is the result: then whoever finds the claim finishes its moves."""
        if self._claimed:
            return
        for folder in self._folders.values():
            shutil.rmtree(folder, ignore_errors=True)

    def _folder_of(self, folder: str) -> Path:
        if storage.is_bucket(folder):
            return self._scratch / hashlib.sha256(folder.encode()).hexdigest()[:8] / self._mark
        return Path(folder, self._mark)

    def _output(self, output: SourceOutput, final: str) -> SourceOutput:
        is_folder = final.endswith("/")
        staged = self._folders[_parent(final)] / final.rstrip("/").rpartition("/")[2]
        return replace(output, target=f"{staged}/" if is_folder else staged)

    def _source(self) -> SourceSpec:
        """The source, fetched where that is needed."""
        spec, address = self._piece.job.spec, self._piece.fetch
        if address is None:
            return spec
        path = self._scratch / address.partition("?")[0].rpartition("/")[2]
        storage.get(address, path)
        return replace(spec, location=str(path))

    def _continue(self, journal: Path) -> bool:
        """Copy what the furthest attempt before this one has left; it may be at work still, and keeps its own."""
        mine = journal.parent
        others = (folder for folder in _attempts(mine.parent, self._series) if folder != mine)
        journals = [folder / journal.name for folder in others]
        reached = {each: files[0].name for each in journals if (files := checkpoint_files(each))}
        if not reached:
            return False
        best = max(reached, key=lambda each: reached[each]).parent
        try:
            _copy(best / journal.name, journal)
            for parent, folder in self._folders.items():
                before = Path(parent, best.name)
                for path in before.iterdir() if before.is_dir() else ():
                    if path.name != journal.name:
                        _copy(path, folder / path.name)
        except (OSError, shutil.Error):  # it removes and renames files of its own meanwhile
            for folder in self._folders.values():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir(parents=True)
            return False
        return True

    def _sent(self) -> Iterator[tuple[str, str]]:
        """What is to be moved where, after what goes to buckets has been sent."""
        for parent, folder in self._folders.items():
            for path in sorted(folder.rglob("*")):
                name = path.relative_to(folder).as_posix()
                if not path.is_file() or name.startswith("."):
                    continue
                final, staged = storage.join(parent, name), str(path)
                if storage.is_bucket(parent):
                    staged = storage.join(storage.join(parent, self._mark), name)
                    storage.put(path, staged)
                yield staged, final


def _finish(piece: Piece, claim: Mapping[str, Any]) -> None:
    """Do the moves of a claim that are not done, and remove all attempts."""
    for staged, final in claim["moves"]:
        if not storage.is_bucket(final):
            with suppress(OSError):
                Path(final).parent.mkdir(parents=True, exist_ok=True)
        storage.move(staged, final)
    for parent in {_parent(final) for final in piece.finals}:
        if storage.is_bucket(parent):
            for staged in {staged.rpartition("/")[0] for staged, _ in claim["moves"] if staged.startswith(parent)}:
                storage.remove_tree(staged)
            continue
        for folder in _attempts(Path(parent), f".{piece.key}"):
            shutil.rmtree(folder, ignore_errors=True)


def _parent(final: str) -> str:
    return final.rstrip("/").rpartition("/")[0] or "."


def _attempts(folder: Path, series: str) -> list[Path]:
    return [path for path in folder.glob(f"{series}.*") if path.is_dir()]


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("lock", "reserve"))
    else:
        shutil.copy2(source, target)
