"""decode: opens sources and gives their frames between the markers of their life."""

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal

from streamdet.errors import SourceError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Checkpoint, Frame, StreamEnded, StreamGap, StreamStarted
from streamdet.media.live.options import LiveOptions
from streamdet.media.live.source import LiveSource
from streamdet.media.locations import SourceSpec, redact
from streamdet.media.read.source import open_source
from streamdet.media.timeline import Part

Item = StreamStarted | Frame | StreamGap | Checkpoint | StreamEnded
OnError = Literal["end", "raise"]

_LOOK_UP_S = 0.2  # so often a live source that waits for frames sees whether it shall end


@dataclass(frozen=True, slots=True)
class Continuation:
    """How a run can be gone on from, and what it goes on from itself.

    Attributes:
        checkpoint_frames: a Checkpoint after so many frames, again and again; None for none.
        checkpoint_at_end: one before the end of each stream.
        resume: where streams of an interrupted run left off, by name.
        memory: what was remembered at the end of another file; every stream continues that.
    """

    checkpoint_frames: int | None = None
    checkpoint_at_end: bool = False
    resume: Mapping[str, Checkpoint] = field(default_factory=dict)
    memory: Checkpoint | None = None


@dataclass(slots=True)
class _Life:
    """What happened to a stream; its StreamEnded says it."""

    frames: int = 0
    dropped: int = 0
    undecodable: int = 0
    error: str | None = None
    last_s: float | None = None
    step_s: float = 0.0

    def count(self, item: Frame | StreamGap) -> None:
        if isinstance(item, Frame):
            self.frames += 1
            self.dropped += item.dropped_before
            duration_s = float(item.duration * item.time_base)
            self.step_s = duration_s or (item.pts_s - self.last_s if self.last_s is not None else 0.0)
            self.last_s = item.pts_s

    def checkpoint(self, source: str, *, last: bool = False) -> Checkpoint:
        """`step_s`: after how many seconds the next frame is due."""
        return Checkpoint(source, self.frames, last, {"decode": {"step_s": self.step_s, "last_s": self.last_s}})

    def ended(self, source: str) -> StreamEnded:
        return StreamEnded(source, self.frames, self.dropped, self.undecodable, self.error)

    @contextmanager
    def may_fail(self, on_error: OnError) -> Iterator[None]:
        """Note a SourceError in place of raising it."""
        try:
            yield
        except SourceError as problem:
            if on_error == "raise":
                raise
            self.error = redact(" ".join(str(problem).split()))


def decode(
    specs: Sequence[SourceSpec],
    part: Part | None = None,
    *,
    on_error: OnError = "end",
    leaving: Container[str] = (),
    continuation: Continuation | None = None,
) -> Stage:
    """Give each source's frames, one source after another: StreamStarted, frames and gaps, StreamEnded.

    Args:
        specs: what to read, in this order.
        part: the part of each source that is read.
        on_error: what happens when a source cannot be opened or read on. "end": its StreamEnded says why and the next
            source goes on; one that could not be opened has no StreamStarted. "raise": the run fails.
        leaving: names of streams that end now; looked at again and again.
        continuation: where checkpoints come, and what is gone on from.
    """
    part, goes_on = part or Part(), continuation or Continuation()
    every_frames = goes_on.checkpoint_frames

    def read(spec: SourceSpec) -> Iterator[Item]:
        resume = goes_on.resume.get(spec.name)
        life = _Life() if resume is None else _Life(resume.frames, last_s=resume.facts["decode"]["last_s"])
        with (
            life.may_fail(on_error),
            open_source(
                spec,
                start_s=part.start_s,
                end_s=part.end_s,
                max_frames=part.max_frames,
                stride=part.stride,
                skip=life.frames,
            ) as source,
        ):
            yield StreamStarted(spec.name, source.info, resume, goes_on.memory)
            begins_at = life.frames
            for item in source:
                # Not behind the last frame: what is encoded anew there would be a video's end without a picture.
                if every_frames and life.frames > begins_at and life.frames % every_frames == 0:
                    yield life.checkpoint(spec.name)
                life.undecodable = source.undecodable
                life.count(item)
                yield item
                if spec.name in leaving:
                    break
            life.undecodable = source.undecodable
            if goes_on.checkpoint_at_end:
                yield life.checkpoint(spec.name, last=True)
        yield life.ended(spec.name)

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        for spec in specs:
            if spec.name not in leaving:
                yield from read(spec)

    return Stage("decode", process)


@dataclass(slots=True)
class LiveStreams:
    """What the decode stages of live sources share with who runs them.

    Attributes:
        leaving: names of streams that shall end.
        sources: those that are open.
        dropped: frames dropped, by cause, of those that have ended.
    """

    leaving: set[str] = field(default_factory=set)
    sources: dict[str, LiveSource] = field(default_factory=dict)
    dropped: dict[str, dict[str, int]] = field(default_factory=dict)

    def dropped_of(self, name: str) -> dict[str, int]:
        """So far; from any thread."""
        source = self.sources.get(name)
        return self.dropped.get(name, {}) if source is None else _by_cause(source)


def _by_cause(source: LiveSource) -> dict[str, int]:
    return {str(cause): count for cause, count in source.dropped.items()}


def decode_live(
    spec: SourceSpec,
    options: LiveOptions,
    part: Part | None = None,
    *,
    on_error: OnError = "end",
    streams: LiveStreams | None = None,
) -> Stage:
    """Give a live source's frames as they come, each when the next stage is free: whatever is the newest then.

    StreamStarted comes with the first frame; before that nothing is known, and nobody waits. It ends when it is told
    to, with a StreamEnded in any case, or with the source's part.

    Args:
        spec: a source that `is_live`.
        options: how it is read.
        part: the part that is read.
        on_error: what happens when the part ends without a frame, as in `decode`.
        streams: what is shared.
    """
    shared = streams or LiveStreams()

    def read(inbox: Inbox[Item], source: LiveSource, life: _Life) -> Iterator[Item]:
        while not (inbox.stopping or spec.name in shared.leaving or source.over):
            with inbox.waiting():
                there = source.wait(_LOOK_UP_S)
            if not there:
                continue
            inbox.wait_until_wanted()
            item = source.take()
            if item is None:
                inbox.withdraw()
                continue
            if life.frames == 0 and isinstance(item, Frame):
                yield StreamStarted(spec.name, source.info)
            life.count(item)
            yield item

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        life = _Life()
        with life.may_fail(on_error), LiveSource(spec, options, part) as source:
            shared.sources[spec.name] = source
            yield from read(inbox, source, life)
            life.undecodable = source.undecodable
            if life.frames == 0:
                life.error = f"{spec.shown}: gave no frame: {source.problem or 'no answer yet'}"
        shared.dropped[spec.name] = _by_cause(source)
        del shared.sources[spec.name]  # it holds a picture
        life.dropped = sum(shared.dropped[spec.name].values())
        yield life.ended(spec.name)

    return Stage("decode", process, capacity=0, stops_itself=True)
