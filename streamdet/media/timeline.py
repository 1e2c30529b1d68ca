"""Time of frames: which part of a source is read, and an exact pts for each frame. Integers and fractions only."""

from collections import deque
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import av
from av.container import InputContainer
from av.video.stream import VideoStream

DEFAULT_RATE = Fraction(25)


def exact(seconds: float) -> Fraction:
    """The decimal number that a float was written as: 0.04 is 1/25, not the binary number a little above it."""
    return Fraction(repr(float(seconds)))


def beginning_s(container: InputContainer) -> Fraction:
    """When a file begins, in seconds of its pts: the first moment of its audio or video, where players show 0:00."""
    begins = [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.type in ("audio", "video") and stream.start_time is not None and stream.time_base is not None
    ]
    return min(begins, default=Fraction(0))


def end_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """When a stream ends, in seconds from its file's beginning; None where unknown."""
    ends = []
    if container.duration:
        ends.append(Fraction(container.duration, av.time_base))
    if stream.duration and stream.start_time is not None and stream.time_base is not None:
        ends.append((stream.start_time + stream.duration) * stream.time_base - beginning_s(container))
    return min(ends, default=None)


@dataclass(frozen=True, slots=True)
class Part:
    """The part of a source that is read.

    Attributes:
        start_s, end_s: seconds from the beginning of the file (see `beginning_s`); a frame at time t is in the part if
            start_s <= t < end_s.
        max_frames: number of frames delivered at most.
        stride: deliver every stride-th frame of the part.
        skip: so many of the frames that would be delivered are not: they were in a run before this one. They are
            decoded, so that those behind them are exactly what they would have been.
    """

    start_s: float | None = None
    end_s: float | None = None
    max_frames: int | None = None
    stride: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        if self.start_s is not None and self.start_s < 0:
            raise ValueError(f"start_s must not be negative, got {self.start_s}")
        if self.end_s is not None and self.end_s <= (self.start_s or 0):
            raise ValueError(f"end_s must be greater than start_s ({self.start_s or 0}), got {self.end_s}")
        if self.max_frames is not None and self.max_frames < 1:
            raise ValueError(f"max_frames must be at least 1, got {self.max_frames}")
        if self.stride < 1:
            raise ValueError(f"stride must be at least 1, got {self.stride}")

    def pts_range(self, beginning: Fraction, time_base: Fraction) -> tuple[int | None, int | None]:
        """First pts of the part and first pts after it, None where it is open."""
        bounds = (self.start_s, self.end_s)
        start, end = (None if at is None else ceil((beginning + exact(at)) / time_base) for at in bounds)
        return start, end

    def count(self, left: int | None, first_s: Fraction, rate: Fraction | None) -> int | None:
        """How many frames are delivered: an estimate, None where unknown.

        Args:
            left: frames of the source from the first one in the part on.
            first_s: when that comes, seconds from the beginning of the file.
            rate: frames per second.
        """
        before_end = None if self.end_s is None or rate is None else ceil((exact(self.end_s) - first_s) * rate)
        frames = min((number for number in (left, before_end) if number is not None), default=None)
        delivered = None if frames is None else -(-frames // self.stride)
        return min((number for number in (delivered, self.max_frames) if number is not None), default=None)

    def duration_s(self, first_s: Fraction, source_end_s: Fraction | None) -> float | None:
        """Seconds from the first frame in the part to its end or the source's; None where unknown."""
        ends = [source_end_s, None if self.end_s is None else exact(self.end_s)]
        end = min((end for end in ends if end is not None), default=None)
        return None if end is None else float(max(Fraction(0), end - first_s))


class Timeline:
    """Gives each frame of a stream its pts: the container's own, or where that is missing or broken the best guess.

    - A pts that is there and grows is kept exactly.
    - Without one (AVI, raw H.264) the n-th frame shown takes the n-th packet's dts: dts are in order and of the same
      pace. Without dts either, frames follow each other at the frame rate.
    - Where dts start anew (a wrapped or concatenated stream), all pts from there on are moved so that time goes on.
    - Any other pts that goes back (jitter, frames that a damaged file releases late) comes one unit after the one
      before it.

    Args:
        time_base: seconds a unit.
        rate: frames per second, None where unknown.
        trust_pts: False for containers that store no pts, where FFmpeg's are guesses that B-frames turn wrong.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None, *, trust_pts: bool = True) -> None:
        self._step = max(1, round(1 / ((rate or DEFAULT_RATE) * time_base)))
        self._one_second = ceil(1 / time_base)
        self.trust_pts = trust_pts
        # Packets wait here only as long as the decoder holds them; the bound is for streams that hide frames.
        self._waiting_dts: deque[int] = deque(maxlen=256)
        self._last_dts: int | None = None
        self._restarts = 0
        self._offset = 0
        self._last: int | None = None

    def packet(self, dts: int | None) -> None:
        """Note a packet that goes into the decoder."""
        if dts is None:
            return
        if self._last_dts is not None and dts <= self._last_dts - self._one_second:
            self._restarts += 1
        self._last_dts = dts
        self._waiting_dts.append(dts)

    def undecodable(self) -> None:
        """Note that a packet will give no frame."""
        if self._waiting_dts:
            self._waiting_dts.popleft()

    def place(self, pts: int | None, duration: int = 0) -> int:
        """Decide the pts of the next frame in presentation order; always greater than the one before."""
        dts = self._waiting_dts.popleft() if self._waiting_dts else None
        known = pts if pts is not None and self.trust_pts else dts
        if self._last is None:
            self._last = known or 0
            return self._last
        following = self._last + (duration or self._step)
        placed = following if known is None else known + self._offset
        if placed <= self._last - self._one_second and self._restarts:
            self._restarts -= 1
            self._offset += following - placed
            placed = following
        self._last = max(placed, self._last + 1)
        return self._last
