"""The last packets of a video, from which a clip is cut that starts before what it shows; nothing is encoded again."""

import io
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from threading import Lock
from typing import Any

import av
from av.video.stream import VideoStream

from streamdet.media.container import VideoPacket
from streamdet.media.write.formats import OUTPUT_FORMATS
from streamdet.media.write.part_file import PartFile, write_error

_COPIED = ("h264", "hevc", "av1")  # what browsers play in mp4


@dataclass(frozen=True, slots=True)
class PacketLimits:
    """How much is kept of a stream.

    Attributes:
        seconds: so far back at least a clip can start, where the bytes allow it.
        bytes: never more.
    """

    seconds: float
    bytes: int


@dataclass(frozen=True, slots=True)
class KeptPacket:
    """One packet.

    Attributes:
        number: counts the packets of a stream, across its connections.
        data: its bytes.
        pts, dts, duration: units of time_base.
        time_base: seconds a unit.
        is_keyframe: a clip can start here.
    """

    number: int
    data: bytes
    pts: int
    dts: int
    duration: int
    time_base: Fraction
    is_keyframe: bool

    @property
    def pts_s(self) -> float:
        """When it is shown, seconds of its connection."""
        return float(self.pts * self.time_base)

    @property
    def dts_s(self) -> float:
        """When it is decoded; packets of later pictures come before those that need them."""
        return float(self.dts * self.time_base)


@dataclass(slots=True)
class _Group:
    """A keyframe, and what follows it up to the next one."""

    packets: list[KeptPacket] = field(default_factory=list)
    bytes: int = 0


class PacketRing:
    """The last packets of one stream: one thread adds, another takes. It always starts with a keyframe.

    Args:
        limits: how much is kept.
    """

    def __init__(self, limits: PacketLimits) -> None:
        self._limits = limits
        self._lock = Lock()  # guards what follows
        self._groups: deque[_Group] = deque()
        self._bytes = self._next = 0
        self._offset_s: float | None = None
        self._video: VideoStream | None = None

    def connect(self, stream: VideoStream | None) -> None:
        """Packets of another connection come from now on: what is kept does not fit to them, and is dropped.

        Args:
            stream: that they are of; None: they have no times, and cannot be kept.
        """
        copied = stream is not None and stream.codec_context.codec.canonical_name in _COPIED
        video = template_of(stream) if stream is not None and copied else None
        with self._lock:
            self._groups.clear()
            self._bytes, self._offset_s, self._video = 0, None, video

    def align(self, offset_s: float) -> None:
        """Say what the clock shows more than the packets' pts, in seconds: that of `since` and of `PacketClip`."""
        with self._lock:
            self._offset_s = offset_s

    @property
    def video(self) -> VideoStream | None:
        """What a clip's stream is made like; another one with each connection. None: nothing is kept."""
        return self._video

    @property
    def bytes(self) -> int:
        """Of all packets that are kept."""
        return self._bytes

    def add(self, packet: VideoPacket) -> None:
        """Keep a copy of a packet, and drop what is too old."""
        pts = packet.pts if packet.pts is not None else packet.dts
        with self._lock:
            if self._video is None or pts is None or not (packet.is_keyframe or self._groups):
                return
            dts = packet.dts if packet.dts is not None else pts
            base, is_key = packet.time_base or Fraction(1, 90_000), packet.is_keyframe
            kept = KeptPacket(self._next, bytes(packet), pts, dts, packet.duration or 0, base, is_key)
            self._next += 1
            if is_key:
                self._groups.append(_Group())
            self._groups[-1].packets.append(kept)
            self._groups[-1].bytes += len(kept.data)
            self._bytes += len(kept.data)
            self._drop_old(kept.pts_s - self._limits.seconds)

    def _drop_old(self, from_s: float) -> None:
        while self._groups and (
            self._bytes > self._limits.bytes or (len(self._groups) > 1 and self._groups[1].packets[0].pts_s <= from_s)
        ):
            self._bytes -= self._groups.popleft().bytes

    def since(self, clock_s: float) -> list[KeptPacket]:
        """From the last keyframe before a moment on; from the first one that there is, where none is so old."""
        with self._lock:
            if self._offset_s is None:
                return []
            from_s = clock_s - self._offset_s
            started = [n for n, group in enumerate(self._groups) if group.packets[0].pts_s <= from_s]
            groups = list(self._groups)[started[-1] if started else 0 :]
            return [packet for group in groups for packet in group.packets]

    def after(self, number: int, until_s: float) -> list[KeptPacket]:
        """What came after a packet and is decoded up to a moment."""
        with self._lock:
            if self._offset_s is None:
                return []
            until_s -= self._offset_s
            groups = [group for group in self._groups if group.packets[-1].number > number]
            packets = (packet for group in groups for packet in group.packets)
            return [packet for packet in packets if packet.number > number and packet.dts_s <= until_s]


def template_of(stream: VideoStream) -> VideoStream:
    """A stream of the same codec that needs the other one no more: it can be used by another thread, and later."""
    container = av.open(io.BytesIO(), "w", format="mp4")
    copy = container.add_stream_from_template(stream, opaque=True)
    # Apple's players insist on it; other containers' codes mean nothing here.
    copy.codec_context.codec_tag = "hvc1" if stream.codec_context.codec.canonical_name == "hevc" else "\0\0\0\0"
    copy.time_base = stream.time_base
    return copy


class PacketClip:
    """An mp4 file of packets. It is `.<name>.part`, and playable, until it is closed.

    Args:
        target: the file; a folder for it must be there.
        video: `PacketRing.video`.

    Raises:
        SinkError: it cannot be written.
    """

    def __init__(self, target: Path, video: VideoStream) -> None:
        self.video, self.last = video, -1
        self._file = PartFile(target)
        self._first: int | None = None
        self._last_dts: int | None = None
        options = OUTPUT_FORMATS[".mp4"].growing_options(video.time_base or Fraction(1, 90_000), indexed=True)
        try:
            self._output = av.open(str(self._file.path.absolute()), "w", format="mp4", container_options=options)
            self._stream = self._output.add_stream_from_template(video, opaque=True)
            self._stream.time_base = video.time_base
        except (av.FFmpegError, OSError, ValueError) as error:
            self._file.discard()
            raise write_error(target, error) from error

    def write(self, packets: Sequence[KeptPacket]) -> None:
        """Add packets, in their order.

        Raises:
            SinkError: they cannot be written; what was written is lost.
        """
        try:
            for kept in packets:
                self._mux(kept)
                self.last = kept.number
        except (av.FFmpegError, OSError, ValueError) as error:
            self.discard()
            raise write_error(self._file.target, error) from error

    def _mux(self, kept: KeptPacket) -> None:
        if self._first is None:
            self._first = kept.pts
        packet: Any = av.Packet(kept.data)
        dts = kept.dts - self._first
        packet.dts = dts if self._last_dts is None else max(dts, self._last_dts + 1)
        packet.pts = max(kept.pts - self._first, packet.dts)
        packet.duration, packet.time_base, packet.is_keyframe = kept.duration, kept.time_base, kept.is_keyframe
        packet.stream, self._last_dts = self._stream, packet.dts
        self._output.mux(packet)

    def close(self) -> None:
        """Give it its name; a clip without a packet leaves none.

        Raises:
            SinkError: it cannot be completed.
        """
        if self.last < 0:
            self.discard()
            return
        try:
            self._output.close()
        except (av.FFmpegError, OSError, ValueError) as error:
            self._file.discard()
            raise write_error(self._file.target, error) from error
        self._file.publish(self._file.path)

    def discard(self) -> None:
        """Leave nothing."""
        with suppress(av.FFmpegError, OSError, ValueError):  # it failed before, and says it again
            self._output.close()
        self._file.discard()


def adopt_interrupted(folder: Path) -> None:
    """Give clips that a process which was killed has left their names, as far as they were written."""
    for part in folder.glob("*/.*.mp4.part"):
        file = PartFile(part.with_name(part.name[1 : -len(".part")]), resumes=True)
        file.cut_to_whole_fragments()
        if file.holds_video():
            file.publish(file.path)
        else:
            file.discard()
