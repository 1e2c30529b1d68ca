"""JSON Lines: the run, then frames, gaps and ends as they come."""

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from streamdet.frames import Marker, StreamEnded, StreamGap
from streamdet.result import Result, ZoneEvent, utc_text
from streamdet.sinks.lines import Lines, checkpoint_of, start_file
from streamdet.skeleton import Skeleton

_FORMAT_NUMBER = 1  # one more when a reader of the old one would misunderstand the new


@dataclass(frozen=True, slots=True)
class RunHeader:
    """What the first line of a JSON Lines file says about the run.

    Attributes:
        version: of streamdet.
        model: its name or path.
        model_sha256: of its file, None where it has none.
        classes: the model's class names.
        skeleton: of its keypoints, where it finds some.
    """

    version: str
    model: str
    model_sha256: str | None
    classes: tuple[str, ...]
    skeleton: Skeleton | None = None


class JsonLinesFile:
    """One JSON object a line.

    Args:
        lines: where they go.
        first: of `run_line`; None where the file has it already.
        masks: whether masks are written.
    """

    def __init__(self, lines: Lines, first: dict[str, Any] | None, *, masks: bool = False) -> None:
        self._lines, self._masks = lines, masks
        if first is not None:
            start_file(lines, _json_line(first))

    def write(self, item: Result | Marker) -> None:
        """See DetectionFile."""
        if isinstance(item, Result):
            self._lines.append(frame_line(item, masks=self._masks))
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
    skeleton = header.skeleton
    points = {} if skeleton is None else {"keypoints": skeleton.names, "skeleton": skeleton.links}
    return {
        "type": "run",
        "format": _FORMAT_NUMBER,
        "streamdet": header.version,
        "model": header.model,
        "model_sha256": header.model_sha256,
        "classes": list(header.classes),
        "sources": sources,
        **points,
    }


def _json_line(line: dict[str, Any]) -> bytes:
    text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return f"{text}\n".encode()


def frame_line(result: Result, *, masks: bool = False) -> bytes:
    """The line of a frame in JSON Lines, as it is written."""
    return _json_line(result.to_dict(masks))


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
        "clip": event.clip,
    }
    if result.frame.wall_time is not None:  # a live source
        line["wall_time"] = utc_text(result.frame.wall_time - timedelta(seconds=result.pts_s - event.time_s))
    return {key: value for key, value in line.items() if value is not None or key == "track"}


def _rounded(value: float | None, digits: int) -> float | None:
    return round(value, digits) if value is not None and math.isfinite(value) else None
