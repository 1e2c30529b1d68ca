"""The connections of a live stream that was paused, or moved here from another process, as one stream."""

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic, time

from streamdet.frames import Frame, Place, StreamGap


class Joined:
    """Places what a connection gives behind what the connections before it gave, with a gap between them.

    Args:
        source: name of the stream.
        before: how far it was in another process; None: it starts here.
        max_lost_s: without a gap, where its state comes along.
    """

    def __init__(self, source: str, before: Place | None = None, max_lost_s: float = 0.0) -> None:
        self._source = source
        self._before, self._max_lost_s = before, max_lost_s
        self._last: Frame | None = None
        self._last_s = 0.0  # time.monotonic() of it
        self._paused = False
        self._session = self._index = self._pts = 0  # of the first frame of this connection

    def pause(self) -> None:
        """The connection has ended; what comes next is of another one."""
        self._paused = True

    def placed(self, item: Frame | StreamGap) -> Iterator[Frame | StreamGap]:
        """The item with its place in the stream, after the gap that a pause has left."""
        if isinstance(item, StreamGap):
            yield replace(item, session=item.session + self._session)
            return
        if self._before is not None:
            yield from self._continue(self._before, item)
            self._before = None
        if self._paused and self._last is not None:
            lost_s = monotonic() - self._last_s
            self._session, self._index = self._last.session + 1, self._last.index + 1
            self._pts = self._last.pts + round(lost_s / self._last.time_base) - item.pts
            yield StreamGap(self._source, self._session, "paused", lost_s)
        self._paused = False
        session, index, pts = item.session + self._session, item.index + self._index, item.pts + self._pts
        self._last, self._last_s = replace(item, session=session, index=index, pts=pts), monotonic()
        yield self._last

    @property
    def place(self) -> Place | None:
        """How far it is; None before its first frame."""
        if self._last is None:
            return self._before
        age_s = monotonic() - self._last_s
        return Place(self._last.session, self._last.index, self._last.pts_s, time() - age_s, exact=True)

    def _continue(self, before: Place, first: Frame) -> Iterator[StreamGap]:
        lost_s = max(time() - before.at, 1e-3)  # clocks of two machines differ
        keeps = before.exact and lost_s <= self._max_lost_s
        self._session, self._index = before.session + (not keeps), before.index + 1
        self._pts = round((before.last_s + lost_s) / first.time_base) - first.pts
        if not keeps:
            yield StreamGap(self._source, self._session, "moved", lost_s)
