"""What came out of a run: counted while it runs, for the summary and the report."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from time import monotonic, perf_counter
from typing import Any

from streamdet.frames import StreamEnded, StreamStarted
from streamdet.jobs.percentiles import Percentiles
from streamdet.media.locations import SourceSpec
from streamdet.result import Result


@dataclass(slots=True)
class SourceTally:
    """One source.

    Attributes:
        name: unique within the run.
        location: where it comes from, without credentials.
        frames: that came out of the run.
        dropped: frames that were dropped on purpose.
        drops: the same by cause, of live sources.
        sessions: of live sources: 1, and one more after each loss.
        undecodable: packets that could not be decoded.
        announced_s: how long it said it would be; None where it did not.
        read_s: from its first frame to the end of its last one.
        error: why it failed; None where it did not.
        ended: False where the run was stopped before its end.
        zones: counts of each area and line after its last frame, by name.
        resumed_frames: number of its frames that an earlier, interrupted run wrote.
    """

    name: str
    location: str
    frames: int = 0
    dropped: int = 0
    undecodable: int = 0
    announced_s: float | None = None
    read_s: float = 0.0
    error: str | None = None
    ended: bool = False
    resumed_frames: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    sessions: int = 1
    zones: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def seems_cut_off(self) -> bool:
        """Whether it ended well before it said it would: half a file decodes without an error."""
        missing_s = (self.announced_s or 0.0) - self.read_s
        return self.ended and missing_s > max(1.0, 0.05 * (self.announced_s or 0.0))


class Tally:
    """Counts frames, and times each from the moment its source gave it until it came out of the run.

    Live frames are also timed from their capture on: that is how old what comes out is.
    """

    def __init__(self, specs: Iterable[SourceSpec]) -> None:
        self.sources: dict[str, SourceTally] = {}
        self._first_s: dict[str, float] = {}
        self._last_s: dict[str, float] = {}
        self._latencies_ms = Percentiles()
        self._ages_s: dict[str, Percentiles] = {}
        self._all_ages_s = Percentiles()
        for spec in specs:
            self.add(spec)

    def add(self, spec: SourceSpec) -> None:
        """One more source; before it gives anything."""
        self._ages_s[spec.name] = Percentiles()
        self.sources[spec.name] = SourceTally(spec.name, spec.shown)

    def discard(self, name: str) -> None:
        """A source that could not join."""
        self.sources.pop(name, None)
        self._ages_s.pop(name, None)

    def counted(self, name: str) -> dict[str, Any]:
        """What was counted of a source, as JSON holds it."""
        source = self.sources[name]
        return {
            "frames": source.frames,
            "undecodable": source.undecodable,
            "announced_s": source.announced_s,
            "read_s": source.read_s,
            "zones": source.zones,
            "first_s": self._first_s.get(name),
            "last_s": self._last_s.get(name),
        }

    def restore(self, name: str, counted: Mapping[str, Any], *, ended: bool) -> None:
        """Start with what was counted of a source in a run before this one.

        Raises:
            KeyError: something is missing.
        """
        source = self.sources[name]
        source.frames = source.resumed_frames = counted["frames"]
        source.undecodable, source.announced_s = counted["undecodable"], counted["announced_s"]
        source.read_s, source.ended, source.zones = counted["read_s"], ended, counted.get("zones", {})
        for known, value in ((self._first_s, counted["first_s"]), (self._last_s, counted["last_s"])):
            if value is not None:
                known[name] = value

    def count(self, item: Any) -> None:
        """One item came out of the run."""
        if isinstance(item, Result):
            source = self.sources[item.source]
            source.frames += 1
            source.read_s = self._end_s(item) - self._first_s.setdefault(item.source, item.pts_s)
            source.dropped += item.frame.dropped_before
            source.sessions = item.session + 1
            source.zones = {place.name: dict(place.counts) for place in item.zones.places}
            if item.frame.decoded_s is not None:
                self._latencies_ms.add(1000 * (perf_counter() - item.frame.decoded_s))
            if item.frame.captured_s is not None:
                age_s = monotonic() - item.frame.captured_s
                self._ages_s[item.source].add(age_s)
                self._all_ages_s.add(age_s)
        elif isinstance(item, StreamStarted):
            self.sources[item.source].announced_s = item.info.duration_s
        elif isinstance(item, StreamEnded):
            source = self.sources[item.source]
            source.dropped, source.undecodable, source.error = item.dropped, item.undecodable, item.error
            source.ended, source.drops = True, dict(item.drops)

    def _end_s(self, result: Result) -> float:
        """When a frame gives way to the next one: it lasts as long as it says, or as the one before did."""
        last_s, self._last_s[result.source] = self._last_s.get(result.source, result.pts_s), result.pts_s
        duration_s = float(result.frame.duration * result.frame.time_base)
        return result.pts_s + max(duration_s, result.pts_s - last_s)

    @property
    def frames(self) -> int:
        """Of all sources."""
        return sum(source.frames for source in self.sources.values())

    @property
    def frames_of_this_run(self) -> int:
        """Without those that came out of a run that was interrupted."""
        return self.frames - sum(source.resumed_frames for source in self.sources.values())

    def latency_ms(self) -> dict[str, float] | None:
        """From a source to the end of the run: percentiles over all frames; None without any."""
        return self._latencies_ms.at((50, 95, 99), 2)

    def latency_s(self, source: str | None = None) -> dict[str, float] | None:
        """From capture to the end of the run, of one live source or of all; None without live frames."""
        ages_s = self._all_ages_s if source is None else self._ages_s[source]
        return ages_s.at((50, 95), 4)
