"""The file of an output while it is written: `.<name>.part` beside its place, which it takes in one step when done.

One that others may want to see while it grows is in its place from the start.
"""

import hashlib
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av

from streamdet.errors import SinkError
from streamdet.media.container import reason

_TAIL_BYTES = 2**16


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was, and what it held there: tells a file from another one of its name.

    Attributes:
        length: in bytes.
        tail_sha256: of the last 64 kB before.
    """

    length: int
    tail_sha256: str

    def fits(self, path: Path) -> bool:
        """Whether a file holds what this was made of."""
        try:
            return path.stat().st_size >= self.length and mark_of(path, self.length) == self
        except OSError:
            return False


def mark_of(path: Path, length: int) -> Mark:
    """Mark a place in a file.

    Raises:
        OSError: it cannot be read.
    """
    first = max(0, length - _TAIL_BYTES)
    with path.open("rb") as file:
        file.seek(first)
        return Mark(length, hashlib.sha256(file.read(length - first)).hexdigest())


class PartFile:
    """Reserves an output's place.

    Args:
        target: the final path; what is there stays untouched until `publish`.
        in_place: it grows under its final name; what is there is replaced at once.
        resumes: what an interrupted run has written stays; where it gave it the final name, it is taken back.

    Raises:
        SinkError: nothing can be written there.
    """

    def __init__(self, target: Path, *, in_place: bool = False, resumes: bool = False) -> None:
        self.target = target
        self.path = target if in_place else part_path(target)
        self.faststart_path = target.with_name(f".{target.name}.faststart.part")
        try:
            if target.is_dir():
                raise SinkError(f"{target}: is a folder, expected a file name in it")
            if not target.parent.is_dir():
                raise SinkError(f"{target}: there is no folder {target.parent}; create it first")
            if resumes and not self.path.exists():
                target.replace(self.path)
            self.path.open("ab" if resumes else "wb").close()
        except OSError as error:
            raise write_error(target, error) from error

    def sync(self) -> "Mark":
        """Make sure that what was written so far survives a power cut.

        Raises:
            OSError: the disk failed.
        """
        _sync(self.path)
        return mark_of(self.path, self.path.stat().st_size)

    def publish(self, ready: Path) -> None:
        """Give a complete file the final name, atomically and so that a power cut leaves the old or the new one whole.

        Raises:
            SinkError: the folder is gone, or the disk failed.
        """
        try:
            _sync(ready)
            if ready != self.target:
                os.replace(ready, self.target)
        except OSError as error:
            raise write_error(self.target, error) from error
        with suppress(OSError):  # not every file system can sync a folder
            _sync(self.target.parent)
        self._remove({self.path, self.faststart_path} - {self.target})

    def discard(self) -> None:
        """Remove what was not published."""
        self._remove({self.path, self.faststart_path})

    def _remove(self, paths: set[Path]) -> None:
        for path in paths:
            with suppress(OSError):
                path.unlink()

    def cut_to_whole_fragments(self) -> None:
        """Drop a torn fragment from the end of a fragmented mp4."""
        with suppress(OSError):
            os.truncate(self.path, end_of_whole_fragments(self.path))

    def holds_video(self) -> bool:
        """Whether there is anything in it to be played."""
        try:
            with av.open(str(self.path.absolute())) as file:
                return any(packet.size for packet in file.demux(video=0))
        except (av.FFmpegError, IndexError):
            return False


def write_at_once(target: Path, data: bytes) -> None:
    """Write a file that appears under its name when it is whole; a power cut leaves the old or the new one.

    Raises:
        SinkError: it cannot be written.
    """
    part = PartFile(target)
    try:
        part.path.write_bytes(data)
    except OSError as error:
        part.discard()
        raise write_error(target, error) from error
    part.publish(part.path)


def part_path(target: Path) -> Path:
    """Where an output grows until it is complete."""
    return target.with_name(f".{target.name}.part")


def end_of_whole_fragments(path: Path) -> int:
    """Length of the part of a fragmented mp4 that is whole: up to the last complete mdat, 0 without one.

    Source: ISO/IEC 14496-12, 4.2: a box starts with its size in 32 bits and its type; size 1 puts 64 bits after them.
    """
    length, position, whole = path.stat().st_size, 0, 0
    with path.open("rb") as file:
        while len(header := file.read(16)) >= 8:
            size, kind = struct.unpack_from(">I4s", header)
            if size == 1 and len(header) == 16:
                (size,) = struct.unpack_from(">Q", header, 8)
            position += size
            if size < 8 or position > length:
                break
            if kind == b"mdat":
                whole = position
            file.seek(position)
    return whole


def write_error(target: Path, error: Exception) -> SinkError:
    """One line that names the file and why it cannot be written."""
    said = reason(error) if isinstance(error, av.FFmpegError) else getattr(error, "strerror", None) or str(error)
    return SinkError(f"{target}: cannot be written: {said}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
