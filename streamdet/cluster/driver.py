"""Files are given to workers, and given again where a worker is lost; each is done once."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any, Protocol

from streamdet.cluster.attempt import Piece
from streamdet.cluster.ledger import Ledger

_TRIES = 2  # of a file that fails, or whose worker dies while its machine lives
_MOST_TRIES = 6  # of one whose machines die


@dataclass(frozen=True, slots=True)
class Lost:
    """What came in place of a row: the worker of a file is gone.

    Attributes:
        reason: one line.
        node: the machine that it was on; None where that is not known.
    """

    reason: str
    node: str | None = None


class Pool(Protocol):
    """Where pieces are done."""

    @property
    def window(self) -> int:
        """How many pieces it takes at the same time."""
        ...

    def submit(self, piece: Piece, *, last: bool) -> None:
        """Start with a piece; `last`: what there is of a video that fails is published."""
        ...

    def wait(self, seconds: float) -> list[tuple[Piece, dict[str, Any] | Lost]]:
        """What is done, at most so long later."""
        ...

    def frames(self) -> dict[str, int]:
        """How far the pieces at work are, by name, as far as that is known."""
        ...

    def lives(self, node: str) -> bool:
        """Whether a machine is there."""
        ...

    def drop(self) -> None:
        """Stop the work on all pieces now."""
        ...


@dataclass(slots=True)
class Progress:
    """How far a job over many files is.

    Attributes:
        files, done, failed, running: counts of files; done includes those that failed, and what earlier runs have done.
        before: files that earlier runs have done.
        frames: of all files that this run has worked on.
        elapsed_s: since the start.
    """

    files: int
    done: int = 0
    failed: int = 0
    running: int = 0
    before: int = 0
    frames: int = 0
    elapsed_s: float = 0.0

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self.frames / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds to its end; None while nothing is known."""
        done = self.done - self.before
        return None if done == 0 else (self.files - self.done) * self.elapsed_s / done


@dataclass(slots=True)
class _File:
    piece: Piece
    tries: int = 0
    lost_on: list[str | None] = field(default_factory=list)


class Driver:
    """Does a job's files in a pool. It may end at any moment: the next one continues by ledger and claims.

    Args:
        pieces: files that are not done yet.
        pool: where.
        ledger: what earlier runs have done, and where it is noted.
        say: told, in one line, of every file that is tried again, and of what comes to nothing.
        show: told the progress, about once a second.
    """

    def __init__(
        self,
        pieces: Sequence[Piece],
        pool: Pool,
        ledger: Ledger,
        say: Callable[[str], None] = lambda line: None,
        show: Callable[[Progress], None] = lambda progress: None,
    ) -> None:
        self._waiting = deque(_File(piece) for piece in pieces)
        self._flying: dict[str, _File] = {}
        self._pool, self._ledger, self._say, self._show = pool, ledger, say, show
        before = len(ledger.rows)
        self.progress = Progress(before + len(pieces), before, before=before)
        self._stopped = self._cancelled = False
        self._counted = 0

    def run(self) -> bool:
        """Work until all files are done or given up, or it is stopped; True where none is left."""
        started_s = shown_s = monotonic()
        while (self._waiting and not self._stopped) or self._flying:
            if self._cancelled:
                self._pool.drop()
                return False
            while self._waiting and not self._stopped and len(self._flying) < self._pool.window:
                self._submit(self._waiting.popleft())
            for piece, found in self._pool.wait(0.5):
                self._take(self._flying.pop(piece.name), found)
            now_s = monotonic()
            self.progress.elapsed_s, self.progress.running = now_s - started_s, len(self._flying)
            if now_s - shown_s >= 1.0:
                shown_s = now_s
                self.progress.frames = self._counted + sum(self._pool.frames().values())
                self._show(self.progress)
        self.progress.frames = self._counted
        return not self._waiting

    def stop(self) -> None:
        """Give out no more files, and end when those at work are done. Takes no lock: safe in a signal handler."""
        self._stopped = True

    def cancel(self) -> None:
        """End now; the files at work continue where they are in the next run. Safe where `stop` is."""
        self._stopped = self._cancelled = True

    def _submit(self, file: _File) -> None:
        file.tries += 1
        self._flying[file.piece.name] = file
        self._pool.submit(file.piece, last=self._is_last(file))

    def _is_last(self, file: _File) -> bool:
        return self._counting(file) + 1 >= _TRIES or file.tries >= _MOST_TRIES

    def _counting(self, file: _File) -> int:
        """Tries of which the machine lives: those that a machine has taken along are not the file's fault."""
        gone = sum(1 for node in file.lost_on if node is not None and not self._pool.lives(node))
        return file.tries - gone - (1 if file.piece.name in self._flying else 0)

    def _take(self, file: _File, found: dict[str, Any] | Lost) -> None:
        name = file.piece.name
        if isinstance(found, Lost):
            file.lost_on.append(found.node)
            failures = [{"what": "run", "source": name, "message": f"{name}: {found.reason}"}]
            row: dict[str, Any] = {"source": name, "frames": 0, "failures": failures}
        else:
            row = found
        if row["failures"] and self._counting(file) < _TRIES and file.tries < _MOST_TRIES and not self._cancelled:
            self._say(f"{name}: is tried again: {row['failures'][0]['message']}")
            self._waiting.appendleft(file)
            return
        row = {**row, "location": file.piece.job.spec.shown, "tries": file.tries}
        self._ledger.add(row)
        self._counted += int(row.get("frames_of_this_run", 0))
        self.progress.done += 1
        if row["failures"]:
            self.progress.failed += 1
            for failure in row["failures"]:
                self._say(str(failure["message"]))
