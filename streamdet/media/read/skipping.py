"""Frames that need not be decoded: nobody looks at them, and no other frame is predicted from them."""

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from av.video.frame import VideoFrame

from streamdet.media.container import VideoPacket, VideoPackets
from streamdet.media.nal_units import SYNTAX, header_units, split_units
from streamdet.media.read.decoder import Decoder

_SYNTAX = SYNTAX["h264"]


class Undecoded(NamedTuple):
    """A frame that was not decoded.

    Attributes:
        before: the decoded frame before it.
        pts, duration: of its packet, units of the time base.
    """

    before: VideoFrame
    pts: int
    duration: int


def skipping(decoder: Decoder, every: int, start: int | None) -> "Skipping | None":
    """What keeps frames from the decoder; None where all are to be decoded.

    Args:
        decoder: at the start, or at a keyframe before `start`.
        every: look at every N-th frame, the first one included.
        start: pts from which on frames count; None: from the first one on.
    """
    context = decoder.stream.codec_context
    if every == 1 or context.name != "h264" or context.is_hwaccel or decoder.live or not decoder.trust_pts:
        return None
    try:
        _, length_size = header_units("h264", context.extradata or b"")
    except (ValueError, IndexError):
        return None
    return Skipping(decoder, every, start, length_size)


class Skipping:
    """Withholds packets from a decoder, and puts frames without a picture in the place of theirs.

    A packet is withheld where its place among the shown frames is certain, which it is when the next packet is not
    decoded before it is shown. Nothing is withheld any longer once a file turns out to be damaged, interlaced or
    without times that ascend.

    Source: H.264, 7.4.1: nal_ref_idc is 0 in all slices of a picture that no other refers to.
    """

    def __init__(self, decoder: Decoder, every: int, start: int | None, length_size: int | None) -> None:
        self._decoder, self._every, self._start, self._length_size = decoder, every, start, length_size
        self._on = True
        self._first: int | None = None  # pts of the first frame that counts; None until a frame has come
        self._last_dts: int | None = None
        self._times: list[int] = []  # pts of packets, ascending, of frames whose place is not certain yet
        self._places = 0  # frames before those
        self._withheld: list[tuple[int, int]] = []  # pts and duration, ascending

    def packets(self, packets: Iterable[VideoPacket]) -> VideoPackets:
        """Those that are to be decoded."""
        held: VideoPacket | None = None
        for packet in packets:
            if held is not None and not self._withhold(held, packet.dts):
                yield held
            held = packet
        if held is not None:
            yield held

    def frames(self, frames: Iterable[VideoFrame]) -> Iterator[VideoFrame | Undecoded]:
        """All frames in the order in which they are shown.

        Args:
            frames: what the decoder makes of `packets`.
        """
        before: VideoFrame | None = None
        for frame in frames:
            self._on = self._on and frame.pts is not None and not frame.interlaced_frame
            if self._first is None and frame.pts is not None:
                self._count_from(frame.pts if self._start is None else max(frame.pts, self._start))
            while before is not None and self._withheld and frame.pts is not None and self._withheld[0][0] < frame.pts:
                yield Undecoded(before, *self._withheld.pop(0))
            if self._withheld and self._withheld[0][0] == frame.pts:  # the end of a damaged file is decoded again
                del self._withheld[0]
            yield frame
            before = frame
        while before is not None and self._withheld:
            yield Undecoded(before, *self._withheld.pop(0))

    def _count_from(self, first: int) -> None:
        self._first = first
        self._times = [time for time in self._times if time >= first]

    def _withhold(self, packet: VideoPacket, next_dts: int | None) -> bool:
        pts, dts = packet.pts, packet.dts
        ascends = self._last_dts is None or (dts is not None and dts > self._last_dts)
        self._last_dts = dts
        self._on = self._on and pts is not None and ascends and not self._decoder.undecodable
        if not self._on or pts is None or packet.is_discard:
            return False
        if self._first is not None and pts < self._first:
            return False
        insort(self._times, pts)
        if self._first is None or next_dts is None:
            return False
        settled = bisect_left(self._times, min(pts, next_dts))
        del self._times[:settled]
        self._places += settled
        is_certain = pts <= next_dts and not self._decoder.clock.only_dts
        if not is_certain or self._places % self._every == 0 or not self._is_unused(packet):
            return False
        insort(self._withheld, (pts, packet.duration or 0))
        return True

    def _is_unused(self, packet: VideoPacket) -> bool:
        """Whether no other picture is predicted from that of a packet, and it holds no parameter sets."""
        try:
            units = split_units(bytes(packet), self._length_size)
        except ValueError:
            return False
        slices = [unit for unit in units if _SYNTAX.type_of(unit) in _SYNTAX.pictures]
        has_sets = any(_SYNTAX.type_of(unit) in _SYNTAX.sets for unit in units)
        return bool(slices) and not has_sets and not any(unit[0] & 0x60 for unit in slices)
