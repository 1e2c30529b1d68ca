"""Files of detections, by their format. What was written is valid at every moment."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from streamdet.frames import Marker
from streamdet.media.locations import redact
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.standard_output import STDOUT
from streamdet.result import Result
from streamdet.sinks.coco import CocoFile
from streamdet.sinks.csv import CsvFile
from streamdet.sinks.events import EventSender, is_event_address, open_transport
from streamdet.sinks.jsonl import JsonLinesFile, RunHeader, run_line
from streamdet.sinks.lines import GrowingFile, LastingFile, Lines, Stdout
from streamdet.sinks.mot import MotFile

Format = Literal["jsonl", "mot", "coco", "csv"]


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
    masks: bool = False,
    resume: Mapping[str, Any] | None = None,
) -> DetectionFile:
    """Open a file.

    Args:
        path: the file, replaced where it exists; "-" for standard output; the address of a broker or a web server.
        form: jsonl takes any number of streams, the others one.
        header: what JSON Lines start with.
        sources: names of the streams that go into it.
        delivery: gives what counts the lines at an address, or of a live file, by that and their unit.
        live: a file of JSON Lines of a live stream: while it cannot be written (a full disk), lines are dropped and
            counted.
        masks: write the masks of objects as well, into jsonl and coco.
        resume: of `checkpoint`, of a run that was interrupted: what came after it is removed, and the file continues
            there.

    Raises:
        SinkError: it cannot be written.
        ConfigError: the address is wrong.
    """
    if form == "coco":
        return CocoFile(Path(path), resume, masks=masks)
    resume_at = None if resume is None else int(resume["mark"]["length"])
    lines = _lines(str(path), delivery or _uncounted, live, resume_at)
    if form == "mot":
        return MotFile(lines)
    if form == "csv":
        return CsvFile(lines, header=resume is None)
    return JsonLinesFile(lines, None if resume else run_line(header, sources), masks=masks)


def _uncounted(path: str, unit: str) -> Delivery:
    return Delivery(redact(path), unit)


def _lines(path: str, delivery: Callable[[str, str], Delivery], live: bool, resume_at: int | None) -> Lines:
    if path == STDOUT:
        return Stdout()
    if is_event_address(path):
        transport = open_transport(path)
        return EventSender(transport, delivery(path, "lines"))
    file = GrowingFile(Path(path), Path(path), resume_at=resume_at)
    return LastingFile(file, delivery(path, "lines")) if live else file
