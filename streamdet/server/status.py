"""How the streams of a job are, in words."""

import time
from collections import defaultdict, deque
from dataclasses import asdict, dataclass
from typing import Any, Literal

from streamdet.frames import StreamGap
from streamdet.jobs.events import Event, SourceLeft
from streamdet.jobs.session import Session
from streamdet.result import Result

State = Literal["connecting", "live", "stale", "reconnecting", "paused", "ended", "failed"]

_WINDOW_S = 5.0  # over which frames a second are counted
_SILENT_S = 3.0


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """One stream.

    Attributes:
        name, location: of the stream, without credentials.
        state: connecting (no frame yet), live, stale (no frame for 3 s), reconnecting, paused, ended or failed.
        reason: why, where that is known.
        since: of the state, seconds since 1970.
        frames, dropped: so far.
        fps: frames a second out of the pipeline, over the last 5 s.
        age_s: of the newest frame: since it came out of the pipeline; None before the first one.
        latency_s: from capture to result: `p50` and `p95`; None of files.
        session: of the newest frame.
        objects: in the newest frame.
        zones: counts of each area and line, by name.
    """

    name: str
    location: str
    state: State
    reason: str | None
    since: float
    frames: int
    dropped: int
    fps: float
    age_s: float | None
    latency_s: dict[str, float] | None
    session: int
    objects: int
    zones: dict[str, dict[str, int]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


class Watch:
    """A listener that knows how each stream of a session is.

    Args:
        session: that is watched.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._times: dict[str, deque[float]] = defaultdict(lambda: deque(maxlen=600))
        self._objects: dict[str, int] = {}
        self._gaps: dict[str, str] = {}
        self._states: dict[str, tuple[State, float]] = {}

    def __call__(self, event: Event) -> None:
        """Note when results come."""
        if isinstance(event, Result):
            self._times[event.source].append(time.monotonic())
            self._objects[event.source] = len(event.detections)
        elif isinstance(event, StreamGap):
            self._gaps[event.source] = event.reason
        elif isinstance(event, SourceLeft):
            for each in (self._times, self._objects, self._gaps, self._states):
                each.pop(event.source, None)

    def streams(self) -> list[StreamStatus]:
        """Of all streams that were asked for and not removed, in their order."""
        there = self._session.sources
        return [self._status(job.name) for job in self._session.jobs if job.name in there]

    def _status(self, name: str) -> StreamStatus:
        now_s = time.monotonic()
        source, times = self._session.tally.sources[name], list(self._times[name])
        recent = [each for each in times if each > now_s - _WINDOW_S]
        age_s = now_s - times[-1] if times else None
        state, reason = self._state(name, age_s)
        before, since = self._states.get(name, (None, 0.0))
        if state != before:
            since = time.time()
            self._states[name] = state, since
        span_s = min(_WINDOW_S, now_s - times[0]) if times else 0.0
        return StreamStatus(
            name,
            source.location,
            state,
            reason,
            round(since, 1),
            source.frames,
            source.dropped,
            round(len(recent) / span_s, 1) if span_s > 0.5 else 0.0,
            None if age_s is None else round(age_s, 2),
            self._session.tally.latency_s(name),
            source.sessions - 1,
            self._objects.get(name, 0) if state == "live" else 0,
            source.zones,
        )

    def _state(self, name: str, age_s: float | None) -> tuple[State, str | None]:
        source, streams = self._session.tally.sources[name], self._session.streams
        if source.ended:
            return ("failed", source.error) if source.error else ("ended", None)
        if streams.is_paused(name):
            return "paused", None
        problem = streams.problem(name)
        if age_s is None:
            return "connecting", problem
        if problem is not None:
            return "reconnecting", problem
        if age_s > _SILENT_S:
            return "stale", "no frame comes"
        return "live", None
