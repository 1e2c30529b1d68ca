"""Time of live frames: one timeline over all connections, and when each frame was captured.

All of it counts from time.monotonic(): the wall clock may jump, and the sender's pts start again with each connection.
"""

from dataclasses import dataclass
from fractions import Fraction

from streamdet.media.live.pace import Pace

TIME_BASE = Fraction(1, 1_000_000)

# Frames come at the pace of their pts, give or take what a network or a segment of HLS holds back.
# What deviates by more from one frame to the next is a clock that was set.
MAX_DEVIATION_S = 10.0

# Ahead of the earliest ones by more, a frame has a wild time, or the sender's clock was set.
_MAX_AHEAD_S = 1.0

# A clock that runs slow by more than this share is none: times are those of capture as arrivals tell them.
_MAX_DRIFT = 0.1


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a frame is on the timeline.

    Attributes:
        pts: units of TIME_BASE.
        captured_s: time.monotonic() of capture, as near as arrivals tell: at the latest when it arrived.
    """

    pts: int
    captured_s: float


class LiveTimeline:
    """Gives each frame its pts in units of TIME_BASE, from 0 at the first frame on, always growing.

    Within a connection the steps are those of the sender's pts, exactly; from one to the next, where the sender's clock
    is set, stands still, or runs far too slow, they are what has passed here. A single wild pts is none.
    """

    def __init__(self) -> None:
        self._origin_s: float | None = None
        self._last = self._last_sent = -1
        self._last_arrived_s = 0.0
        # A sender's pts in seconds, and what it is here; behind the one in use, the one before, which a frame with a
        # wild pts ended too early.
        self._anchors: list[tuple[Fraction, int]] = []
        self._pace = Pace()

    def reconnected(self) -> None:
        """The pts to come have nothing to do with those before."""
        self._anchors.clear()
        self._pace = Pace()

    def place(self, pts_s: Fraction | None, arrived_s: float, step_s: Fraction, waited_s: float = 0.0) -> Placed:
        """Decide the pts of the next frame, and when it was captured.

        Args:
            pts_s: the sender's, None where it gives none, as in the first frame of RTSP.
            arrived_s: time.monotonic().
            step_s: from the frame before, where nothing better is known.
            waited_s: for how long the frame was waited for; 0 where that tells nothing of the sender's clock.
        """
        if self._origin_s is None:
            self._origin_s = arrived_s
        here_s = arrived_s - self._origin_s
        sent = None if pts_s is None else self._by_anchor(pts_s, arrived_s, here_s)
        if sent is None:
            follows = self._last_sent + max(1, round(step_s / TIME_BASE)) if self._last_sent >= 0 else 0
            sent = max(follows, round(here_s / TIME_BASE))
            if pts_s is not None:
                self._anchors = [(pts_s, sent), *self._anchors[:1]]
        elif sent <= self._last_sent:  # the clock stands still
            sent = max(self._last_sent + 1, round(here_s / TIME_BASE))
        self._last_sent, self._last_arrived_s = sent, arrived_s
        captured_s = arrived_s
        if pts_s is not None:
            sent_s = float(sent * TIME_BASE)
            expected_s = self._pace.observe(here_s - sent_s, arrived_s, waited_s)
            captured_s = min(arrived_s, self._origin_s + sent_s + expected_s)
        apart = self._pace.is_known and self._pace.drift > _MAX_DRIFT
        placed = round((captured_s - self._origin_s) / TIME_BASE) if apart else sent
        self._last = max(placed, self._last + 1)
        return Placed(self._last, captured_s)

    def ahead_s(self, pts_s: Fraction, arrived_s: float) -> float:
        """By how much a frame would come before its time: what HLS delivers at once is spread by this."""
        if not self._anchors or self._origin_s is None:
            return 0.0
        (anchor_pts_s, anchor), *_ = self._anchors
        return float((pts_s - anchor_pts_s) + anchor * TIME_BASE) - (arrived_s - self._origin_s)

    def forget_delay(self) -> None:
        """Take the next frame as one that was not held up."""
        self._pace = Pace()

    def _by_anchor(self, pts_s: Fraction, arrived_s: float, here_s: float) -> int | None:
        """A sender's pts on our timeline, None where it is wild or the clock was set."""
        for anchor in self._anchors:
            sent = anchor[1] + round((pts_s - anchor[0]) / TIME_BASE)
            step_s = float((sent - self._last_sent) * TIME_BASE)
            is_near = abs(step_s - (arrived_s - self._last_arrived_s)) <= MAX_DEVIATION_S
            delay_s = here_s - float(sent * TIME_BASE)
            if step_s >= -1 and is_near and delay_s >= self._pace.expected_s(arrived_s) - _MAX_AHEAD_S:
                self._anchors = [anchor]
                return sent
        return None
