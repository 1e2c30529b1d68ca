"""When frames are shown in an output: exactly when they were in the source, wherever a container can say so."""

from collections import deque
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from streamdet.errors import SinkError
from streamdet.media.write.formats import OutputFormat

# More frames than this to bridge a gap mean that a pts is nonsense.
_LONGEST_BRIDGE = 1000


class OutputTimes:
    """Places frames in the time of an output: ascending, never negative, in its time base.

    mp4 holds the difference between a packet's pts and its dts in 32 bits. Gaps between frames that could exceed them
    (an hour at 1/90000, a second at 1/1000000000) are bridged: the frame before is repeated now and then.

    Args:
        container: decides the time base.
        pts, time_base: of the first frame.
        origin_s: moment of the source that is the output's 0; None: the source's own 0.

    Attributes:
        time_base: seconds a unit of what is placed.
        shift_s: seconds by which all frames are later than in the source. Without origin_s 0, unless the first one is
            before 0, where an edit list would hide it.
        last: where the last frame was placed.
        interval: units between the last two frames, 0 before the second.
        nudged: frames whose time was not greater than the one before and that were moved to the next unit.
    """

    def __init__(
        self, container: OutputFormat, pts: int, time_base: Fraction, origin_s: Fraction | None = None
    ) -> None:
        self.time_base = container.time_base(time_base)
        self.shift_s = max(Fraction(0) if origin_s is None else -origin_s, -pts * time_base)
        self.last = self.interval = self.nudged = 0
        self._recent: deque[int] = deque(maxlen=max(1, container.reordered_frames(self.time_base)))
        self._longest_span = container.longest_span(self.time_base)
        self._latest = container.latest(self.time_base)

    def state(self) -> dict[str, Any]:
        """All that the times of frames to come depend on beside the arguments, as JSON holds it."""
        return {"last": self.last, "interval": self.interval, "nudged": self.nudged, "recent": list(self._recent)}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        self.last, self.interval, self.nudged = (int(state[name]) for name in ("last", "interval", "nudged"))
        self._recent.extend(int(placed) for placed in state["recent"])

    def units(self, count: int, time_base: Fraction) -> int:
        """Convert a length of time, rounded to the nearest unit where the container is coarser."""
        return count if time_base == self.time_base else round(count * time_base / self.time_base)

    def duration(self, wanted: int, time_base: Fraction) -> int:
        """Convert a frame's duration as far as it can be held; where it is unknown, the last interval."""
        units = self.units(wanted, time_base) or self.interval
        return units if self._longest_span is None else min(units, self._longest_span)

    def place(self, pts: int, time_base: Fraction) -> tuple[int, range]:
        """Decide the time of the next frame.

        Returns:
            Its time, and those at which the frame before is to be repeated first; mostly none.

        Raises:
            SinkError: the time or the gap is absurd.
        """
        placed = wanted = self.units(pts, time_base) + round(self.shift_s / self.time_base)
        repeated = range(0)
        if self._recent:
            placed = max(wanted, self.last + 1)
            repeated = self._bridge(placed)
        if placed > self._latest:
            raise SinkError(f"a frame at {float(placed * self.time_base):.6g} s is later than the container can store")
        self.interval = placed - self.last if self._recent else 0
        self.nudged += placed != wanted
        self._recent.extend([*repeated, placed])
        self.last = placed
        return placed, repeated

    def _bridge(self, placed: int) -> range:
        if self._longest_span is None or placed - self._recent[0] <= self._longest_span:
            return range(0)
        apart = max(1, self._longest_span // (2 * (self._recent.maxlen or 1)))
        repeated = range(self.last + apart, placed, apart)
        if len(repeated) > _LONGEST_BRIDGE:
            gap_s = float((placed - self.last) * self.time_base)
            raise SinkError(f"two frames are {gap_s:.6g} s apart, which mp4 cannot hold; write an .mkv")
        return repeated
