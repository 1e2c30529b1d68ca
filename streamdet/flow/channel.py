"""The bounded channel between two stages: a full one holds its writers back, an empty one its reader.

One of capacity 0 hands over: its writers stand in line, and each makes its item when the reader waits for one.
"""

from collections import deque
from threading import Condition, RLock
from time import monotonic
from typing import Generic, TypeVar

from streamdet.flow.stats import ChannelStats, FillMeter

T = TypeVar("T")


class Turn:
    """A writer's turns: whether it has one, and when it had the last."""

    def __init__(self) -> None:
        self.given = False
        self.last = 0


# Every change wakes those that wait for it. Polling is for the one wake-up that can be missed: a signal handler
# that cancels the run between the consumer's check and its wait.
RECHECK_S = 1.0


class Cancelled(BaseException):
    """The run is cancelled, or the stage that this one reads from has failed.

    Raised by every call on a channel, blocked ones included. Not an Exception, so that a stage's `except Exception`
    does not take it for a bad frame and continue.
    """


class Channel(Generic[T]):
    """Several writers, one reader, first in first out. An `Outlet` is a writer's end.

    It ends in one of two ways. When all writers have finished, the reader takes the rest and then gets
    StopIteration. When it is cancelled, writers get Cancelled at once; the reader gets it too, at once if the rest
    was dropped, otherwise after taking the rest.
    """

    def __init__(self, capacity: int, writers: int = 1) -> None:
        self.capacity = capacity
        self._items: deque[T] = deque()
        self._writers = writers
        self._cancelled = False
        self._wanted = 0  # items that the reader waits for; 0 while it does not wait
        self._promised = 0  # turns that were given and not used yet
        self._turns = 0  # that were given so far
        self._line: list[Turn] = []
        self._fill = FillMeter()
        # Re-entrant: a signal handler may cancel while the thread that it interrupts is inside a call.
        self._lock = RLock()
        self._has_item = Condition(self._lock)
        self._has_room = Condition(self._lock)
        self._has_turn = Condition(self._lock)

    def join(self, capacity: int) -> bool:
        """One more writer, with room of its own; False where the channel has ended."""
        with self._lock:
            if self._cancelled or self._writers == 0:
                return False
            self._writers += 1
            self.capacity += capacity
            self._has_room.notify_all()
            return True

    def put(self, item: T, turn: Turn | None = None) -> None:
        """Add an item; wait while the channel is full, but not in a turn that `wait_turn` has given.

        Raises:
            Cancelled: if no reader will take it.
        """
        with self._lock:
            in_turn = turn is not None and turn.given
            if turn is not None:
                self._end(turn)
            while not in_turn and not self._cancelled and len(self._items) >= self.capacity:
                self._has_room.wait(RECHECK_S)
            if self._cancelled:
                raise Cancelled
            self._items.append(item)
            self._fill.change(len(self._items))
            self._has_item.notify()

    def wait_turn(self, turn: Turn) -> None:
        """Wait until the reader needs an item that no other writer makes; then put it, or `withdraw`.

        Whoever has not had a turn for the longest time has the next: sources of the same pace all come in line at once.

        Raises:
            Cancelled: if no reader will take it.
        """
        with self._lock:
            if not turn.given:
                self._line.append(turn)
                self._give_turns()
            while not turn.given and not self._cancelled:
                self._has_turn.wait(RECHECK_S)
            if self._cancelled:
                raise Cancelled

    def withdraw(self, turn: Turn) -> None:
        """Give a turn back without an item."""
        with self._lock:
            self._end(turn)
            self._give_turns()
            self._has_item.notify()  # a reader whose time is up waited for this item alone

    def take(self, timeout_s: float | None = None, wanted: int = 1) -> T | None:
        """Remove the oldest item; wait while there is none. None if none came in time and none is being made.

        Args:
            timeout_s: None: as long as it takes.
            wanted: items that may be made at the same time, by writers that stand in line.

        Raises:
            StopIteration: if all writers have finished and nothing is left; again at every further call.
            Cancelled: if no more items will come.
        """
        deadline_s = float("inf") if timeout_s is None else monotonic() + timeout_s
        with self._lock:
            try:
                self._wanted = wanted
                # cancel() replaces the deque: an item that is seen here cannot vanish before popleft().
                while not (items := self._items):
                    if self._cancelled:
                        raise Cancelled
                    if self._writers == 0:
                        raise StopIteration
                    self._give_turns()
                    left_s = deadline_s - monotonic()
                    if left_s <= 0 and not self._promised:
                        return None
                    self._has_item.wait(min(left_s, RECHECK_S) if left_s > 0 else RECHECK_S)
            finally:
                self._wanted = 0
            item = items.popleft()
            self._fill.change(len(items))
            self._has_room.notify()
            return item

    def _give_turns(self) -> None:
        """As many as the reader waits for."""
        given = False
        while self._line and len(self._items) + self._promised < self._wanted:
            turn = min(self._line, key=lambda turn: turn.last)
            self._line.remove(turn)
            self._turns += 1
            self._promised += 1
            turn.given, turn.last, given = True, self._turns, True
        if given:
            self._has_turn.notify_all()

    def _end(self, turn: Turn) -> None:
        self._promised -= turn.given
        turn.given = False

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
            for waiting in (self._has_item, self._has_room, self._has_turn):
                waiting.notify_all()

    def stats(self, writer: str, reader: str, now_s: float, wall_s: float) -> ChannelStats:
        """Fill up to now_s, a time of perf_counter."""
        with self._lock:
            mean_fill = self._fill.item_seconds(now_s) / wall_s if wall_s > 0 else 0.0
            return ChannelStats(writer, reader, self.capacity, mean_fill, self._fill.max_fill)


class Outlet(Generic[T]):
    """A writer's end of a channel; used by one thread."""

    def __init__(self, channel: Channel[T]) -> None:
        self._channel = channel
        self._turn = Turn()

    def wait_turn(self) -> None:
        """Wait until the reader waits for this writer's next item; at once where it did already.

        Raises:
            Cancelled: if no reader will take it.
        """
        self._channel.wait_turn(self._turn)

    def withdraw(self) -> None:
        """There is no item after all."""
        self._channel.withdraw(self._turn)

    def put(self, item: T) -> None:
        """Hand an item over.

        Raises:
            Cancelled: if no reader will take it.
        """
        if self._channel.capacity == 0:
            self.wait_turn()
        self._channel.put(item, self._turn)

    def finish(self) -> None:
        """Nothing more comes."""
        self.withdraw()
        self._channel.finish()
