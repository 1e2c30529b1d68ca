"""Files of detections: JSON Lines, MOTChallenge and COCO results. What was written is valid at every moment."""

import errno
import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path
from typing import Any, Literal, Protocol

from streamdet.errors import SinkError
from streamdet.frames import Marker, StreamEnded, StreamGap
from streamdet.media.locations import redact
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.part_file import PartFile, mark_of, write_error
from streamdet.result import Result
from streamdet.sinks.events import EventSender, is_event_address, open_transport

Format = Literal["jsonl", "mot", "coco"]
STDOUT = "-"
_FORMAT_NUMBER = 1  # of JSON Lines; one more when a reader of the old one would misunderstand the new


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What the first line of a JSON Lines file says about the run.

    Attributes:
        version: of streamdet.
        model: its name or path.
        model_sha256: of its file, None where it has none.
        classes: the model's class names.
    """

    version: str
    model: str
    model_sha256: str | None
    classes: tuple[str, ...]


class DetectionFile(Protocol):
    """Takes what flows, writes what its format has a place for. All methods raise SinkError."""

    def write(self, item: Result | Marker) -> None:
        """Add a frame or a marker."""
        ...

    def checkpoint(self) -> dict[str, Any]:
        """Make sure that what was written survives a power cut; what `resume` takes, as JSON holds it."""
        ...

    def close(self) -> None:
        """Finish it."""
        ...


def open_detection_file(
    path: str | Path,
    form: Format,
    header: RunHeader,
    sources: list[str],
    delivery: Callable[[str, str], Delivery] | None = None,
    *,
    live: bool = False,
    resume: Mapping[str, Any] | None = None,
) -> DetectionFile:
    """Begin a file.

    Args:
        path: the file, replaced where it exists; "-" for standard output; the address of a broker or a web server.
        form: jsonl takes any number of streams, mot and coco one.
        header: what JSON Lines begin with.
        sources: names of the streams that go into it.
        delivery: gives what counts the lines at an address, or of a live file, by that and their unit.
        live: a file of JSON Lines of a stream that goes on: while it cannot be written (a full disk), lines are
            dropped and counted.
        resume: of `checkpoint`, of a run that was interrupted: what came after it goes, and the file goes on there.

    Raises:
        SinkError: it cannot be written.
        ConfigError: the address is wrong.
    """
    if form == "coco":
        return _CocoFile(Path(path), resume)
    resume_at = None if resume is None else int(resume["mark"]["length"])
    lines = _lines(str(path), delivery or _uncounted, live, resume_at)
    if form == "mot":
        return _MotFile(lines)
    return _JsonLinesFile(lines, None if resume else _run_line(header, sources))


def _uncounted(path: str, unit: str) -> Delivery:
    return Delivery(redact(path), unit)


def _lines(path: str, delivery: Callable[[str, str], Delivery], live: bool, resume_at: int | None) -> "_Bytes":
    if path == STDOUT:
        return _Stdout()
    if is_event_address(path):
        transport = open_transport(path)
        return EventSender(transport, delivery(path, "lines"))
    file = _GrowingFile(Path(path), Path(path), resume_at=resume_at)
    return _LastingFile(file, delivery(path, "lines")) if live else file


class _Bytes(Protocol):
    def append(self, data: bytes) -> None: ...
    def close(self) -> None: ...


class _GrowingFile:
    """A file to which whole pieces are added: where one does not fit, nothing of it stays.

    Args:
        path: where the bytes go.
        target: the name that messages say.
        tail: what the file ends with at every moment; new pieces go before it.
        resume_at: bytes of a file that is there already that stay.
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
        try:
            self._put(data + self._tail)
        except OSError as error:
            with suppress(OSError):  # these bytes have had their place on the disk before
                self._put(self._tail)
                self._file.truncate()
            raise write_error(self._target, error) from error
        self._end += len(data)

    def checkpoint(self) -> dict[str, Any]:
        self._sync()
        try:
            return {"mark": asdict(mark_of(self._path, self._end))}
        except OSError as error:
            raise write_error(self._target, error) from error

    def close(self) -> None:
        try:
            self._sync()
            if not self._has_its_name():
                raise SinkError(f"{self._target}: was removed while it was written")
        finally:
            self._file.close()

    def _has_its_name(self) -> bool:
        """What is removed can be written to all the same, and nobody will ever see it."""
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
        _write_all(self._file.write, data)


class _LastingFile:
    """A file of lines that loses some while it cannot be written, and goes on."""

    def __init__(self, file: _GrowingFile, delivery: Delivery) -> None:
        self._file = file
        self._delivery = delivery

    def append(self, data: bytes) -> None:
        try:
            self._file.append(data)
        except SinkError as error:
            self._delivery.fail(str(error))
            self._delivery.drop("failed")
        else:
            self._delivery.sent += 1
            self._delivery.recover()

    def close(self) -> None:
        self._file.close()
        if lost := self._delivery.dropped.total():
            raise SinkError(f"{self._delivery.shown}: could not be written for a time; {lost} lines are missing")


class _Stdout:
    """Standard output, without Python's buffer: what a closed pipe refuses must not come up again at exit."""

    def __init__(self) -> None:
        sys.stdout.flush()
        self._write = getattr(sys.stdout.buffer, "raw", sys.stdout.buffer).write

    def append(self, data: bytes) -> None:
        try:
            _write_all(self._write, data)
        except BrokenPipeError as error:
            raise SinkError("standard output: its reader has gone") from error
        except OSError as error:
            raise SinkError(f"standard output: cannot be written: {error.strerror}") from error

    def close(self) -> None:
        """It is not ours."""


def _write_all(write: Callable[[memoryview], int | None], data: bytes) -> None:
    """Write all of it: the system may take less at a time, as from a disk that is nearly full."""
    left = memoryview(data)
    while left:
        left = left[write(left) or 0 :]


def _checkpoint(lines: _Bytes) -> dict[str, Any]:
    """Of files; what was sent or read cannot be taken back."""
    return lines.checkpoint() if isinstance(lines, _GrowingFile) else {}


def _begin(file: _Bytes, data: bytes) -> None:
    """Write the first bytes; a file that does not even take those is closed."""
    try:
        file.append(data)
    except SinkError:
        with suppress(SinkError):
            file.close()
        raise


class _JsonLinesFile:
    """One JSON object a line: the run, then frames, gaps and ends as they come."""

    def __init__(self, lines: _Bytes, first: dict[str, Any] | None) -> None:
        self._lines = lines
        if first is not None:
            _begin(lines, _json_line(first))

    def write(self, item: Result | Marker) -> None:
        if isinstance(item, Result):
            self._lines.append(frame_line(item))
        elif isinstance(item, StreamGap):
            lost_s = _rounded(item.lost_s, 3)
            line = {"type": "gap", "source": item.source, "session": item.session, "reason": item.reason}
            self._append({**line, "lost_s": lost_s})
        elif isinstance(item, StreamEnded):
            line = {"type": "end", "source": item.source, "frames": item.frames, "dropped": item.dropped}
            self._append({**line, "error": item.error} if item.error else line)

    def checkpoint(self) -> dict[str, Any]:
        return _checkpoint(self._lines)

    def close(self) -> None:
        self._lines.close()

    def _append(self, line: dict[str, Any]) -> None:
        self._lines.append(_json_line(line))


def _run_line(header: RunHeader, sources: list[str]) -> dict[str, Any]:
    return {
        "type": "run",
        "format": _FORMAT_NUMBER,
        "streamdet": header.version,
        "model": header.model,
        "model_sha256": header.model_sha256,
        "classes": list(header.classes),
        "sources": sources,
    }


def _json_line(line: dict[str, Any]) -> bytes:
    text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"{text}\n".encode()


def frame_line(result: Result) -> bytes:
    """The line of a frame in JSON Lines, as it is written."""
    frame = result.frame
    line = {
        "type": "frame",
        "source": frame.source,
        "session": frame.session,
        "frame": frame.index,
        "pts": frame.pts,
        "time_base": f"{frame.time_base.numerator}/{frame.time_base.denominator}",
        "time_s": round(frame.pts_s, 6),
        "width": result.width,
        "height": result.height,
    }
    if frame.wall_time is not None:  # a live source
        line["wall_time"] = frame.wall_time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line["latency_s"] = _rounded(result.latency_s, 4)
        line["dropped_before"] = frame.dropped_before
    found = result.detections.finite()
    line["detections"] = [
        {
            "box": [round(edge, 2) for edge in row.box],
            "class": row.class_name,
            "class_id": row.class_id,
            "score": round(row.score, 4),
            "track": row.track_id if row.track_id >= 0 else None,
        }
        for row in found
    ]
    return _json_line(line)


def _rounded(value: float | None, digits: int) -> float | None:
    return round(value, digits) if value is not None and math.isfinite(value) else None


class _MotFile:
    """MOTChallenge: a line a box, frames from 1, -1 for a box without identity."""

    def __init__(self, lines: _Bytes) -> None:
        self._lines = lines

    def write(self, item: Result | Marker) -> None:
        if isinstance(item, Result):
            lines = item.detections.finite().to_mot(item.index + 1)
            self._lines.append("".join(f"{line}\n" for line in lines).encode())

    def checkpoint(self) -> dict[str, Any]:
        return _checkpoint(self._lines)

    def close(self) -> None:
        self._lines.close()


class _CocoFile:
    """COCO results: one JSON array of {image_id, category_id, bbox xywh, score}.

    image_id is the frame's index + 1, category_id the class's index + 1. Its name appears when it is complete.
    """

    def __init__(self, path: Path, resume: Mapping[str, Any] | None = None) -> None:
        self._separator = "\n" if resume is None else resume["separator"]
        resume_at = None if resume is None else int(resume["mark"]["length"])
        self._part = PartFile(path, resumes=resume is not None)
        self._rows = _GrowingFile(self._part.path, path, b"\n]\n", resume_at)
        try:
            _begin(self._rows, b"[" if resume is None else b"")
        except SinkError:
            self._part.discard()
            raise

    def write(self, item: Result | Marker) -> None:
        if not isinstance(item, Result) or not (rows := item.detections.finite().to_coco(item.index + 1)):
            return
        text = ",\n".join(json.dumps(row, allow_nan=False, separators=(",", ":")) for row in rows)
        self._rows.append(f"{self._separator}{text}".encode())
        self._separator = ",\n"

    def checkpoint(self) -> dict[str, Any]:
        return {**self._rows.checkpoint(), "separator": self._separator}

    def close(self) -> None:
        self._rows.close()
        self._part.publish(self._part.path)
