"""How a job went."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from streamdet.flow import RunStats
from streamdet.jobs.tally import Tally
from streamdet.media.write.delivery import Delivery
from streamdet.stages.outputs import OutputFailed
from streamdet.stages.registry import stage_entry


@dataclass(frozen=True, slots=True)
class Failure:
    """Something that went wrong while the rest continued.

    Attributes:
        what: source, run, state, report, or the kind of an output: video, detections.
        source: name of the stream; None for the run as a whole.
        message: one line.
        expected: True where a pipe's reader is gone, as `head` does: an end, but nobody's mistake.
    """

    what: str
    source: str | None
    message: str
    expected: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job went. It can be pickled.

    Attributes:
        started: when, UTC.
        tally: what came out of it.
        stats: where its time went.
        failures: sources first, then outputs in the order in which they failed.
        written: the files that are there now because of it.
        deliveries: what outputs that may fail and recover have counted, by path or address, credentials included.
        stopped: it was told to stop before its end.
        resumable: the same job with --resume continues it.
    """

    started: datetime
    tally: Tally
    stats: RunStats
    failures: tuple[Failure, ...] = ()
    written: frozenset[Path] = frozenset()
    deliveries: Mapping[str, Delivery] = field(default_factory=dict)
    stopped: bool = False
    resumable: bool = False

    @property
    def fps(self) -> float:
        """Frames of all sources by the run's duration; those of a run that was interrupted are not counted."""
        return self.tally.frames_of_this_run / self.stats.wall_s if self.stats.wall_s > 0 else 0.0

    @property
    def never_worked(self) -> bool:
        """True where every source failed before its first frame."""
        return not self.tally.frames and all(source.error for source in self.tally.sources.values())


def failures_of(tally: Tally, outputs: Iterable[OutputFailed]) -> Iterator[Failure]:
    """Failures of sources, and of outputs."""
    for source in tally.sources.values():
        if source.error:
            yield Failure("source", source.name, source.error)
    for failed in outputs:
        output = stage_entry(failed.stage).output
        expected = isinstance(failed.error.__cause__, BrokenPipeError)
        yield Failure(output.kind if output else failed.stage, failed.source, str(failed.error), expected)
