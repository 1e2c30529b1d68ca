"""decode: opens sources one after another and gives their frames between the markers of their life."""

from collections.abc import Iterator, Sequence
from typing import Literal

from streamdet.errors import SourceError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Frame, StreamEnded, StreamGap, StreamStarted
from streamdet.media.locations import SourceSpec, redact
from streamdet.media.source import open_source

Item = StreamStarted | Frame | StreamGap | StreamEnded


def decode(
    specs: Sequence[SourceSpec],
    *,
    start_s: float | None = None,
    end_s: float | None = None,
    max_frames: int | None = None,
    stride: int = 1,
    on_error: Literal["end", "raise"] = "end",
) -> Stage:
    """Give each source's frames: StreamStarted, frames and gaps, StreamEnded.

    Args:
        specs: what to read, in this order.
        start_s, end_s, max_frames, stride: the part of each source that is read.
        on_error: what happens when a source cannot be opened or read on. "end": its StreamEnded says why and the next
            source goes on; one that could not be opened has no StreamStarted. "raise": the run fails.
    """

    def read(spec: SourceSpec) -> Iterator[Item]:
        frames = dropped = undecodable = 0
        error = None
        try:
            with open_source(spec, start_s=start_s, end_s=end_s, max_frames=max_frames, stride=stride) as source:
                yield StreamStarted(spec.name, source.info)
                for item in source:
                    undecodable = source.undecodable
                    if isinstance(item, Frame):
                        frames += 1
                        dropped += item.dropped_before
                    yield item
                undecodable = source.undecodable
        except SourceError as problem:
            if on_error == "raise":
                raise
            error = redact(" ".join(str(problem).split()))
        yield StreamEnded(spec.name, frames, dropped, undecodable, error)

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        for spec in specs:
            yield from read(spec)

    return Stage("decode", process)
