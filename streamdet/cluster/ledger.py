"""What a job over many files has done: a line for each file, written by the driver alone.

It saves the driver from asking for every file again. The truth is in the claims, see `attempt`: where the last lines
are lost, as on a full disk, the claims say the same.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Self

from streamdet.cluster import storage
from streamdet.errors import ConfigError, SinkError
from streamdet.jobs.resume.locking import hold
from streamdet.media.write.standard_output import write_all

FORMAT = 1
_HINT = "; --overwrite starts again"
_PUT_EVERY = 500  # lines; a bucket cannot append


class Ledger:
    """The open ledger of a job.

    Args:
        place: the file, or its address in a bucket.
        head: what the first line says.
        rows: what earlier runs have written, by name of the source.
    """

    def __init__(self, place: str, head: Mapping[str, Any], rows: dict[str, dict[str, Any]]) -> None:
        self.place, self.head, self.rows = place, dict(head), rows
        self._pending: list[bytes] = []
        self._file = None if storage.is_bucket(place) else _held(Path(place))
        self._end = 0 if self._file is None else self._file.tell()

    @classmethod
    def start(cls, place: str, head: Mapping[str, Any]) -> Self:
        """A new one, in place of what is there.

        Raises:
            SinkError: it cannot be written.
        """
        head = {"format": FORMAT, **head}
        storage.write(place, _line(head))
        return cls(place, head, {})

    @classmethod
    def load(cls, place: str) -> Self | None:
        """Continue the one that is there; None where none is. A torn last line is dropped.

        Raises:
            ConfigError: it is not one of this version.
            SinkError: it cannot be read or written.
        """
        data = storage.read(place)
        if data is None:
            return None
        try:
            head, *rows = _parsed(data)
            if head["format"] != FORMAT:
                raise ConfigError(f"{place}: has format {head['format']}, expected {FORMAT}{_HINT}")
            return cls(place, head, {row["source"]: row for row in rows})
        except (ValueError, LookupError, TypeError) as error:
            raise ConfigError(f"{place}: is not a ledger of streamdet{_HINT}") from error

    def add(self, row: Mapping[str, Any]) -> None:
        """Note what became of a file; `source` names it. A line that cannot be written is, with a later one."""
        self.rows[row["source"]] = dict(row)
        self._pending.append(_line(row))
        if self._file is not None or len(self._pending) >= _PUT_EVERY:
            self._write()

    def close(self) -> None:
        """Nothing is added any more."""
        if self._pending:
            self._write()
        if self._file is not None:
            self._file.close()

    def _write(self) -> None:
        with suppress(OSError, SinkError):
            if self._file is None:
                storage.write(self.place, b"".join(map(_line, [self.head, *self.rows.values()])))
            else:
                data = b"".join(self._pending)
                self._file.seek(self._end)
                write_all(self._file.write, data)
                self._end += len(data)
            self._pending.clear()


def _held(path: Path) -> IO[bytes]:
    """Open to append behind its last whole line, and held against a second driver.

    Raises:
        ConfigError: another driver holds it.
        SinkError: it cannot be written.
    """
    try:
        file = path.open("r+b", buffering=0)
        hold(file, path)
        file.truncate(file.read().rfind(b"\n") + 1)
        file.seek(0, os.SEEK_END)
    except OSError as error:
        raise SinkError(f"{path}: cannot be written: {error.strerror}") from error
    return file


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _parsed(data: bytes) -> Iterator[dict[str, Any]]:
    """All whole lines: a torn one at the end is none."""
    for line in data.split(b"\n")[:-1]:
        yield json.loads(line)
