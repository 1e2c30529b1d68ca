"""From the thread that reads a live source to the one that takes its frames: the newest one, or all of them."""

from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from threading import Condition
from time import monotonic
from typing import Literal

from av.video.frame import VideoFrame

Cause = Literal["late", "stale", "keyframe"]

# Enough to even out a burst; each holds a decoded picture.
_EVERY_FRAME_CAPACITY = 8


@dataclass(frozen=True, slots=True)
class Link:
    """The connection that a frame came over; `number` counts them from 0."""

    number: int
    rate: Fraction | None
    pixel_aspect: Fraction


@dataclass(frozen=True, slots=True)
class Arrival:
    """A decoded frame, not converted yet: most of those that are dropped never need to be.

    Attributes:
        index: counts the frames that came, from 0.
        pts, duration: microseconds of the source's own timeline.
        captured_s: time.monotonic() of capture, as near as is known.
        sender_time: capture by the sender's clock, None where it told none.
    """

    picture: VideoFrame
    link: Link
    index: int
    pts: int
    duration: int
    captured_s: float
    sender_time: datetime | None


class Handover:
    """One writer, one taker. Drops are counted by their cause.

    Args:
        newest_wins: hold one frame, and drop it when a newer one comes; else hold some, and let the writer wait.
        max_age_s: drop frames that are older when they come or are taken; None for no limit.
    """

    def __init__(self, *, newest_wins: bool, max_age_s: float | None) -> None:
        self._newest_wins = newest_wins
        self._max_age_s = max_age_s
        self._waiting: deque[Arrival] = deque()
        self._dropped: Counter[Cause] = Counter()
        self._dropped_since = 0
        self._last_fresh_s = monotonic()
        self._refuses_since_s: float | None = None
        self._over = False
        self._failure: BaseException | None = None
        self._changed = Condition()

    def put(self, arrival: Arrival) -> None:
        """Hand a frame over; in order. After the end it is dropped silently."""
        with self._changed:
            if self._too_old(arrival):
                self._drop("stale")
                self._refuses_since_s = self._refuses_since_s or monotonic()
                return
            self._refuses_since_s = None
            while not self._newest_wins and len(self._waiting) >= _EVERY_FRAME_CAPACITY and not self._over:
                self._changed.wait()
            if self._over:
                return
            if self._newest_wins and self._waiting:
                self._waiting.clear()
                self._drop("late")
            self._waiting.append(arrival)
            self._last_fresh_s = monotonic()
            self._changed.notify_all()

    def drop(self, cause: Cause) -> None:
        """Count a frame that was dropped before it came to be handed over."""
        with self._changed:
            self._drop(cause)

    def wait(self, until_s: float) -> bool:
        """Wait until there is something to take, or nothing more will come; False when time.monotonic() is until_s."""
        with self._changed:
            while not (self._waiting or self._over):
                left_s = until_s - monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
            return True

    def take(self, until_s: float) -> tuple[Arrival, int] | None:
        """The next frame, and how many were dropped since the last one; None when time.monotonic() reaches until_s,
        or at the end.

        Raises:
            whatever the reading thread ended with, once what it gave before is taken.
        """
        with self._changed:
            while True:
                while self._waiting:
                    arrival = self._waiting.popleft()
                    self._changed.notify_all()
                    if self._too_old(arrival):
                        self._drop("stale")
                        continue
                    dropped, self._dropped_since = self._dropped_since, 0
                    return arrival, dropped
                if self._failure is not None:
                    raise self._failure
                left_s = until_s - monotonic()
                if self._over or left_s <= 0:
                    return None
                self._changed.wait(left_s)

    def end(self, failure: BaseException | None = None) -> None:
        """Nothing more will come; what is here may still be taken."""
        with self._changed:
            self._over = True
            self._failure = failure
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will come or be taken."""
        with self._changed:
            self._over = True
            self._waiting.clear()
            self._changed.notify_all()

    @property
    def over(self) -> bool:
        """True where nothing more will come."""
        with self._changed:
            return self._over and not self._waiting

    @property
    def last_fresh_s(self) -> float:
        """When the last frame came that was not too old, or this was made: time.monotonic()."""
        with self._changed:
            return self._last_fresh_s

    @property
    def refuses_since_s(self) -> float | None:
        """Since when all that comes is too old: time.monotonic(); None where it is not."""
        with self._changed:
            return self._refuses_since_s

    @property
    def dropped(self) -> dict[Cause, int]:
        """Frames dropped so far, by cause."""
        with self._changed:
            return dict(self._dropped)

    def _drop(self, cause: Cause) -> None:
        self._dropped[cause] += 1
        self._dropped_since += 1

    def _too_old(self, arrival: Arrival) -> bool:
        return self._max_age_s is not None and monotonic() - arrival.captured_s > self._max_age_s
