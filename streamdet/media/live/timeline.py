"""Time of live frames: one timeline over all connections, and when each frame was captured.

All of it counts from time.monotonic(): the wall clock may jump, and the sender's pts start anew with each connection.
"""

from fractions import Fraction

TIME_BASE = Fraction(1, 1_000_000)

# Frames come at the pace of their pts, give or take what a network or a segment of HLS holds back.
# What deviates by more from one frame to the next is a clock that was set.
MAX_DEVIATION_S = 10.0

_WINDOW_S = 2.5


class _LeastDelay:
    """The smallest arrival minus pts of the last 2.5 to 5 s: frames that come later than that were held up on the way.

    It forgets, because clocks drift apart; those of cameras that stamp 25 frames a second and send 24, soon.
    """

    def __init__(self) -> None:
        self._since_s = 0.0
        self._before = self._now = float("inf")

    def observe(self, delay_s: float, arrived_s: float) -> float:
        if self._now == float("inf"):
            self._since_s = arrived_s
        elif arrived_s - self._since_s > _WINDOW_S:
            self._before, self._now, self._since_s = self._now, float("inf"), arrived_s
        self._now = min(self._now, delay_s)
        return min(self._before, self._now)


class LiveTimeline:
    """Gives each frame its pts in units of TIME_BASE, from 0 at the first frame on, always growing.

    Within a connection the steps are those of the sender's pts, exactly; from one to the next, or where the sender's
    clock is set, they are what has passed here.
    """

    def __init__(self) -> None:
        self._origin_s: float | None = None
        self._last = -1
        self._last_arrived_s = 0.0
        self._anchor: tuple[Fraction, int] | None = None  # a sender's pts in seconds, and what it is here
        self._delay = _LeastDelay()

    def reconnected(self) -> None:
        """The pts to come have nothing to do with those before."""
        self._anchor = None
        self._delay = _LeastDelay()

    def place(self, pts_s: Fraction | None, arrived_s: float, step_s: Fraction) -> int:
        """Decide the pts of the next frame.

        Args:
            pts_s: the sender's, None where it gives none, as in the first frame of RTSP.
            arrived_s: time.monotonic().
            step_s: from the frame before, where nothing better is known.
        """
        if self._origin_s is None:
            self._origin_s = arrived_s
        placed = self._by_anchor(pts_s, arrived_s)
        if placed is None:
            follows = self._last + max(1, round(step_s / TIME_BASE)) if self._last >= 0 else 0
            placed = max(follows, round((arrived_s - self._origin_s) / TIME_BASE))
            if pts_s is not None:
                self._anchor = (pts_s, placed)
        self._last = max(placed, self._last + 1)
        self._last_arrived_s = arrived_s
        return self._last

    def ahead_s(self, pts_s: Fraction, arrived_s: float) -> float:
        """By how much a frame would come before its time: what HLS delivers at once is spread by this."""
        if self._anchor is None or self._origin_s is None:
            return 0.0
        return float((pts_s - self._anchor[0]) + self._anchor[1] * TIME_BASE) - (arrived_s - self._origin_s)

    def captured_s(self, pts_s: Fraction | None, arrived_s: float) -> float:
        """When a frame was captured as near as arrivals tell, time.monotonic(): at the latest when it arrived."""
        if pts_s is None:
            return arrived_s
        return min(arrived_s, float(pts_s) + self._delay.observe(arrived_s - float(pts_s), arrived_s))

    def forget_delay(self) -> None:
        """Take the next frame as one that was not held up."""
        self._delay = _LeastDelay()

    def _by_anchor(self, pts_s: Fraction | None, arrived_s: float) -> int | None:
        if pts_s is None or self._anchor is None:
            return None
        anchor_pts_s, anchor = self._anchor
        placed = anchor + round((pts_s - anchor_pts_s) / TIME_BASE)
        step_s = float((placed - self._last) * TIME_BASE)
        if step_s < -1 or abs(step_s - (arrived_s - self._last_arrived_s)) > MAX_DEVIATION_S:
            self.reconnected()
            return None
        return placed
