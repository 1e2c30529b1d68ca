"""Where lines of text go: a file that is valid at every moment, or standard output."""

import errno
import os
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from streamdet.errors import SinkError
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.part_file import mark_of, write_error
from streamdet.media.write.standard_output import StandardOutput, stdout_error, write_all


class Lines(Protocol):
    """Takes whole lines. Both methods raise SinkError."""

    def append(self, data: bytes) -> None:
        """Add lines."""
        ...

    def close(self) -> None:
        """Finish it."""
        ...


class GrowingFile:
    """A file to which whole pieces are added: where one does not fit, nothing of it stays.

    Args:
        path: where the bytes go.
        target: the name that messages say.
        tail: what the file ends with at every moment; new pieces go before it.
        resume_at: bytes of a file that already exists that stay.
    """

    def __init__(self, path: Path, target: Path, tail: bytes = b"", resume_at: int | None = None) -> None:
        self._path = path
        self._target = target
        self._tail = tail
        self._end = resume_at or 0
        try:
            # No buffer: what append() has taken is in the file, and close() has nothing left that may fail.
            self._file = path.open("wb" if resume_at is None else "r+b", buffering=0)
            if resume_at is not None:
                self._file.truncate(resume_at)
        except OSError as error:
            raise write_error(target, error) from error

    def append(self, data: bytes) -> None:
        """See Lines."""
        try:
            self._put(data + self._tail)
        except OSError as error:
            with suppress(OSError):  # there was room for these bytes before
                self._put(self._tail)
                self._file.truncate()
            raise write_error(self._target, error) from error
        self._end += len(data)

    def checkpoint(self) -> dict[str, Any]:
        """See DetectionFile."""
        self._sync()
        try:
            return {"mark": asdict(mark_of(self._path, self._end))}
        except OSError as error:
            raise write_error(self._target, error) from error

    def close(self) -> None:
        """See Lines."""
        try:
            self._sync()
            if not self._has_its_name():
                raise SinkError(f"{self._target}: was removed while it was being written")
        finally:
            self._file.close()

    def _has_its_name(self) -> bool:
        """What is removed can be written to anyway, and nobody will ever see it."""
        try:
            return os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except OSError:
            return False

    def _sync(self) -> None:
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.EROFS):  # a pipe or a device
                raise write_error(self._target, error) from error

    def _put(self, data: bytes) -> None:
        self._file.seek(self._end)
        write_all(self._file.write, data)


class LastingFile:
    """A file of lines that loses some while it cannot be written, and continues."""

    def __init__(self, file: GrowingFile, delivery: Delivery) -> None:
        self._file = file
        self._delivery = delivery

    def append(self, data: bytes) -> None:
        """See Lines."""
        try:
            self._file.append(data)
        except SinkError as error:
            self._delivery.fail(str(error))
            self._delivery.drop("failed")
        else:
            self._delivery.sent += 1
            self._delivery.recover()

    def checkpoint(self) -> dict[str, Any]:
        """See DetectionFile."""
        return self._file.checkpoint()

    def close(self) -> None:
        """See Lines; fails where lines are missing."""
        self._file.close()
        if lost := self._delivery.dropped.total():
            raise SinkError(f"{self._delivery.shown}: could not be written for a time; {lost} lines are missing")


class Stdout:
    """Standard output, for all streams."""

    def __init__(self) -> None:
        self._output = StandardOutput()

    def append(self, data: bytes) -> None:
        """See Lines."""
        try:
            self._output.write(data)
        except OSError as error:
            raise stdout_error(error) from error

    def close(self) -> None:
        """It is not ours."""


def checkpoint_of(lines: Lines) -> dict[str, Any]:
    """Of files; what was sent or read cannot be taken back."""
    return lines.checkpoint() if isinstance(lines, GrowingFile | LastingFile) else {}


def start_file(file: Lines, data: bytes) -> None:
    """Write the first bytes; a file that does not even take those is closed."""
    try:
        file.append(data)
    except SinkError:
        with suppress(SinkError):
            file.close()
        raise
