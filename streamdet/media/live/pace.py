"""How a sender's clock runs beside ours, told from when its frames arrive."""

from collections import deque
from statistics import median_low

_BUCKET_S = 0.25
_BUCKETS = 14
# A reader that waited for so much of a time was in step with the sender: nothing had piled up on our side.
_IDLE_SHARE = 0.1


class Pace:
    """The delay (arrival less the sender's time) of frames that nothing held up, and how it grows.

    Frames that are held up on the way are late by themselves; a clock that runs slow makes all of them later and later,
    evenly: cameras stamp 25 frames a second and send 21. So the least delay of each quarter of a second is noted, and
    its usual growth (the median) is the clock's. What piles up because this machine is too slow grows alike; then the
    reader never has to wait, and such times do not count.

    Attributes:
        drift: by how many seconds a second the delay grows: 0.2 of a clock at 80 % of ours, 1 of one that stands still.
    """

    def __init__(self) -> None:
        self.drift = 0.0
        self._least: deque[tuple[float, float]] = deque(maxlen=_BUCKETS)  # (arrival, delay), the newest last
        self._growth: deque[float] = deque(maxlen=_BUCKETS)  # from each but the newest to the next
        self._since_s = self._before_s = self._last_s = self._waited_s = 0.0

    @property
    def is_known(self) -> bool:
        """There were enough frames to tell the drift."""
        return len(self._growth) >= 3

    def observe(self, delay_s: float, arrived_s: float, waited_s: float) -> float:
        """Note a frame; gives the delay that one which nothing held up would have.

        Args:
            delay_s: arrival less the sender's time, by any zero.
            arrived_s: time.monotonic().
            waited_s: for how long it was waited for.
        """
        if not self._least or arrived_s - self._since_s > _BUCKET_S:
            self._growth.extend(self._newest_growth())
            self._least.append((arrived_s, delay_s))
            self._since_s, self._before_s, self._waited_s = arrived_s, self._last_s, 0.0
        elif delay_s < self._least[-1][1]:
            self._least[-1] = arrived_s, delay_s
        self._waited_s += waited_s
        self._last_s = arrived_s
        growth = [*self._growth, *self._newest_growth()]
        self.drift = min(1.0, max(-1.0, median_low(growth))) if growth else 0.0
        return self.expected_s(arrived_s)

    def expected_s(self, now_s: float) -> float:
        """The delay of a frame that arrives now and that nothing held up; -inf before the first."""
        delays = (delay_s + self.drift * (now_s - arrived_s) for arrived_s, delay_s in self._least)
        return min(delays, default=-float("inf"))

    def _newest_growth(self) -> list[float]:
        """From the last but one to the newest; nothing where there is none, or the reader could not keep up."""
        if len(self._least) < 2 or self._waited_s < _IDLE_SHARE * (self._last_s - self._before_s):
            return []
        (before_s, before), (now_s, now) = self._least[-2], self._least[-1]
        return [(now - before) / (now_s - before_s)]
