"""JSON Lines: the run, then frames, gaps and ends as they come."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import Any

from streamdet.detections import Detections
from streamdet.frames import Marker, StreamEnded, StreamGap
from streamdet.result import Result, ZoneEvent, ZoneReport
from streamdet.sinks.lines import Lines, checkpoint_of, start_file

_FORMAT_NUMBER = 1  # one more when a reader of the old one would misunderstand the new


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


class JsonLinesFile:
    """One JSON object a line.

    Args:
        lines: where they go.
        first: of `run_line`; None where the file has it already.
    """

    def __init__(self, lines: Lines, first: dict[str, Any] | None) -> None:
        self._lines = lines
        if first is not None:
            start_file(lines, _json_line(first))

    def write(self, item: Result | Marker) -> None:
        """See DetectionFile."""
        if isinstance(item, Result):
            self._lines.append(frame_line(item))
            for event in item.zones.events:
                self._append(event_line(item, event))
        elif isinstance(item, StreamGap):
            lost_s = _rounded(item.lost_s, 3)
            line = {"type": "gap", "source": item.source, "session": item.session, "reason": item.reason}
            self._append({**line, "lost_s": lost_s})
        elif isinstance(item, StreamEnded):
            line = {"type": "end", "source": item.source, "frames": item.frames, "dropped": item.dropped}
            self._append({**line, "error": item.error} if item.error else line)

    def checkpoint(self) -> dict[str, Any]:
        """See DetectionFile."""
        return checkpoint_of(self._lines)

    def close(self) -> None:
        """See DetectionFile."""
        self._lines.close()

    def _append(self, line: dict[str, Any]) -> None:
        self._lines.append(_json_line(line))


def run_line(header: RunHeader, sources: list[str]) -> dict[str, Any]:
    """What a file starts with."""
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
    if frame.pixel_aspect != 1:
        line["pixel_aspect"] = f"{frame.pixel_aspect.numerator}/{frame.pixel_aspect.denominator}"
    if frame.wall_time is not None:  # a live source
        line["wall_time"] = _utc(frame.wall_time)
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
            **more,
        }
        for row, more in zip(found, _optional(found, result.zones), strict=True)
    ]
    return _json_line(line)


def event_line(result: Result, event: ZoneEvent) -> dict[str, Any]:
    """The line of what happened at an area or a line; the wall time of live sources is when it happened, too."""
    line: dict[str, Any] = {
        "type": "event",
        "source": result.source,
        "kind": event.kind,
        "zone": event.zone,
        "track": event.track_id,
        "class": event.class_name,
        "time_s": round(event.time_s, 6),
        "direction": event.direction,
        "seconds": _rounded(event.seconds, 3),
        "count": event.count,
        "speed_mps": _rounded(event.speed_mps, 2),
    }
    if result.frame.wall_time is not None:  # a live source
        line["wall_time"] = _utc(result.frame.wall_time - timedelta(seconds=result.pts_s - event.time_s))
    return {key: value for key, value in line.items() if value is not None or key == "track"}


def _optional(found: Detections, zones: ZoneReport) -> list[dict[str, Any]]:
    """What each detection has beside what all have, where a stage gives it."""
    rows: list[dict[str, Any]] = [{} for _ in range(len(found))]
    if found.support is not None:
        for row, support in zip(rows, found.support.tolist(), strict=True):
            row["support"] = round(support, 3)
    if found.carried is not None:
        for row, carried in zip(rows, found.carried.tolist(), strict=True):
            row.update({"carried": True} if carried else {})
    if found.keypoints is not None:
        for row, points in zip(rows, found.keypoints.tolist(), strict=True):
            row["keypoints"] = [[round(x, 2), round(y, 2), round(score, 4)] for x, y, score in points]
    if found.inside is not None:
        areas = [place.name for place in zones.places if not place.is_line]
        for row, inside in zip(rows, found.inside.tolist(), strict=True):
            row.update({"zones": names} if (names := list(compress(areas, inside))) else {})
    if found.speeds_mps is not None:
        for row, speed in zip(rows, found.speeds_mps.tolist(), strict=True):
            row.update({"speed_mps": round(speed, 2)} if math.isfinite(speed) else {})
    return rows


def _utc(time: datetime) -> str:
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _rounded(value: float | None, digits: int) -> float | None:
    return round(value, digits) if value is not None and math.isfinite(value) else None
