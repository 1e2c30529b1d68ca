"""The connections of a live stream that was paused, as one stream."""

from collections.abc import Iterator
from dataclasses import replace
from time import monotonic

from streamdet.frames import Frame, StreamGap


class Joined:
    """Places what a connection gives behind what the connections before it gave, with a gap between them.

    Args:
        source: name of the stream.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._last: Frame | None = None
        self._last_s = 0.0  # time.monotonic() of it
        self._paused = False
        self._session = self._index = self._pts = 0  # of the first frame of this connection

    def pause(self) -> None:
        """The connection has ended; what comes next is of another one."""
        self._paused = True

    def place(self, item: Frame | StreamGap) -> Iterator[Frame | StreamGap]:
        """The item with its place in the stream, after the gap that a pause has left."""
        if isinstance(item, StreamGap):
            yield replace(item, session=item.session + self._session)
            return
        if self._paused and self._last is not None:
            lost_s = monotonic() - self._last_s
            self._session, self._index = self._last.session + 1, self._last.index + 1
            self._pts = self._last.pts + round(lost_s / self._last.time_base) - item.pts
            yield StreamGap(self._source, self._session, "paused", lost_s)
        self._paused = False
        session, index, pts = item.session + self._session, item.index + self._index, item.pts + self._pts
        self._last, self._last_s = replace(item, session=session, index=index, pts=pts), monotonic()
        yield self._last
