"""Time of frames: which part of a source is read, and an exact pts for each frame. Integers and fractions only."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from math import ceil
from typing import TypeAlias, TypeVar

import av
from av.container import InputContainer
from av.video.stream import VideoStream

DEFAULT_RATE = Fraction(25)


def exact(seconds: float) -> Fraction:
    """The decimal number that a float was written as: 0.04 is 1/25, not the binary number a little above it."""
    return Fraction(repr(float(seconds)))


def beginning_s(container: InputContainer) -> Fraction:
    """When a file starts, in seconds of its pts: the first moment of its audio or video, where players show 0:00."""
    begins = [
        stream.start_time * stream.time_base
        for stream in container.streams
        if stream.type in ("audio", "video") and stream.start_time is not None and stream.time_base is not None
    ]
    return min(begins, default=Fraction(0))


def end_s(container: InputContainer, stream: VideoStream) -> Fraction | None:
    """When a stream ends, in seconds from its file's start; None where unknown."""
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
        start_s, end_s: seconds from the start of the file (see `beginning_s`); a frame at time t is in the part if
            start_s <= t < end_s.
        max_frames: number of frames delivered at most.
        stride: deliver every stride-th frame of the part.
        every: only the picture of every N-th frame is looked at; the others need not be decoded.
        skip: so many of the frames that would be delivered are not: they were in a run before this one. They are
            decoded, so that those behind them are exactly what they would have been.
    """

    start_s: float | None = None
    end_s: float | None = None
    max_frames: int | None = None
    stride: int = 1
    skip: int = 0
    every: int = 1

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
            first_s: when that comes, seconds from the start of the file.
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


class Clock:
    """When each frame of a stream is shown as far as its container says: FFmpeg's best effort.

    - A pts is taken, unless pts go back again and again and dts do not: then those are the better guess.
    - Containers without pts (AVI, and mp4 or FLV without composition times) have a dts a packet; not every packet gives
      a picture, and B-frames come out later. The n-th picture is shown at the dts of the n-th packet that gives one:
      where one came out, there was one.

    Source: guess_correct_pts of libavcodec/decode.c, which is content with a single pts that goes back.

    Args:
        trust_pts: False for containers that store no pts, where FFmpeg's are guesses that B-frames turn wrong.

    Attributes:
        only_dts: no packet so far had a pts other than its dts.
    """

    def __init__(self, *, trust_pts: bool = True) -> None:
        self.trust_pts = trust_pts
        self._faulty_pts = self._faulty_dts = 0
        self._last_pts = self._last_dts = -(2**63)
        # dts of packets before the first frame, then those at which frames came out. The bound is for
        # decoders that never give one.
        self._waiting: deque[int] = deque(maxlen=256)
        self._keyframes: deque[int] = deque(maxlen=256)
        self._started = False
        self.only_dts = True

    def packet(self, pts: int | None, dts: int | None, *, keyframe: bool = False) -> None:
        """Note a packet that goes into the decoder."""
        self.only_dts = self.only_dts and pts == dts
        if not self._started and dts is not None:
            self._waiting.append(dts)
            if keyframe:
                self._keyframes.append(dts)

    def undecodable(self) -> None:
        """Note that the packet which went in last gives no frame."""
        if not self._started and self._waiting:
            self._waiting.pop()

    def stated(self, pts: int | None, dts: int | None) -> int | None:
        """When the next frame in presentation order is shown; None where nothing says so.

        Args:
            pts: of the frame.
            dts: of the packet at which the decoder gave it; None of those that come at the end.
        """
        best, by_packets = self._best(pts, dts), self._by_packets(pts, dts)
        return by_packets if self.only_dts or not self.trust_pts else best

    def _best(self, pts: int | None, dts: int | None) -> int | None:
        if dts is not None:
            self._faulty_dts += dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._faulty_pts += pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        good = pts is not None and (self._faulty_pts <= self._faulty_dts + 1 or dts is None)
        return pts if good else dts

    def _by_packets(self, pts: int | None, dts: int | None) -> int | None:
        if not self._started:
            self._started = True
            before = [time for time in self._waiting if dts is not None and time < dts]
            # A recording that starts between keyframes gives no picture up to the first one.
            keyframes = [time for time in self._keyframes if dts is not None and time <= dts]
            start = max(keyframes, default=min(before, default=0))
            self._waiting = deque(time for time in before if time >= start)
            self._keyframes.clear()
        if dts is not None:
            self._waiting.append(dts)
        return self._waiting.popleft() if self._waiting else pts


Item = TypeVar("Item")
Stated: TypeAlias = tuple[Item, int | None, int]
"""A frame, when it is shown as far as is said, and for how long (0 where unknown), in units of the time base."""


class Timeline:
    """Places frames: each when its container says, or where that cannot be, as near to it as time can continue.

    - A time that is there and grows is kept exactly.
    - Without one (raw H.264), frames follow each other at the frame rate.
    - One that stands still, or goes back for a single frame, comes between its neighbours.
    - One that jumps ahead for a single frame is no time: it follows the one before.
    - Where times go back and continue from there (a wrapped or concatenated stream), all later ones are moved so that
      time continues.

    To tell these apart takes the frame that follows; only then one is held back, and at the start two.

    Args:
        time_base: seconds a unit.
        rate: frames per second, None where unknown.
    """

    def __init__(self, time_base: Fraction, rate: Fraction | None) -> None:
        self._step = max(1, round(1 / ((rate or DEFAULT_RATE) * time_base)))
        self._far = ceil(1 / time_base)
        self._back = max(4 * self._step, ceil(Fraction(1, 10) / time_base))
        self._offset = 0
        self._last: int | None = None

    def placed(self, frames: Iterable[Stated[Item]]) -> Iterator[tuple[Item, int]]:
        """Give frames their pts.

        Args:
            frames: in presentation order.

        Yields:
            what it was, and its pts: always greater than the one before.
        """
        held: Stated[Item] | None = None
        for frame in self._with_a_likely_start(iter(frames)):
            if held is not None:
                yield held[0], self._settled(held, frame[1])
                held = None
            if self._is_plain(frame[1]):
                yield frame[0], self._moved(frame[1])
            else:
                held = frame
        if held is not None:
            yield held[0], self._settled(held, None)

    def _with_a_likely_start(self, frames: Iterator[Stated[Item]]) -> Iterator[Stated[Item]]:
        """The same frames; the first one has no wild time, as the two behind it tell."""
        first = list(islice(frames, 3))
        times = [time for _, time, _ in first if time is not None]
        if len(times) == 3 and times[0] > max(times[1:]):
            item, _, duration = first[0]
            first[0] = item, times[1] - (duration or self._step), duration
        return chain(first, frames)

    def _is_plain(self, time: int | None) -> bool:
        return time is not None and self._last is not None and 0 < time + self._offset - self._last <= self._far

    def _moved(self, time: int | None) -> int:
        self._last = (time or 0) + self._offset
        return self._last

    def _settled(self, held: Stated[Item], following: int | None) -> int:
        """Place a frame that is the first one, has no time, or an odd one.

        Args:
            held: the frame.
            following: the time of the one behind it; None where that is unknown, or there is none.
        """
        _, time, duration = held
        step = duration or self._step
        if self._last is None:
            self._last = time or 0
        elif time is None:
            self._last += step
        else:
            after = None if following is None else following + self._offset
            self._last = self._odd(self._last, time + self._offset, after, step)
        return self._last

    def _odd(self, last: int, time: int, after: int | None, step: int) -> int:
        if time > last:  # far ahead
            is_alone = after is not None and after < time and after - last < time - after
            return self._between(last, after, step) if is_alone else time
        if after is None or after == time:
            return last + step
        if after > last:
            return self._between(last, after, step)
        if last - time >= self._back and after > time:
            self._offset += last + step - time
            return last + step
        return last + 1

    @staticmethod
    def _between(last: int, after: int | None, step: int) -> int:
        return last + (step if after is None or after <= last else max(1, min(step, (after - last) // 2)))
