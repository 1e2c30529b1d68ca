"""Tables of detections as CSV (RFC 4180), for spreadsheets and data frames."""

import csv
import io
from datetime import UTC
from typing import Any

from streamdet.frames import Marker
from streamdet.result import Result
from streamdet.sinks.lines import Lines, checkpoint_of, start_file

COLUMNS = (
    "source", "session", "frame", "time_s", "wall_time", "track", "class", "score", "x1", "y1", "x2", "y2",
)  # fmt: skip


class CsvFile:
    """A row a box, under a row of names; a box without a track id, and a file's wall_time, leave the cell empty.

    Args:
        lines: where they go.
        header: whether the row of names is written; False where the file has it already.
    """

    def __init__(self, lines: Lines, header: bool) -> None:
        self._lines = lines
        if header:
            start_file(lines, _rows([COLUMNS]))

    def write(self, item: Result | Marker) -> None:
        """See DetectionFile."""
        if isinstance(item, Result) and len(item.detections):
            self._lines.append(_rows(_cells(item)))

    def checkpoint(self) -> dict[str, Any]:
        """See DetectionFile."""
        return checkpoint_of(self._lines)

    def close(self) -> None:
        """See DetectionFile."""
        self._lines.close()


def _cells(result: Result) -> list[tuple[object, ...]]:
    frame = result.frame
    wall_time = "" if frame.wall_time is None else frame.wall_time.astimezone(UTC).isoformat(timespec="milliseconds")
    start = (frame.source, frame.session, frame.index, round(frame.pts_s, 6), wall_time)
    return [
        (
            *start,
            row.track_id if row.track_id >= 0 else "",
            row.class_name,
            round(row.score, 4),
            *(round(edge, 2) for edge in row.box),
        )
        for row in result.detections.finite()
    ]


def _rows(rows: Any) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()
