"""A source's video as groups of pictures that can be copied into another file, or be left out of it."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
from av.video.frame import VideoFrame

from streamdet.errors import SinkError, SourceError
from streamdet.frames import StreamInfo
from streamdet.media.container import VideoPacket, demux, open_file
from streamdet.media.locations import SourceSpec
from streamdet.media.nal_units import SYNTAX, header_units, split_units, with_start_codes
from streamdet.media.read.aperture import aperture_of
from streamdet.media.read.orientation import UPRIGHT, orientation_of
from streamdet.media.tracks import best_video_stream

# What is held of a group until it is known whether it is copied.
MOST_PACKETS, MOST_BYTES = 600, 2**26

_LONG, _OPEN, _DAMAGED = "is too long", "depends on pictures before it", "is hidden or damaged in part"
_PROGRESSIVE = (0, 1)  # not said, or said
_FORMATS = ("yuv420p", "yuvj420p")


@dataclass(frozen=True, slots=True)
class Group:
    """Packets from a keyframe on that depend on none before it.

    Attributes:
        packets: in decoding order.
        times: their pts, ascending.
        depth: how many pictures they go back in decoding order.
        why_not: why it cannot be copied; None where it can.
        sets: parameter sets that a decoder needs before it, with start codes; empty where it has them for certain.
    """

    packets: Sequence[VideoPacket]
    times: Sequence[int]
    depth: int
    why_not: str | None
    sets: Sequence[bytes]

    def why_not_after(self, delay: int) -> str | None:
        """The same where packets go back so many pictures at most."""
        return self.why_not if self.depth <= delay else "goes back further in decoding order than the first one"


class GroupReader:
    """Reads a source's packets beside whoever decodes it.

    Args:
        info: of the source.

    Attributes:
        codec: h264 or hevc.
        stream: of the source.
        header: its parameter sets.
        delay: how many pictures its first packets go back in decoding order.
        pixel_aspect: as its pictures say it; 0 where they do not.
        free_id: a number that none of its parameter sets has.

    Raises:
        SinkError: its packets cannot be put beside those of an encoder; says why.
    """

    def __init__(self, info: StreamInfo) -> None:
        if info.path is None:
            raise SinkError(f"{info.location} is no video file that could be copied; use --encode all")
        try:
            self._container = open_file(Path(info.path))
        except (av.FFmpegError, ValueError) as error:
            raise SinkError(f"{info.location} cannot be read again") from error
        try:
            self._look(info)
        except (av.FFmpegError, ValueError, LookupError, SourceError) as error:
            self._container.close()
            raise SinkError(f"{info.location}: its packets cannot be read; use --encode all") from error
        except BaseException:
            self._container.close()
            raise
        self._latest: int | None = None
        self._read = self._groups()
        self._ahead = next(self._read, None)
        self.delay = 0 if self._ahead is None else self._ahead.depth

    def _look(self, info: StreamInfo) -> None:
        spec = SourceSpec(str(info.path), "", "file", track_index=info.track_index)
        self.stream = stream = best_video_stream(self._container, spec)
        if why := self._why_not(spec, info):
            raise SinkError(f"{info.location} {why}, which cannot lie beside what is encoded; use --encode all")
        stream.thread_type = "AUTO"
        context = stream.codec_context
        self.codec = context.name
        self._syntax = SYNTAX[self.codec]
        self.header, self._length_size = header_units(self.codec, context.extradata or b"")
        self._sets = {self._syntax.set_key(unit): unit for unit in self._sets_in(self.header)}
        self.pixel_aspect = context.sample_aspect_ratio or Fraction(0)
        used = {number for _, number in self._sets}
        self.free_id = max(set(range(32)) - used)

    def _why_not(self, spec: SourceSpec, info: StreamInfo) -> str | None:
        """What is in the way; the first picture tells most of it."""
        context = self.stream.codec_context
        if context.name not in SYNTAX:
            return f"is {context.name}, expected H.264 or H.265"
        with open_file(Path(spec.location)) as beside:
            frame = next(beside.decode(best_video_stream(beside, spec)))
        size, format_ = (frame.width, frame.height), frame.format.name
        reasons = {
            "has no parameter sets": not context.extradata,
            "has packets without times (AVI)": self._container.format.name == "avi",
            "is interlaced": context.field_order not in _PROGRESSIVE or frame.interlaced_frame,
            "is stored with edges that are not shown": aperture_of(spec, self.stream) is not None,
            "is stored turned": orientation_of(frame) != UPRIGHT,
            f"is stored as {format_}, expected 8 bit 4:2:0": format_ not in _FORMATS,
            f"has pictures of {frame.width}x{frame.height}, expected even sides": frame.width % 2 or frame.height % 2,
            "changes its size": size != (info.width, info.height),
        }
        return next((reason for reason, holds in reasons.items() if holds), None)

    def group_at(self, pts: int) -> Group | None:
        """The group that holds a picture, or the next one; groups before it are left out. None behind the last one."""
        ahead, self._ahead = self._ahead, None
        groups = self._read if ahead is None else chain([ahead], self._read)
        return next((group for group in groups if group.times and group.times[-1] >= pts), None)

    def frames(self, group: Group, number: int) -> Generator[VideoFrame]:
        """Decode the first pictures of a group, in the order in which they are shown.

        Raises:
            SinkError: other pictures come out than the first time.
        """
        decoded = self._decoded(group.packets)
        try:
            for time in group.times[:number]:
                frame = next(decoded, None)
                if frame is None or frame.pts != time:
                    raise SinkError("other pictures come out when it is decoded again; use --encode all")
                yield frame
        finally:
            self.stream.codec_context.flush_buffers()

    def _decoded(self, packets: Sequence[VideoPacket]) -> Iterator[VideoFrame]:
        for packet in (*packets, None):
            with suppress(av.FFmpegError):  # a damaged packet gives no frame; those before it are still inside
                yield from self.stream.codec_context.decode(packet)

    def copied(self, group: Group) -> Iterator[tuple[bytes, VideoPacket]]:
        """The packets of a group in decoding order, with start codes, and as they were."""
        for number, packet in enumerate(group.packets):
            data = bytes(packet)
            if self._length_size is None and not (number == 0 and group.sets):
                yield data, packet
                continue
            units = split_units(data, self._length_size)
            if number == 0:
                place = self._syntax.type_of(units[0]) == self._syntax.delimiter
                units[place:place] = group.sets
            yield with_start_codes(units), packet

    def close(self) -> None:
        """Close the file."""
        self._read.close()
        self._container.close()

    def _groups(self) -> Generator[Group]:
        held: list[VideoPacket] = []
        held_bytes, problem, missing = 0, None, list[bytes]()
        with suppress(av.FFmpegError):  # what cannot be read from here on is encoded
            for packet in demux(self._container, self.stream):
                if not packet.size:
                    continue
                units = self._units(packet)
                is_first = packet.is_keyframe and self._is_first(units)
                if held and (is_first or len(held) >= MOST_PACKETS or held_bytes >= MOST_BYTES):
                    yield self._group(held, missing, problem or (None if is_first else _LONG))
                    held, held_bytes = [], 0
                if not held:
                    problem, missing = None if is_first else _OPEN, self._missing(units)
                if not units:
                    problem = problem or _DAMAGED
                self._sets.update((self._syntax.set_key(unit), unit) for unit in self._sets_in(units))
                held.append(packet)
                held_bytes += packet.size
        if held:
            yield self._group(held, missing, problem)

    def _units(self, packet: VideoPacket) -> list[bytes]:
        """What a packet is made of; nothing where that cannot be told."""
        try:
            units = split_units(bytes(packet), self._length_size)
            for unit in self._sets_in(units):
                self._syntax.set_key(unit)
        except (ValueError, IndexError):
            return []
        return units

    def _group(self, packets: Sequence[VideoPacket], missing: Sequence[bytes], problem: str | None) -> Group:
        known = [packet.pts for packet in packets if packet.pts is not None]
        times = sorted(known)
        after, self._latest = self._latest, max([*times[-1:], *([] if self._latest is None else [self._latest])])
        places = {time: place for place, time in enumerate(times)}
        depth = max((number - places[time] for number, time in enumerate(known)), default=0)
        return Group(packets, times, depth, problem or self._problem(packets, times, after), missing)

    def _problem(self, packets: Sequence[VideoPacket], times: Sequence[int], after: int | None) -> str | None:
        if len(set(times)) < len(packets) or (after is not None and times[0] <= after):
            return "has no times that ascend"
        if any(packet.is_discard or packet.is_corrupt for packet in packets):
            return _DAMAGED
        return "uses all numbers of parameter sets" if self.free_id in (number for _, number in self._sets) else None

    def _is_first(self, units: Sequence[bytes]) -> bool:
        kinds = (self._syntax.type_of(unit) for unit in units)
        return next((kind in self._syntax.restarts for kind in kinds if kind in self._syntax.pictures), False)

    def _sets_in(self, units: Sequence[bytes]) -> list[bytes]:
        return [unit for unit in units if self._syntax.type_of(unit) in self._syntax.sets]

    def _missing(self, units: Sequence[bytes]) -> list[bytes]:
        """Sets that were valid before a group and that it neither has itself nor can have from the header alone."""
        own = {self._syntax.set_key(unit) for unit in self._sets_in(units)}
        in_header = self.header if self.codec == "h264" else []
        valid = sorted(self._sets.items())
        return [unit for key, unit in valid if key not in own and unit not in in_header]
