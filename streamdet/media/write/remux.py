"""Puts a source's video, bit for bit, into a file beside its audio and a subtitle track."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
from av.container import InputContainer, OutputContainer
from av.subtitles.stream import SubtitleStream
from av.video.stream import VideoStream

from streamdet.errors import SinkError, SourceError
from streamdet.frames import StreamInfo
from streamdet.media.container import VideoPacket, demux, open_file
from streamdet.media.locations import SourceSpec
from streamdet.media.read.aperture import aperture_of
from streamdet.media.timeline import beginning_s
from streamdet.media.tracks import best_video_stream
from streamdet.media.write.copied import CopiedKind, TrackCopier, open_tracks
from streamdet.media.write.extras import extras_of
from streamdet.media.write.formats import OutputFormat
from streamdet.media.write.part_file import write_error

_MS = Fraction(1, 1000)
_INSTEAD = "name an .ass file for the boxes alone, or use --annotate draw"


class SubtitleEvent(NamedTuple):
    """What a subtitle track holds.

    Attributes:
        start_ms, end_ms: of the source's time.
        data: of the packet.
    """

    start_ms: int
    end_ms: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a source's video that is copied.

    Attributes:
        first, last: pts of its first and its last frame. It starts with the keyframe before the first one.
        time_base: seconds a unit.
        end_s: when the last frame ends, in seconds of the source's time.
    """

    first: int
    last: int
    time_base: Fraction
    end_s: Fraction


def check_copyable(info: StreamInfo, target: Path, container: OutputFormat) -> None:
    """Make sure, before anything is detected, that a source's video can be copied.

    Raises:
        SinkError: it is no file, or the container cannot hold its video, or it is shown in another way than it is
            stored.
    """
    if info.path is None:
        raise SinkError(f"{target}: {info.location} is no video file that could be copied; {_INSTEAD}")
    try:
        with open_file(Path(info.path)) as source, io.BytesIO() as memory:
            stream = _video_of(source, info)
            if aperture_of(SourceSpec(info.path, "", "file"), stream) is not None:
                raise SinkError(f"{target}: {info.location} is stored with edges that are not shown; {_INSTEAD}")
            with av.open(memory, "w", format=container.muxer) as trial:
                copy = _add_video(stream, trial, container)
                packet = next(packet for packet in demux(source, stream) if packet.size)
                packet.pts = packet.dts = 0
                packet.stream = copy
                trial.mux(packet)
    except (av.FFmpegError, ValueError, SourceError, StopIteration) as error:
        name = container.muxer
        raise SinkError(f"{target}: {name} cannot hold the video of {info.location}; {_INSTEAD}") from error


def remux(
    info: StreamInfo,
    target: Path,
    part: Path,
    container: OutputFormat,
    span: Span,
    events: Iterator[SubtitleEvent] | None,
    *,
    header: bytes = b"",
    audio: bool = True,
) -> Fraction:
    """Write the file.

    Args:
        info: of the source; its `path` is read.
        target: the name that messages say.
        part: file to write.
        container: of it.
        span: the part that is copied. Packets that its last frames do not need are left out behind it.
        events: of the subtitle track, in the order of their start; None: there is none.
        header: of the subtitle track: an .ass file without events.
        audio: copy the audio as well; subtitles always are.

    Returns:
        Seconds by which everything is later than in the source, so that no frame starts before 0.

    Raises:
        SinkError: it cannot be read or written, or the source's packets have no times, or jump.
    """
    try:
        return _remux(info, part, container, span, events, header, audio)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise write_error(target, error) from error
    except (SinkError, SourceError) as error:
        raise SinkError(f"{target}: {error}") from error


def _remux(
    info: StreamInfo,
    part: Path,
    container: OutputFormat,
    span: Span,
    events: Iterator[SubtitleEvent] | None,
    header: bytes,
    audio: bool,
) -> Fraction:
    path = Path(info.path or "")
    kinds: tuple[CopiedKind, ...] = ("audio", "subtitle") if audio else ("subtitle",)
    with open_file(path) as source:
        stream = _video_of(source, info)
        packets = _Packets(source, stream, span)
        first_s = packets.first_s
        # An mp4 hides what is before 0; in Matroska nothing can be there.
        shift_s = max(Fraction(0), -(span.first * span.time_base if container.is_mp4 else first_s))
        zero_s = beginning_s(source)
        part_s = (float(first_s - zero_s) if first_s > zero_s else None, info.end_s)
        tracks = TrackCopier(open_tracks(path, container, *part_s, kinds), shift_s)
        try:
            samples = _samples(source)
            time_base = stream.time_base or Fraction(1, 90_000)
            options = (
                container.final_options(time_base, samples)
                if container.is_mp4
                else {"avoid_negative_ts": "disabled", "cluster_time_limit": "1000"}
            )
            with av.open(str(part.absolute()), "w", format=container.muxer, container_options=options) as output:
                copy = _add_video(stream, output, container)
                words = None if events is None else _add_subtitles(header, output)
                tracks.add_to(output)
                extras_of(path, *part_s, shift_s).add_to(output)
                shown = _Subtitles(output, words, events, shift_s)
                shift = round(shift_s / time_base)
                for packet in packets:
                    at_s = (packet.dts or 0) * time_base + shift_s
                    shown.copy(at_s)
                    tracks.copy(output, at_s)
                    packet.pts, packet.dts = (packet.pts or 0) + shift, (packet.dts or 0) + shift
                    packet.stream = copy
                    output.mux(packet)
                shown.copy(None)
                tracks.copy(output, span.end_s + shift_s if packets.left else None)
        finally:
            tracks.close()
    return shift_s


class _Packets(Iterator[VideoPacket]):
    """The packets of a span, from a keyframe on.

    Attributes:
        first_s: when the first one is shown.
        left: the source has more behind the last one.
    """

    def __init__(self, source: InputContainer, stream: VideoStream, span: Span) -> None:
        self._shown = source.name
        self._last = span.last
        unit_s = stream.time_base or span.time_base
        first = round(span.first * span.time_base / unit_s)
        self._last = round(span.last * span.time_base / unit_s)
        if stream.start_time is not None and first > stream.start_time:
            source.seek(first, stream=stream)
        self._packets = (packet for packet in demux(source, stream) if packet.size)
        self._first = next((packet for packet in self._packets if packet.is_keyframe), None)
        if self._first is None or self._first.pts is None:
            raise SinkError(f"the packets of its video have no times; {_INSTEAD}")
        self.first_s = self._first.pts * unit_s
        self.left = False
        self._copied = self._copy()

    def __next__(self) -> VideoPacket:
        return next(self._copied)

    def _copy(self) -> Iterator[VideoPacket]:
        waiting: list[VideoPacket] = []  # shown behind the last frame, which a packet to come may need
        before: int | None = None
        for packet in self._from_first():
            if packet.pts is None or packet.dts is None or (before is not None and packet.dts <= before):
                raise SinkError(f"the packets of its video have no times, or times that go back; {_INSTEAD}")
            before = packet.dts
            if packet.dts > self._last:
                self.left = True
                return
            waiting.append(packet)
            if packet.pts <= self._last:
                yield from waiting
                waiting.clear()
        self.left = bool(waiting)

    def _from_first(self) -> Iterator[VideoPacket]:
        if self._first is not None:
            yield self._first
        yield from self._packets


class _Subtitles:
    """A subtitle track that is written beside the video."""

    def __init__(
        self,
        output: OutputContainer,
        stream: SubtitleStream | None,
        events: Iterator[SubtitleEvent] | None,
        shift_s: Fraction,
    ) -> None:
        self._output, self._stream, self._events = output, stream, events
        self._shift_ms = round(shift_s / _MS)
        self._next = None if events is None else next(events, None)

    def copy(self, until_s: Fraction | None) -> None:
        """Write all events that start up to then; None: all."""
        while self._next is not None and self._events is not None and self._stream is not None:
            event = self._next
            start_ms = max(0, event.start_ms + self._shift_ms)
            if until_s is not None and start_ms * _MS > until_s:
                return
            self._next = next(self._events, None)
            if (duration_ms := event.end_ms + self._shift_ms - start_ms) > 0:
                packet = av.Packet(event.data)
                packet.pts = packet.dts = start_ms
                packet.duration, packet.time_base, packet.stream = duration_ms, _MS, self._stream
                self._output.mux(packet)


def _video_of(source: InputContainer, info: StreamInfo) -> VideoStream:
    return best_video_stream(source, SourceSpec(str(info.path), "", "file", track_index=info.track_index))


def _add_video(stream: VideoStream, output: OutputContainer, container: OutputFormat) -> VideoStream:
    copy = output.add_stream_from_template(stream, opaque=True)
    if container.is_mp4:
        # Apple's players insist on it; other containers' codes mean nothing here.
        copy.codec_context.codec_tag = "hvc1" if stream.codec_context.name == "hevc" else "\0\0\0\0"
    copy.metadata.update({key: stream.metadata[key] for key in ("language", "title") if key in stream.metadata})
    copy.time_base = stream.time_base
    return copy


def _add_subtitles(header: bytes, output: OutputContainer) -> SubtitleStream:
    with av.open(io.BytesIO(header), format="ass") as script:
        stream = output.add_stream_from_template(script.streams.subtitles[0], opaque=True)
    stream.time_base = _MS
    stream.metadata["title"] = "streamdet"
    stream.disposition = av.stream.Disposition.default
    return stream


def _samples(source: InputContainer) -> int | None:
    """How many packets a file has at most, for the room of an mp4's index; None where it does not say."""
    counts = [stream.frames for stream in source.streams if stream.type in ("video", "audio")]
    return sum(counts) if all(counts) else None
