"""Which runner writes a camera's file: a mark beside it, for a machine that the driver cannot reach any more.

A machine may be cut off from the driver and still see the shared folder. Then its cameras are given to others while it
reads on, and nobody can tell it to stop; but it can see that another one has put its mark beside the file.
"""

import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from streamdet.media.write.part_file import write_error

LOOK_EVERY_S = 0.5
TAKE_S = 4 * LOOK_EVERY_S  # until a writer that is at work has surely looked


class Writer:
    """This process as one that writes files alone. Its methods may be called from any thread.

    Args:
        lost: called with a file that another one has taken; it must not return before writing has ended.
    """

    def __init__(self, lost: Callable[[Path], None]) -> None:
        self._name, self._lost = secrets.token_hex(16), lost
        self._looked_s: dict[Path, float] = {}

    def take(self, paths: Iterable[Path]) -> None:
        """Write these files alone from now on; where another one has written one, wait until it has noticed.

        Raises:
            SinkError: a mark cannot be written.
        """
        others = [path for path in paths if self._taken(path)]
        if others:
            sleep(TAKE_S)

    def _taken(self, path: Path) -> bool:
        """Put the mark beside a file; whether there was one of another writer."""
        try:
            before = _writer_of(path)
            if before != self._name:
                path.parent.mkdir(parents=True, exist_ok=True)
                _sign(mark_of_writer(path), self._name)
        except OSError as error:
            raise write_error(path, error) from error
        self._looked_s[path] = monotonic()
        return before not in (None, self._name)

    def check(self, target: Path | str) -> None:
        """Before something is written to a target: make sure that no other one has taken it.

        It looks twice a second at most. Where it cannot look, neither can it write.
        """
        now_s = monotonic()
        if not isinstance(target, Path) or now_s - self._looked_s.get(target, now_s) < LOOK_EVERY_S:
            return
        with suppress(OSError):
            if _writer_of(target) != self._name:
                self._lost(target)
            self._looked_s[target] = now_s

    def release(self, paths: Iterable[Path]) -> None:
        """Others may take these files without waiting."""
        for path in paths:
            if self._looked_s.pop(path, None) is not None:
                with suppress(OSError):
                    if _writer_of(path) == self._name:
                        mark_of_writer(path).unlink()


def mark_of_writer(path: Path) -> Path:
    """The file that says who writes a file."""
    return path.with_name(f".{path.name}.writer")


def _sign(mark: Path, name: str) -> None:
    """In place: network file systems show others at once what is new in a file, and a new file of that name later."""
    with mark.open("w", encoding="ascii") as file:
        file.write(name)
        file.flush()
        os.fsync(file.fileno())


def _writer_of(path: Path) -> str | None:
    """None where nobody writes it; raises OSError."""
    try:
        return mark_of_writer(path).read_text(encoding="ascii", errors="replace")
    except FileNotFoundError:
        return None
