"""decode: opens sources and gives their frames between the markers of their life."""

import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from threading import Event
from time import perf_counter, sleep
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo
from pydantic import field_validator as check

from streamdet.errors import SourceError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Checkpoint, Frame, StreamEnded, StreamGap, StreamInfo, StreamStarted
from streamdet.media.live.options import LiveOptions
from streamdet.media.live.source import LiveSource
from streamdet.media.locations import SourceSpec, redact
from streamdet.media.packets import PacketRing
from streamdet.media.read.source import open_source
from streamdet.media.timeline import Part
from streamdet.stages.entry import StageEntry
from streamdet.stages.joined import Joined
from streamdet.stages.outputs import Target
from streamdet.yaml_file import Section

Item = StreamStarted | Frame | StreamGap | Checkpoint | StreamEnded
OnError = Literal["end", "raise"]

_log = logging.getLogger(__name__)

_LOOK_UP_S = 0.2  # so often a live source that waits for frames sees whether it shall end


def _seconds(value: Any) -> Any:
    """Read 90, "90", "1:30" or "00:01:30.5"."""
    if not isinstance(value, str):
        return value
    found = re.fullmatch(r"(?:(?:(\d{1,6}):)?(\d{1,6}):)?(\d{1,9}(?:\.\d{1,9})?)", value, re.ASCII)
    if found is None:
        raise ValueError(f"expected seconds or hours:minutes:seconds, such as 90, 1:30 or 00:01:30, got {value}")
    hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds


class DecodeSettings(Section):
    """Which part of every source is read, and how live ones are.

    Live sources are cameras and streams from a network; files take no notice of mode freshest and what follows it, but
    hwaccel: none, auto, or a kind of device that decodes, see media.read.hwaccel.
    """

    start_s: Annotated[float, BeforeValidator(_seconds)] = Field(default=0.0, ge=0, allow_inf_nan=False)
    end_s: Annotated[float | None, BeforeValidator(_seconds)] = Field(default=None, gt=0, allow_inf_nan=False)
    max_frames: int | None = Field(default=None, ge=1)
    stride: int = Field(default=1, ge=1)
    mode: Literal["auto", "every-frame", "freshest"] = "auto"
    max_staleness_s: float | None = Field(default=0.5, gt=0, allow_inf_nan=False)
    hwaccel: str = "none"
    track_index: int | None = Field(default=None, ge=0)
    transport: Literal["tcp", "udp"] = "tcp"
    wait_for_keyframe: bool = False
    timeout_s: float = Field(default=5.0, gt=0, le=3600)
    stale_after_s: float = Field(default=3.0, gt=0, le=3600)

    @check("end_s")
    @classmethod
    def _after_start(cls, end_s: float | None, info: ValidationInfo) -> float | None:
        start_s = info.data.get("start_s", 0.0)
        if end_s is not None and end_s <= start_s:
            raise ValueError(f"expected an end after the start at {start_s:g} s, got {end_s:g}")
        return end_s

    @property
    def part(self) -> Part:
        """The part of every source."""
        return Part(self.start_s or None, self.end_s, self.max_frames, self.stride)

    @property
    def live(self) -> LiveOptions:
        """How live sources are read."""
        return LiveOptions(
            freshest=self.mode != "every-frame",
            max_staleness_s=self.max_staleness_s,
            transport=self.transport,
            wait_for_keyframe=self.wait_for_keyframe,
            timeout_s=self.timeout_s,
            stale_after_s=self.stale_after_s,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A source to read.

    Attributes:
        spec: what is opened.
        outputs: what is written of it, by name of the stage.
        continues, other_file: as in `StreamStarted`. The end of another file is left out where its frames had another
            size.
        checkpoint_frames: frames between Checkpoints; None: no Checkpoints.
        checkpoint_at_end: one before its end.
        handing_over: of a live source, set before `leaving`: a Checkpoint with its place comes before its end.
        leaving: set from any thread: it ends now.
        paused: set from any thread: nothing is read until it is cleared; a live source hangs up meanwhile.
        problem: of a live source: why there is no connection right now.
        packets: keeps the last packets of a live source.
    """

    spec: SourceSpec
    outputs: Mapping[str, Target] = field(default_factory=dict)
    continues: Checkpoint | None = None
    other_file: bool = False
    checkpoint_frames: int | None = None
    checkpoint_at_end: bool = False
    handing_over: Event = field(default_factory=Event)
    leaving: Event = field(default_factory=Event)
    paused: Event = field(default_factory=Event)
    problem: list[str] = field(default_factory=list)
    packets: PacketRing | None = None

    def started(self, info: StreamInfo, part: Part) -> StreamStarted:
        """The marker of its start."""
        info = replace(info, start_s=part.start_s, end_s=part.end_s, packets=self.packets)
        continues = self.continues
        if continues is not None and self.other_file and continues.size != (info.width, info.height):
            _log.warning(
                "%s: starts without state: it has %dx%d pixels, the file before has %dx%d",
                *(self.spec.name, info.width, info.height, *continues.size),
            )
            continues = None
        return StreamStarted(self.spec.name, info, continues, self.other_file, self.outputs)


@dataclass(slots=True)
class _Life:
    """What happened to a stream; its StreamEnded says it."""

    frames: int = 0
    dropped: int = 0
    undecodable: int = 0
    error: str | None = None
    size: tuple[int, int] = (0, 0)
    last_s: float | None = None
    step_s: float = 0.0
    drops: Mapping[str, int] = field(default_factory=dict)

    def count(self, item: Frame | StreamGap) -> Frame | StreamGap:
        """Gives it back; a frame with the time at which this was."""
        if isinstance(item, Frame):
            item = replace(item, decoded_s=perf_counter())
            self.frames += 1
            self.dropped += item.dropped_before
            duration_s = float(item.duration * item.time_base)
            self.step_s = duration_s or (item.pts_s - self.last_s if self.last_s is not None else 0.0)
            self.last_s, self.size = item.pts_s, (item.width, item.height)
        return item

    def checkpoint(self, source: str, *, last: bool = False) -> Checkpoint:
        return Checkpoint(source, self.frames, self.size, self.last_s, self.step_s, last)

    def ended(self, source: str) -> StreamEnded:
        return StreamEnded(source, self.frames, self.dropped, self.undecodable, self.error, self.drops)

    @contextmanager
    def may_fail(self, on_error: OnError) -> Iterator[None]:
        """Note a SourceError instead of raising it."""
        try:
            yield
        except SourceError as problem:
            if on_error == "raise":
                raise
            self.error = redact(" ".join(str(problem).split()))


def decode(inputs: Sequence[Input], part: Part | None = None, *, on_error: OnError = "end") -> Stage:
    """Give each source's frames, one source after another: StreamStarted, frames and gaps, StreamEnded.

    Args:
        inputs: what to read, in this order.
        part: the part of each source that is read.
        on_error: what happens when a source cannot be opened or read on. "end": its StreamEnded says why and the next
            source is read; one that could not be opened has no StreamStarted. "raise": the run fails.
    """
    part = part or Part()

    def read(source: Input, inbox: Inbox[Item]) -> Iterator[Item]:
        name, before = source.spec.name, None if source.other_file else source.continues
        life = _Life() if before is None else _Life(before.frames, size=before.size, last_s=before.last_s)
        every_frames, first = source.checkpoint_frames, life.frames
        with (
            life.may_fail(on_error),
            open_source(
                source.spec,
                start_s=part.start_s,
                end_s=part.end_s,
                max_frames=part.max_frames,
                stride=part.stride,
                skip=life.frames,
                every=part.every,
            ) as opened,
        ):
            yield source.started(opened.info, part)
            for item in opened:
                # Not behind the last frame: what is encoded again there would be a video's end without a picture.
                if every_frames and life.frames > first and life.frames % every_frames == 0:
                    yield life.checkpoint(name)
                life.undecodable = opened.undecodable
                yield life.count(item)
                while source.paused.is_set() and not (source.leaving.is_set() or inbox.stopping):
                    sleep(_LOOK_UP_S)
                if source.leaving.is_set():
                    break
            life.undecodable = opened.undecodable
            if source.checkpoint_at_end:
                yield life.checkpoint(name, last=True)
        yield life.ended(name)

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        for source in inputs:
            if not source.leaving.is_set():
                yield from read(source, inbox)

    return Stage("decode", process)


def decode_live(source: Input, options: LiveOptions, part: Part | None = None, *, on_error: OnError = "end") -> Stage:
    """Give a live source's frames as they come, each when the next stage is free: whatever is the newest then.

    StreamStarted comes with the first frame; before that nothing is known, and nobody waits. It ends when it is told
    to, with a StreamEnded in any case, or with the source's part.

    Args:
        source: one that `is_live`.
        options: how it is read.
        part: the part that is read.
        on_error: what happens when the part ends without a frame, as in `decode`.
    """
    spec, part = source.spec, part or Part()

    def read(inbox: Inbox[Item], opened: LiveSource, life: _Life, joined: Joined) -> Iterator[Item]:
        while not (inbox.stopping or source.leaving.is_set() or source.paused.is_set() or opened.over):
            source.problem[:] = [opened.problem] if opened.problem else []
            with inbox.waiting():
                there = opened.wait(_LOOK_UP_S)
            if not there:
                continue
            inbox.wait_until_wanted()
            item = opened.take()
            if item is None:
                inbox.withdraw()
                continue
            if life.frames == 0 and isinstance(item, Frame):
                yield source.started(opened.info, part)
            for each in joined.placed(item):
                yield life.count(each)

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        before = None if source.continues is None else source.continues.place
        life, joined, over = _Life(), Joined(spec.name, before, options.stale_after_s), False
        drops: Counter[str] = Counter()
        with life.may_fail(on_error):
            while not over:
                with LiveSource(spec, options, part, source.packets) as opened:
                    yield from read(inbox, opened, life, joined)
                    life.undecodable += opened.undecodable
                    over = opened.over or not source.paused.is_set()
                    if over and life.frames == 0:
                        life.error = f"{spec.shown}: gave no frame: {opened.problem or 'no answer yet'}"
                drops.update({str(cause): count for cause, count in opened.dropped.items()})
                joined.pause()
                while source.paused.is_set() and not (inbox.stopping or source.leaving.is_set()):
                    with inbox.waiting():
                        sleep(_LOOK_UP_S)
                over |= inbox.stopping or source.leaving.is_set()
        life.drops, life.dropped = drops, drops.total()
        if source.handing_over.is_set() and life.frames > 0:
            yield replace(life.checkpoint(spec.name), place=joined.place)
        yield life.ended(spec.name)

    return Stage("decode", process, capacity=0, stops_itself=True)


def keep_open() -> Stage:
    """Give nothing until the run is stopped, so that it lasts without sources, and others may join it at any time."""

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        while not inbox.stopping:
            with inbox.waiting():
                sleep(_LOOK_UP_S)
        yield from ()

    return Stage("decode", process, capacity=0, stops_itself=True)


STAGE = StageEntry("decode", None, settings=DecodeSettings, takes=None, makes="frames", shows_pictures=False)
