"""What is in a file, as a report: streams, times, colour, and what is wrong with it."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorTrc
from av.video.stream import VideoStream

from streamdet.errors import ConfigError
from streamdet.frames import StreamInfo
from streamdet.media.animated import is_animated_webp
from streamdet.media.border import errors_of
from streamdet.media.colour import FULL, Colour, colour_of, resolve_colour
from streamdet.media.container import demux, frame_rate, open_container, pixel_aspect, reason
from streamdet.media.locations import SourceSpec, expand_sources, list_images
from streamdet.media.read.aperture import aperture_of, cropped
from streamdet.media.read.decoder import Decoder
from streamdet.media.read.deinterlace import Label
from streamdet.media.read.grid import GridSource
from streamdet.media.read.heif import Grid, grid_of
from streamdet.media.read.images import ImageSource
from streamdet.media.read.orientation import UPRIGHT, orientation_of, rotation_of
from streamdet.media.read.webp import WebpSource
from streamdet.media.timeline import Part, beginning_s, end_s

_MATRICES = {1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020nc", 10: "bt2020c"}


@dataclass(frozen=True, slots=True)
class ColourTags:
    """How samples become colours, by FFmpeg's names; what the file leaves open is marked as assumed."""

    matrix: str
    range: str
    primaries: str
    transfer: str


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """One video stream.

    Attributes:
        used: True for the one that is read.
        width, height: pixels, as displayed (rotation applied).
        rotation: degrees clockwise by which the stored picture is turned.
        pixel_aspect: width of a pixel over its height.
        interlaced, variable_rate: None where unknown.
        frames: counted where the file was read, else what it announces; None where unknown.
        first_pts: of the first frame shown, in units of time_base.
    """

    number: int
    used: bool
    codec: str
    profile: str | None
    width: int
    height: int
    rotation: int
    pixel_format: str | None
    pixel_aspect: Fraction
    colour: ColourTags
    interlaced: bool | None
    average_rate: Fraction | None
    variable_rate: bool | None
    time_base: Fraction | None
    frames: int | None
    first_pts: int | None
    duration_s: float | None


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """One audio stream."""

    number: int
    codec: str
    sample_rate: int
    channels: int
    layout: str
    language: str | None


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """What a source holds; `problems` are lines for people."""

    location: str
    container: str
    size_bytes: int | None
    duration_s: float | None
    video: tuple[VideoTrack, ...]
    audio: tuple[AudioTrack, ...]
    problems: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON takes it; fractions as text, such as 30000/1001."""
        return asdict(self, dict_factory=lambda items: {name: _plain(value) for name, value in items})


def probe(location: SourceSpec | str | Path) -> ProbeReport:
    """Look into a source: its streams, its first frame, and for files all packets, without decoding them.

    Raises:
        SourceOpenError, SourceTimeout: it cannot be opened or holds no video.
        ConfigError: a name stands for several sources or for none.
    """
    if not isinstance(location, SourceSpec):
        specs = expand_sources([str(location)])
        if len(specs) != 1:
            raise ConfigError(f"{location}: holds {len(specs)} sources, expected one")
        [location] = specs
    with errors_of(location.shown):
        if location.kind == "images":
            return _probe_images(location)
        path = Path(location.location)
        if location.kind == "file" and path.is_file():
            if is_animated_webp(path):
                return _probe_webp(location)
            if (grid := grid_of(path)) is not None:
                return _probe_grid(location, grid)
        return _probe_container(location)


@dataclass(slots=True)
class _Scan:
    """What the packets of a file tell.

    Attributes:
        times: of the packets that are shown, in file order, by stream.
        hidden: packets that an mp4's edit list hides, by stream.
        corrupt: packets that are flagged as such.
        stopped: why reading ended early; None where it did not.
    """

    times: dict[int, list[int]] = field(default_factory=dict)
    hidden: Counter[int] = field(default_factory=Counter)
    corrupt: int = 0
    stopped: str | None = None


def _probe_container(spec: SourceSpec) -> ProbeReport:
    with closing(Decoder(spec)) as decoder:
        frames = decoder.frames(decoder.packets())
        first = next(frames, None)
        if first is not None:
            [(_, first)] = cropped([(Label(0, 0, 0), first)], aperture_of(spec, decoder.stream))
        del frames  # it must not read on behind the close
        scan = _scan(spec, decoder.trust_pts) if spec.kind == "file" else _Scan()
        container = decoder.container
        videos = [stream for stream in container.streams.video if Disposition.attached_pic not in stream.disposition]
        tracks = tuple(
            _video_track(container, stream, first if stream.index == decoder.stream.index else None, scan)
            for stream in videos
            if stream.codec_context is not None
        )
        return ProbeReport(
            location=spec.shown,
            container=container.format.name,
            size_bytes=container.size if container.size > 0 else None,
            duration_s=container.duration / av.time_base if container.duration else None,
            video=tracks,
            audio=tuple(_audio_track(stream) for stream in container.streams.audio if stream.codec_context is not None),
            problems=("it is encrypted (CENC); without its key nothing can be decoded",)
            if first is None and decoder.encrypted
            else tuple(_problems(container, tracks, scan, decoder.undecodable, first)),
        )


def _scan(spec: SourceSpec, trust_pts: bool) -> _Scan:
    scan = _Scan()
    with open_container(spec) as container:
        try:
            for packet in demux(container, *container.streams.video):
                time = packet.pts if trust_pts else packet.dts
                if packet.is_discard:
                    scan.hidden[packet.stream_index] += 1
                elif packet.size:
                    scan.corrupt += packet.is_corrupt
                    times = scan.times.setdefault(packet.stream_index, [])
                    if time is not None:
                        times.append(time)
        except av.FFmpegError as error:
            scan.stopped = reason(error)
    return scan


def _video_track(container: InputContainer, stream: VideoStream, first: VideoFrame | None, scan: _Scan) -> VideoTrack:
    context = stream.codec_context
    orientation = orientation_of(first) if first else UPRIGHT
    width, height = (first.width, first.height) if first else (context.width, context.height)
    tags = (context.colorspace, context.color_range, context.color_primaries, context.color_trc)
    times = sorted(scan.times.get(stream.index, []))
    first_pts = times[0] if times else stream.start_time
    return VideoTrack(
        number=stream.index,
        used=first is not None,
        codec=context.codec.canonical_name,
        profile=stream.profile,
        width=height if orientation[0] else width,
        height=width if orientation[0] else height,
        rotation=rotation_of(orientation),
        pixel_format=first.format.name if first else context.pix_fmt,
        pixel_aspect=pixel_aspect(stream),
        colour=_named(colour_of(first) if first else tags, width, height),
        interlaced=first.interlaced_frame if first else None,
        average_rate=frame_rate(stream),
        variable_rate=is_variable(times),
        time_base=stream.time_base,
        frames=len(times) or stream.frames or None,
        first_pts=first_pts,
        duration_s=_duration_s(container, stream, first_pts),
    )


def _duration_s(container: InputContainer, stream: VideoStream, first_pts: int | None) -> float | None:
    ends_s = end_s(container, stream)
    if ends_s is None or first_pts is None or stream.time_base is None:
        return None
    return float(ends_s + beginning_s(container) - first_pts * stream.time_base)


def is_variable(times: Sequence[int]) -> bool | None:
    """Whether sorted times are unevenly spaced, by more than the rounding to whole units; None for under three."""
    if len(times) < 3:
        return None
    step = Fraction(times[-1] - times[0], len(times) - 1)
    return any(abs(time - times[0] - number * step) > 1 for number, time in enumerate(times))


def _audio_track(stream: AudioStream) -> AudioTrack:
    context = stream.codec_context
    return AudioTrack(
        number=stream.index,
        codec=context.codec.canonical_name,
        sample_rate=context.sample_rate,
        channels=context.layout.nb_channels,
        layout=context.layout.name,
        language=stream.language,
    )


def _named(colour: Colour, width: int, height: int) -> ColourTags:
    matrix, range_, primaries, transfer = resolve_colour(colour, width, height)
    return ColourTags(
        matrix=_MATRICES[matrix] + ("" if colour[0] == matrix else " (assumed)"),
        range=("full" if range_ == FULL else "limited") + ("" if colour[1] == range_ else " (assumed)"),
        primaries=_enum_name(ColorPrimaries, primaries),
        transfer=_enum_name(ColorTrc, transfer),
    )


def _enum_name(enum: type[ColorPrimaries] | type[ColorTrc], value: int) -> str:
    return next((member.name.lower() for member in enum if member == value), str(value))


def _problems(
    container: InputContainer, tracks: tuple[VideoTrack, ...], scan: _Scan, undecodable: int, first: VideoFrame | None
) -> list[str]:
    used = next((track for track in tracks if track.used), None)
    if first is None or used is None:
        return ["nothing in its video can be decoded"]
    problems = []
    if undecodable:
        problems.append(f"undecodable packets before the first frame: {undecodable}")
    if scan.corrupt:
        problems.append(f"damaged or cut-off packets: {scan.corrupt}")
    if scan.stopped:
        problems.append(f"reading stopped before the end: {scan.stopped}")
    problems += _time_problems(container, used, scan)
    if used.interlaced:
        problems.append("interlaced: it is deinterlaced when read, at the same frame rate")
    if used.pixel_aspect != 1:
        problems.append(f"pixels are not square ({used.pixel_aspect}): it looks stretched where that is not honoured")
    return problems


def _time_problems(container: InputContainer, track: VideoTrack, scan: _Scan) -> list[str]:
    """What is wrong with the times of a stream, where it was read."""
    times = scan.times.get(track.number)
    if times is None or track.time_base is None:
        return []
    if not times:
        return ["frames have no times: they are placed at the frame rate"]
    problems = []
    if len(set(times)) < len(times):
        problems.append(f"frames with the time of another one: {len(times) - len(set(times))}")
    announced = _announced(container, track.number) - scan.hidden[track.number]
    if announced > len(times):
        problems.append(f"cut off: {announced} frames are announced, {len(times)} are there")
    gaps = [after - before for before, after in pairwise(sorted(times))]
    longest_s = float(max(gaps, default=0) * track.time_base)
    if longest_s > 2 and longest_s > 5 * float(sorted(gaps)[len(gaps) // 2] * track.time_base):
        problems.append(f"nothing is shown for {longest_s:.1f} s in one place")
    return problems


def _announced(container: InputContainer, number: int) -> int:
    """Packets that a stream says it has, 0 where it does not.

    An mp4 counts those as well that its edit list leaves out; its index in memory is without them.
    """
    stream = container.streams[number]
    return min(stream.frames, len(stream.index_entries)) if "mp4" in container.format.name else stream.frames


def _probe_images(spec: SourceSpec) -> ProbeReport:
    with ImageSource(spec, Part()) as source:
        info, unreadable = source.info, source.undecodable
    paths = list_images(spec.location)
    suffixes = sorted({path.suffix.lower().lstrip(".") for path in paths})
    return ProbeReport(
        location=spec.shown,
        container="images",
        size_bytes=sum(path.stat().st_size for path in paths),
        duration_s=info.duration_s,
        video=(_track_of_pictures(info, ", ".join(suffixes), range(len(paths))),),
        audio=(),
        problems=(f"unreadable images before the first frame: {unreadable}",) if unreadable else (),
    )


def _probe_webp(spec: SourceSpec) -> ProbeReport:
    with WebpSource(spec, Part()) as source:
        info, unreadable, times = source.info, source.undecodable, source.times
    return ProbeReport(
        location=spec.shown,
        container="webp",
        size_bytes=Path(spec.location).stat().st_size,
        duration_s=info.duration_s,
        video=(_track_of_pictures(info, "webp", times),),
        audio=(),
        problems=(f"unreadable pictures before the first frame: {unreadable}",) if unreadable else (),
    )


def _probe_grid(spec: SourceSpec, grid: Grid) -> ProbeReport:
    with GridSource(spec, Part(), grid) as source:
        info = source.info
    return ProbeReport(
        location=spec.shown,
        container=f"photo of {grid.columns}x{grid.rows} tiles",
        size_bytes=Path(spec.location).stat().st_size,
        duration_s=info.duration_s,
        video=(_track_of_pictures(info, Path(spec.location).suffix[1:].lower(), [0]),),
        audio=(),
        problems=(),
    )


def _track_of_pictures(info: StreamInfo, codec: str, times: Sequence[int]) -> VideoTrack:
    return VideoTrack(
        number=0,
        used=True,
        codec=codec,
        profile=None,
        width=info.width,
        height=info.height,
        rotation=0,
        pixel_format="rgb24",
        pixel_aspect=Fraction(1),
        colour=ColourTags("rgb", "full", "bt709", "iec61966_2_1"),
        interlaced=False,
        average_rate=info.average_rate,
        variable_rate=bool(is_variable(times)),
        time_base=info.time_base,
        frames=len(times),
        first_pts=0,
        duration_s=info.duration_s,
    )


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Fraction) else value
