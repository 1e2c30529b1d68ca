"""The bounded channel between two stages: a full one holds its writers back, an empty one its reader."""

from collections import deque
from threading import Condition, RLock
from time import monotonic
from typing import Generic, TypeVar

from streamdet.flow.stats import ChannelStats, FillMeter

T = TypeVar("T")

# Every change wakes those who wait for it. This look-again is for the one wake-up that can be missed: a signal handler
# that cancels the run between the consumer's check and its wait.
RECHECK_S = 1.0


class Cancelled(BaseException):
    """The run is cancelled, or the stage that this one reads from has failed.

    Raised by every call on a channel, blocked ones included. Not an Exception, so that a stage's `except Exception`
    does not take it for a bad frame and go on.
    """


class Channel(Generic[T]):
    """Several writers, one reader, first in first out.

    It ends in one of two ways. When all writers have finished, the reader takes what is left and then gets
    StopIteration. When it is cancelled, writers get Cancelled at once; the reader gets it too, at once if what is left
    was dropped, otherwise after taking what is left.
    """

    def __init__(self, capacity: int, writers: int = 1) -> None:
        self.capacity = capacity
        self._items: deque[T] = deque()
        self._writers = writers
        self._cancelled = False
        self._fill = FillMeter()
        # Re-entrant: a signal handler may cancel while the thread that it interrupts is inside a call.
        self._lock = RLock()
        self._has_item = Condition(self._lock)
        self._has_room = Condition(self._lock)

    def put(self, item: T) -> None:
        """Add an item; wait while the channel is full.

        Raises:
            Cancelled: if nobody will take it.
        """
        with self._lock:
            while not self._cancelled and len(self._items) >= self.capacity:
                self._has_room.wait(RECHECK_S)
            if self._cancelled:
                raise Cancelled
            self._items.append(item)
            self._fill.change(len(self._items))
            self._has_item.notify()

    def take(self, timeout_s: float | None = None) -> T | None:
        """Remove the oldest item; wait while there is none. None if none came in time.

        Raises:
            StopIteration: if all writers have finished and nothing is left; again at every further call.
            Cancelled: if nothing will come any more.
        """
        deadline_s = float("inf") if timeout_s is None else monotonic() + timeout_s
        with self._lock:
            # cancel() puts another deque in place of the old one, so what is seen here cannot vanish before popleft().
            while not (items := self._items):
                if self._cancelled:
                    raise Cancelled
                if self._writers == 0:
                    raise StopIteration
                left_s = deadline_s - monotonic()
                if left_s <= 0:
                    return None
                self._has_item.wait(min(left_s, RECHECK_S))
            item = items.popleft()
            self._fill.change(len(items))
            self._has_room.notify()
            return item

    def finish(self) -> None:
        """One writer will put nothing more."""
        with self._lock:
            self._writers -= 1
            self._has_item.notify_all()

    def cancel(self, *, drop: bool) -> None:
        """Let nothing more in; with drop, let nothing more out either. Wakes everyone."""
        with self._lock:
            self._cancelled = True
            if drop:
                self._items = deque()
                self._fill.change(0)
            self._has_item.notify_all()
            self._has_room.notify_all()

    def stats(self, writer: str, reader: str, now_s: float, wall_s: float) -> ChannelStats:
        """Fill up to now_s, a time of perf_counter."""
        with self._lock:
            mean_fill = self._fill.item_seconds(now_s) / wall_s if wall_s > 0 else 0.0
            return ChannelStats(writer, reader, self.capacity, mean_fill, self._fill.max_fill)
