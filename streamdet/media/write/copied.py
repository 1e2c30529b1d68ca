"""Copies a file's audio and subtitles beside a new video: packet by packet, bit for bit, at their own times.

Subtitles of text that a container holds in another codec only are wrapped in that.
"""

import io
import logging
from collections.abc import Generator, Sequence
from fractions import Fraction
from math import ceil, floor
from pathlib import Path
from typing import Literal, TypeAlias, cast

import av
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.stream import Discard
from av.subtitles.stream import SubtitleStream

from streamdet.errors import DecodeError, SourceOpenError
from streamdet.media.border import errors_of
from streamdet.media.container import demux, open_file
from streamdet.media.locations import SourceSpec
from streamdet.media.timeline import beginning_s, exact
from streamdet.media.tracks import best_video_stream
from streamdet.media.write.formats import OUTPUT_FORMATS, OutputFormat
from streamdet.media.write.subtitles import TEXT_CODECS, packed

CopiedStream: TypeAlias = AudioStream | SubtitleStream
CopiedPacket: TypeAlias = "av.Packet[CopiedStream]"
CopiedKind = Literal["audio", "subtitle"]

_log = logging.getLogger(__name__)
_KEPT_METADATA = ("language", "title", "handler_name")
_JITTER_S = Fraction(1, 5)
_NO_TEXT = b"\0\0"
_PLAIN_LAYOUTS = {1: "mono", 2: "stereo"}


class CopiedTrack:
    """One track, read by a demuxer of its own so that no track waits for another.

    Args:
        path: file to copy from.
        number: which of its tracks of that kind, from 0.
        start_s, end_s: seconds from the file's start, as in `Part`; only packets that overlap them are copied.
        kind: audio or subtitle.

    Attributes:
        next: the packet that comes next, None at the end.
        kind: audio or subtitle.
        written_as: the codec of text that it is wrapped in; None: it stays as it is.
    """

    def __init__(
        self,
        path: Path,
        number: int,
        start_s: float | None = None,
        end_s: float | None = None,
        kind: CopiedKind = "audio",
    ) -> None:
        self._container = open_file(path)
        self.kind = kind
        self.stream = _streams(self._container, kind)[number]
        for other in self._container.streams:
            if other.index != self.stream.index:
                other.discard = Discard.all
        beginning = beginning_s(self._container)
        self._start_s = None if not start_s else beginning + exact(start_s)
        self._end_s = None if end_s is None else beginning + exact(end_s)
        self._time_base = self.stream.time_base or Fraction(1, 90_000)
        codec = self.stream.codec_context
        self.codec = codec.codec.canonical_name if codec is not None else "an unknown codec"
        self.description = f"{path}, {kind} track {number + 1} ({self.codec}, {self.stream.language or 'no language'})"
        self.written_as: str | None = None
        self._interval = 0
        self._packets = self._read()
        self.next: CopiedPacket | None = next(self._packets, None)

    @property
    def next_s(self) -> Fraction | None:
        """When the next packet starts, in seconds of the file's own time; None at the end."""
        return None if self.next is None else (self.next.dts or 0) * self._time_base

    def take(self) -> CopiedPacket:
        """The next packet; there must be one."""
        if self.next is None:
            raise ValueError(f"{self.description} is at its end")
        packet, self.next = self.next, next(self._packets, None)
        if self.next is not None:
            self._interval = (self.next.dts or 0) - (packet.dts or 0)
        if not packet.duration:  # players skip the last packet of an mp4 where it has none
            packet.duration = self._interval
        return self._wrapped(packet)

    def _wrapped(self, packet: CopiedPacket) -> CopiedPacket:
        """The same packet as it is written."""
        if self.written_as is None:
            return packet
        wrapped = cast(CopiedPacket, av.Packet(packed(bytes(packet), self.codec, self.written_as)))
        wrapped.pts, wrapped.dts, wrapped.duration = packet.pts, packet.dts, packet.duration
        wrapped.time_base, wrapped.is_keyframe = self._time_base, True
        return wrapped

    def add_to(self, output: OutputContainer) -> CopiedStream:
        """Make a stream like this one in a container that is about to be written.

        Raises:
            ValueError, av.FFmpegError: that container does not know the codec.
        """
        stream: CopiedStream
        if self.written_as is None:
            stream = output.add_stream_from_template(self.stream, opaque=True)
        else:
            stream = cast(SubtitleStream, output.add_mux_stream(self.written_as))
        stream.metadata.update(
            {key: self.stream.metadata[key] for key in _KEPT_METADATA if key in self.stream.metadata}
        )
        stream.disposition = self.stream.disposition
        if not isinstance(self.stream, AudioStream) or not isinstance(stream, AudioStream):
            return stream
        layout = self.stream.codec_context.layout
        if layout.name == f"{layout.nb_channels} channels" and layout.nb_channels in _PLAIN_LAYOUTS:
            # PCM of AVI and Matroska does not say which channels it has, and mp4 cannot leave that open.
            stream.codec_context.layout = _PLAIN_LAYOUTS[layout.nb_channels]
        return stream

    def fits(self, container: OutputFormat) -> bool:
        """Whether a container holds it, as it is or wrapped in the codec of text of that container."""
        if self.next is None or self.stream.codec_context is None:
            return False
        if self._is_held(container):
            return True
        if self.codec not in TEXT_CODECS or container.text is None:
            return False
        self.written_as = container.text
        return self._is_held(container)

    def _is_held(self, container: OutputFormat) -> bool:
        """Ask the muxer itself: write the next packet into memory and read it back. Some only fail at the reading."""
        if self.next is None:
            return False
        data = bytes(self._wrapped(self.next))
        trial = av.Packet(data)
        trial.pts = trial.dts = 0
        trial.duration, trial.time_base, trial.is_keyframe = self.next.duration, self._time_base, True
        memory = io.BytesIO()
        try:
            for side_data in self.next.iter_sidedata():
                trial.set_sidedata(side_data)
            with av.open(
                memory, "w", format=container.muxer, container_options=container.growing_options(Fraction(1, 25))
            ) as output:
                trial.stream = self.add_to(output)
                output.mux(trial)
            memory.seek(0)
            with av.open(memory, "r") as written:
                return any(bytes(packet) == data for packet in written.demux())
        except (av.FFmpegError, ValueError):
            return False

    def close(self) -> None:
        """Close the file."""
        self._packets.close()
        self._container.close()

    def _read(self) -> Generator[CopiedPacket, None, None]:
        """Packets of the part, with ascending dts.

        As in `Timeline`, a dts that goes back by more than jitter is a new start, and time continues from there.
        """
        # A rounded time must not meet the one before it: containers count in samples or milliseconds.
        least_step = max(1, ceil(Fraction(1, 1000) / self._time_base))
        last: int | None = None
        offset = 0
        for packet in self._demux():
            known = packet.dts if packet.dts is not None else packet.pts
            following = 0 if last is None else last + (packet.duration or least_step)
            dts = following if known is None else known + offset
            if last is not None and dts <= last - ceil(_JITTER_S / self._time_base):
                offset += following - dts
                dts = following
            pts = dts if packet.pts is None else packet.pts + offset
            if self._start_s is not None and (pts + (packet.duration or 0)) * self._time_base <= self._start_s:
                continue
            if self._end_s is not None and pts * self._time_base >= self._end_s:
                return
            if self.kind == "subtitle":
                pts = dts = self._cut_to_part(packet, pts)
            packet.dts = last = dts if last is None or dts > last else last + least_step
            packet.pts = max(pts, packet.dts)
            yield packet

    def _cut_to_part(self, packet: CopiedPacket, pts: int) -> int:
        """Let a subtitle be shown in the part alone; gives its start."""
        start = pts if self._start_s is None else max(pts, ceil(self._start_s / self._time_base))
        end = pts + (packet.duration or 0)
        if self._end_s is not None:
            end = min(end, floor(self._end_s / self._time_base))
        packet.duration = max(0, end - start)
        return start

    def _demux(self) -> Generator[CopiedPacket, None, None]:
        """Packets as containers other than MPEG-TS hold them."""
        # MPEG-TS repeats AAC's configuration in an ADTS header before each packet; other containers keep it once.
        may_be_adts = self.codec == "aac" and not self.stream.codec_context.extradata_size
        adts: BitStreamFilterContext | None = None
        try:
            with errors_of(self.description):
                if self._start_s is not None:
                    self._container.seek(floor(self._start_s / self._time_base), stream=self.stream)
                for packet in demux(self._container, self.stream):
                    if may_be_adts and adts is None and bytes(packet)[:2] >= b"\xff\xf0":
                        adts = BitStreamFilterContext("aac_adtstoasc", in_stream=self.stream)
                    yield from self._whole(packet, adts)
        except DecodeError as error:
            _log.warning("%s; what follows is left out", error)

    def _whole(self, packet: CopiedPacket, adts: BitStreamFilterContext | None) -> list[CopiedPacket]:
        """The packet without ADTS header; nothing where it is damaged, or a pause of mp4, whose muxer makes its own."""
        if self.codec == "mov_text" and bytes(packet) == _NO_TEXT:
            return []
        if not packet.size or adts is None:
            return [packet] if packet.size else []
        try:
            packets = adts.filter(packet)
        except av.FFmpegError:
            return []
        for bare in packets:
            bare.time_base = self._time_base
        return packets


class TrackCopier:
    """Copies several tracks into one output.

    Args:
        tracks: which; closed by `close`.
        shift_s: seconds by which video is moved, and audio with it.
    """

    def __init__(self, tracks: list[CopiedTrack], shift_s: Fraction) -> None:
        self.tracks = tracks
        self.packets = 0
        self._shift_s = shift_s
        self._streams: dict[CopiedTrack, CopiedStream] = {}

    def add_to(self, output: OutputContainer) -> None:
        """Add a stream for each track to a container that is about to be written."""
        for track in self.tracks:
            self._streams[track] = track.add_to(output)

    def copy(self, output: OutputContainer, until_s: Fraction | None) -> None:
        """Copy all packets that start before that time of the output; None: all that are left."""
        waiting = [track for track in self.tracks if track.next is not None]
        while waiting:
            track = min(waiting, key=lambda track: track.next_s or Fraction(0))
            begin_s = track.next_s
            if begin_s is None or (until_s is not None and begin_s + self._shift_s >= until_s):
                return
            packet = track.take()
            shift = round(self._shift_s / packet.time_base)
            packet.dts, packet.pts = (packet.dts or 0) + shift, (packet.pts or 0) + shift
            packet.stream = self._streams[track]
            output.mux(packet)
            self.packets += 1
            waiting = [track for track in waiting if track.next is not None]

    def close(self) -> None:
        """Close all tracks."""
        for track in self.tracks:
            track.close()


def open_tracks(
    path: Path,
    container: OutputFormat,
    start_s: float | None,
    end_s: float | None,
    kinds: Sequence[CopiedKind] = ("audio",),
) -> list[CopiedTrack]:
    """All tracks of some kinds in a file that have packets in the part and that the container can hold.

    Those that it cannot hold are named in a warning. A file that cannot be read has no tracks, which is a warning too.
    """
    tracks: list[CopiedTrack] = []
    try:
        with errors_of(str(path)):
            with open_file(path) as source:
                found = [(kind, number) for kind in kinds for number in range(len(_streams(source, kind)))]
            for kind, number in found:
                track = CopiedTrack(path, number, start_s, end_s, kind)
                if track.next is not None and track.fits(container):
                    tracks.append(track)
                    continue
                if track.next is not None:
                    kept = "; -o x.mkv keeps it" if track.fits(OUTPUT_FORMATS[".mkv"]) else ""
                    _log.warning("%s: %s cannot hold it, left out%s", track.description, container.muxer, kept)
                track.close()
    except DecodeError as error:
        _log.warning("%s; its %s is left out", error, " and ".join(kinds))
    return tracks


def _streams(container: InputContainer, kind: CopiedKind) -> Sequence[CopiedStream]:
    return container.streams.audio if kind == "audio" else container.streams.subtitles


def video_goes_on(path: Path, after_s: Fraction) -> bool:
    """Whether a file has video after that time: then its audio is cut where the written video ends."""
    try:
        with open_file(path) as source:
            stream = best_video_stream(source, SourceSpec(str(path), path.stem, "file"))
            if stream.time_base is None:
                return False
            after = floor(after_s / stream.time_base)
            source.seek(after, stream=stream)
            return any(packet.pts is not None and packet.pts > after for packet in demux(source, stream))
    except (av.FFmpegError, SourceOpenError):
        return False
