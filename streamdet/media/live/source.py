"""Live sources: cameras and network streams that never end, whatever happens to them on the way."""

import logging
from collections.abc import Generator, Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from time import monotonic
from types import TracebackType
from typing import Self

from streamdet.errors import DecodeError, SourceTimeout
from streamdet.frames import Frame, Picture, StreamGap, StreamInfo
from streamdet.media.border import errors_of
from streamdet.media.colour import colour_of
from streamdet.media.live.handover import Arrival, Cause, Handover
from streamdet.media.live.options import LiveOptions
from streamdet.media.live.reader import Reader
from streamdet.media.live.timeline import TIME_BASE
from streamdet.media.locations import SourceSpec
from streamdet.media.packets import PacketRing
from streamdet.media.planes import picture_of
from streamdet.media.read.orientation import orientation_of
from streamdet.media.timeline import Part

_log = logging.getLogger(__name__)

# A thread that waits for a server gets so long to notice that it shall stop.
_STOP_S = 1.5

_FOREVER_S = 3600.0


class LiveSource:
    """A source that is connected to in the background, again and again, from when this is made until it is closed.

    Making one never fails and never waits. Iterating gives frames on one timeline from the first frame on, with a
    StreamGap wherever time was lost, which starts a new session: "reconnected", "resized" (the picture's size changed)
    and "stale" (no frame came for the options' stale_after_s). A stale stream that comes back gives a second gap of
    that same session, "reconnected" or "resumed", which says how much was lost. `start_s` and `end_s` of the part count
    from the first frame. `packets` gets all packets as they come, whether their frames are dropped or not.

    Attributes:
        name: the stream's name.
        session: of the frames that are given now.
        stale: True from a "stale" gap until frames come again.
        over: True where nothing more will come.

    Raises while iterating:
        SourceTimeout: no frame came at all before the part's end.
    """

    def __init__(
        self,
        spec: SourceSpec,
        options: LiveOptions | None = None,
        part: Part | None = None,
        packets: PacketRing | None = None,
    ) -> None:
        options = options or LiveOptions()
        part = part or Part()
        self.name = spec.name
        self.session = 0
        self.stale = False
        self.over = False
        self._spec = spec
        self._options = options
        self._part = part
        self._info: StreamInfo | None = None
        self._last: Arrival | None = None
        self._opened_s = monotonic()
        self._began_s: float | None = None
        self._unusable = 0
        max_age_s = options.max_staleness_s if options.freshest else None
        self._handover = Handover(newest_wins=options.freshest, max_age_s=max_age_s)
        self._reader = Reader(spec, options, self._handover, part.stride, packets)
        self._given = 0
        self._in_hand = False  # a frame is taken already, and comes after the gap before it
        self._items = self._deliver()
        self._reader.start()

    def __iter__(self) -> Iterator[Frame | StreamGap]:
        while not self.over:
            self.wait(_FOREVER_S)
            if (item := self.take()) is not None:
                yield item

    def wait(self, timeout_s: float) -> bool:
        """Wait for at most so long until there is something to take, or it is over; True if there is."""
        check_s = self._next_check_s()
        return self._in_hand or self._handover.wait(min(monotonic() + timeout_s, check_s)) or monotonic() >= check_s

    def take(self) -> Frame | StreamGap | None:
        """What is there now: the newest frame, or a gap before it; None where there is nothing, without waiting."""
        try:
            item = next(self._items)
        except StopIteration:
            self.over = True
            return None
        self.over = self._given == self._part.max_frames
        return item

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def info(self) -> StreamInfo:
        """What is known of the stream, from its first frame on.

        Raises:
            ValueError: no frame has come yet.
        """
        if self._info is None:
            raise ValueError(f"{self._spec.shown}: a live source has no properties before its first frame")
        return self._info

    @property
    def undecodable(self) -> int:
        """Packets so far that gave no picture because they are broken."""
        return self._reader.undecodable + self._unusable

    @property
    def dropped(self) -> dict[Cause, int]:
        """Frames dropped so far, by cause.

        late: a newer one came before they were taken, or decoding was too slow; stale: they were too old when they came
        or were taken; keyframe: they follow a loss.
        """
        return self._handover.dropped

    @property
    def problem(self) -> str | None:
        """Why there is no connection right now, one line without credentials; None where there is one."""
        return self._reader.problem

    def close(self) -> None:
        """Stop, from any thread, within 2 s: iteration ends, and the connection is closed.

        What cannot be interrupted (a server that is silent, a name service that does not answer) ends on its own, after
        the options' timeout_s, at most 10 s where it plays, or the name service's own.
        """
        self._reader.stop(_STOP_S)

    def _deliver(self) -> Generator[Frame | StreamGap | None]:
        while not self._part_is_over():
            taken = self._handover.take(until_s=0.0)
            if taken is None:
                if self._handover.over:
                    return
                if not self.stale and monotonic() >= self._stale_at_s():
                    self.stale = True
                    self.session += 1
                    yield StreamGap(self.name, self.session, "stale")
                else:
                    yield None
                continue
            arrival, dropped = taken
            pts_s = float(arrival.pts * TIME_BASE)
            if self._part.end_s is not None and pts_s >= self._part.end_s:
                return
            if self._began_s is None:
                self._began_s = arrival.captured_s - pts_s
            if pts_s < (self._part.start_s or 0):
                continue
            try:
                with errors_of(self._spec.shown):
                    picture = picture_of(arrival.picture)
            except DecodeError as error:  # of a size or format that nothing can make a picture of
                _log.debug("%s", error)
                self._unusable += 1
                continue
            self._in_hand = True
            yield from self._gap_before(arrival)
            self._in_hand = False
            self._given += 1
            yield self._frame(arrival, picture, dropped)

    def _part_is_over(self) -> bool:
        if monotonic() < self._gives_up_s():
            return False
        if self._began_s is None:
            why = f": {self.problem}" if self.problem else ""
            raise SourceTimeout(f"{self._spec.shown}: gave no frame within {monotonic() - self._opened_s:.1f} s{why}")
        return True

    def _gives_up_s(self) -> float:
        """When the part is over although no frame says so: a camera that is dead, or was never there."""
        if self._part.end_s is None:
            return float("inf")
        began_s = self._opened_s if self._began_s is None else self._began_s
        return began_s + self._part.end_s + self._options.timeout_s

    def _stale_at_s(self) -> float:
        """When the stream counts as stale if no frame comes; never before its first one."""
        return self._handover.last_fresh_s + self._options.stale_after_s if self._last else float("inf")

    def _next_check_s(self) -> float:
        stale_at_s = float("inf") if self.stale else self._stale_at_s()
        return min(monotonic() + _FOREVER_S, stale_at_s, self._gives_up_s())

    def _gap_before(self, arrival: Arrival) -> Iterator[StreamGap]:
        last, was_stale = self._last, self.stale
        self._last, self.stale = arrival, False
        if last is None:
            return
        reconnected = arrival.link is not last.link
        resized = (arrival.picture.width, arrival.picture.height) != (last.picture.width, last.picture.height)
        if reconnected or was_stale:
            if not was_stale:
                self.session += 1
            lost_s = float((arrival.pts - last.pts) * TIME_BASE)
            yield StreamGap(self.name, self.session, "reconnected" if reconnected else "resumed", lost_s)
        elif resized:
            self.session += 1
            yield StreamGap(self.name, self.session, "resized")

    def _frame(self, arrival: Arrival, picture: Picture, dropped: int) -> Frame:
        if self._info is None:
            self._info = self._describe(arrival, picture.width, picture.height)
        age = timedelta(seconds=monotonic() - arrival.captured_s)
        return Frame(
            source=self.name,
            session=self.session,
            index=arrival.index,
            pts=arrival.pts,
            time_base=TIME_BASE,
            picture=picture,
            duration=arrival.duration,
            wall_time=arrival.sender_time or datetime.now(UTC) - age,
            dropped_before=dropped,
            captured_s=arrival.captured_s,
            pixel_aspect=_pixel_aspect(arrival),
        )

    def _describe(self, arrival: Arrival, width: int, height: int) -> StreamInfo:
        return StreamInfo(
            location=self._spec.shown,
            width=width,
            height=height,
            time_base=TIME_BASE,
            average_rate=arrival.link.rate,
            live=True,
            pixel_aspect=_pixel_aspect(arrival),
            colour=colour_of(arrival.picture),
        )


def _pixel_aspect(arrival: Arrival) -> Fraction:
    aspect = arrival.link.pixel_aspect
    return 1 / aspect if orientation_of(arrival.picture)[0] else aspect
