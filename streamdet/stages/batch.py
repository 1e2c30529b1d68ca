"""batch: brings frames together into clips, as many as a detector takes at once."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from time import monotonic

from pydantic import Field, ValidationInfo
from pydantic import field_validator as check

from streamdet.flow import Inbox, Stage
from streamdet.frames import Clip, Frame, Marker, StreamEnded, StreamStarted
from streamdet.stages.entry import StageContext, StageEntry
from streamdet.yaml_file import Section

_IDLE_S = 1.0
_FRAMES_PER_CLIP = 8
_MAX_LIVE_STREAMS = 16


class BatchSettings(Section):
    """How many frames the detector takes at once: consecutive ones of a stream, or one each of streams side by side.

    With live sources it is one each, the newest ones; frames_per_clip is for files.

    Attributes:
        frames_per_clip: None: 8, or 1 where streams are side by side.
        max_streams: None: 1, or 16 with live sources.
        deadline_s: how long the first live frame waits for those of other streams.
    """

    frames_per_clip: int | None = Field(default=None, ge=1, le=64)
    max_streams: int | None = Field(default=None, ge=1, le=64)
    deadline_s: float = Field(default=0.005, ge=0, le=10)

    @check("max_streams")
    @classmethod
    def _one_way_at_a_time(cls, max_streams: int | None, info: ValidationInfo) -> int | None:
        # A cut to another scene splits a clip, which only one stream at a time can be.
        if (max_streams or 1) > 1 and (info.data.get("frames_per_clip") or 1) > 1:
            raise ValueError(f"expected 1, or frames_per_clip 1 as well, got {max_streams}")
        return max_streams


def batch(frames_per_clip: int, max_streams: int = 1) -> Stage:
    """Frame to Clip; markers pass, in order. For sources that wait: full clips, whatever time they take.

    Args:
        frames_per_clip: T, consecutive frames of a stream.
        max_streams: B, streams side by side. A clip goes out when B streams of one size have T frames each.
    """
    if frames_per_clip < 1 or max_streams < 1:
        raise ValueError(f"a clip needs at least one frame and stream, got {frames_per_clip} and {max_streams}")

    def process(inbox: Inbox[Frame | Marker]) -> Iterator[Clip | Marker]:
        waiting = _Waiting(frames_per_clip, max_streams)
        for item in inbox:
            if isinstance(item, Frame):
                yield from waiting.add(item)
            else:
                yield from waiting.flush(item.source)
                yield item
        yield from waiting.flush_all()

    return Stage("batch", process)


def batch_newest(max_streams: int, deadline_s: float) -> Stage:
    """Frame to Clip of one frame a stream; markers pass, in order. For live sources: frames that are new.

    A clip is started when the next stage is free; until then every source keeps its newest frame. It goes out when all
    streams have given a frame, when max_streams have, when one would give a second, or when its time is up. Sources
    take turns (see `Inbox.wait_until_wanted`), so that each comes into a clip however many there are.

    Args:
        max_streams: B, streams side by side, of any sizes; those of one size make a clip.
        deadline_s: how long the first frame waits for the others.
    """
    if max_streams < 1 or deadline_s < 0:
        raise ValueError(f"a clip needs at least one stream and a deadline, got {max_streams} and {deadline_s}")

    def process(inbox: Inbox[Frame | Marker]) -> Iterator[Clip | Marker]:
        streams: set[str] = set()
        frames: dict[str, Frame] = {}
        since_s = 0.0
        while True:
            inbox.wait_until_wanted()
            left_s = max(since_s + deadline_s - monotonic(), 0.0) if frames else _IDLE_S
            wanted = min(len(streams), max_streams) - len(frames)
            try:
                item = inbox.poll(left_s, max(wanted, 1))
            except StopIteration:
                break
            if isinstance(item, Frame):
                streams.add(item.source)
                if item.source in frames:
                    yield from _side_by_side(frames)
                if not frames:
                    since_s = monotonic()
                frames[item.source] = item
                if len(frames) >= min(len(streams), max_streams):
                    yield from _side_by_side(frames)
            elif item is None:
                yield from _side_by_side(frames)
            else:
                if item.source in frames:
                    yield Clip(((frames.pop(item.source),),))
                yield item
                if isinstance(item, StreamStarted):
                    streams.add(item.source)
                elif isinstance(item, StreamEnded):
                    streams.discard(item.source)
        yield from _side_by_side(frames)

    return Stage("batch", process, capacity=0)


def _side_by_side(frames: dict[str, Frame]) -> Iterator[Clip]:
    """Let all of them go, those of one size in a clip."""
    sizes: dict[object, list[Frame]] = {}
    for frame in frames.values():
        sizes.setdefault(_shape(frame), []).append(frame)
    frames.clear()
    for alike in sizes.values():
        yield Clip(tuple((frame,) for frame in alike))


class _Waiting:
    """Frames that wait for the rest of their clip, at most frames_per_clip of each stream."""

    def __init__(self, frames_per_clip: int, max_streams: int) -> None:
        self._frames_per_clip = frames_per_clip
        self._max_streams = max_streams
        self._frames: dict[str, list[Frame]] = {}

    def add(self, frame: Frame) -> Iterator[Clip]:
        """Take a frame; gives the clips that go out because of it."""
        frames = self._frames.get(frame.source)
        if frames and (_kind(frames[-1]) != _kind(frame)):
            yield from self.flush(frame.source)
        elif frames and len(frames) == self._frames_per_clip:
            # This stream is a clip ahead: it waits for nobody any longer, and neither do the others that are full.
            yield self._take(self._full(frame))
        self._frames.setdefault(frame.source, []).append(frame)
        full = self._full(frame)
        if len(full) == self._max_streams:
            yield self._take(full)

    def flush(self, source: str) -> Iterator[Clip]:
        """Let go what waits of one stream."""
        if source in self._frames:
            yield self._take([source])

    def flush_all(self) -> Iterator[Clip]:
        """Let go all that waits, streams of equal size and length side by side."""
        groups: dict[tuple[object, int], list[str]] = {}
        for source, frames in self._frames.items():
            groups.setdefault((_shape(frames[0]), len(frames)), []).append(source)
        for sources in groups.values():
            for start in range(0, len(sources), self._max_streams):
                yield self._take(sources[start : start + self._max_streams])

    def _full(self, like: Frame) -> list[str]:
        return [
            source
            for source, frames in self._frames.items()
            if len(frames) == self._frames_per_clip and _shape(frames[0]) == _shape(like)
        ]

    def _take(self, sources: Iterable[str]) -> Clip:
        return Clip(tuple(tuple(self._frames.pop(source)) for source in sources))


def _kind(frame: Frame) -> tuple[object, int]:
    return _shape(frame), frame.session


def _shape(frame: Frame) -> object:
    """What frames of a clip have in common: how they are fitted into the detector's picture."""
    return frame.width, frame.height, frame.pixel_aspect


def _build(settings: BatchSettings, context: StageContext) -> Stage:
    if context.live:
        return batch_newest(settings.max_streams or _MAX_LIVE_STREAMS, settings.deadline_s)
    frames_per_clip = settings.frames_per_clip or (_FRAMES_PER_CLIP if context.side_by_side == 1 else 1)
    # One clip may wait: it is many frames already, which memory has to hold and a stop has to finish.
    return replace(batch(frames_per_clip, context.side_by_side), capacity=1)


STAGE = StageEntry("batch", _build, settings=BatchSettings, takes="frames", makes="clips", shows_pictures=False)
