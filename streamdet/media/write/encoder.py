"""Video encoders: which there are, their settings, and exact times for what they put out."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, cast

import av
from av.codec.context import Flags as CodecFlags
from av.container import OutputContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType
from av.video.stream import VideoStream

from streamdet.errors import ConfigError, SinkError
from streamdet.media.container import reason
from streamdet.media.write.options import EncodeOptions

VideoPacket: TypeAlias = "av.Packet[VideoStream]"

# fmt: off
_X26X_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class EncoderSettings:
    """One encoder and how it is run.

    Attributes:
        name: FFmpeg's name of it.
        preset, presets: speed against size, and the choices.
        crf, crf_range: constant quality, and the least and the greatest.
        smallest_side: pixels; x265 and SVT-AV1 as they are in av 18 corrupt memory when a picture is narrower
            than a block of theirs.
        mp4_tag: code of the codec in mp4, where Apple's players insist on one.
        options: what else it is told.
        keyframe_every_s: most seconds from a keyframe to the next one; None: as the encoder likes.
        sets_in_header: parameter sets lie in the container's header, where it has one, and not before each keyframe.
    """

    name: str
    preset: str
    presets: tuple[str, ...]
    crf: int
    crf_range: tuple[int, int]
    smallest_side: int = 2
    mp4_tag: str | None = None
    options: dict[str, str] = field(default_factory=dict)
    keyframe_every_s: Fraction | None = None
    sets_in_header: bool = True


CODECS = {
    "h264": EncoderSettings("libx264", "veryfast", _X26X_PRESETS, 23, (0, 51)),
    "hevc": EncoderSettings(
        "libx265",
        "veryfast",
        _X26X_PRESETS,
        28,
        (0, 51),
        smallest_side=64,
        mp4_tag="hvc1",
        options={"x265-params": "log-level=error"},
    ),
    "av1": EncoderSettings("libsvtav1", "8", tuple(map(str, range(14))), 35, (1, 63), smallest_side=64),
}


def encoder_settings(options: EncodeOptions) -> EncoderSettings:
    """Settings of a codec; what is not given is a default that is fast and looks right.

    Raises:
        ConfigError: a crf or preset that the codec's encoder does not know.
    """
    codec, crf, preset = options.codec, options.crf, options.preset
    known = CODECS[codec]
    if known.name not in av.codecs_available:
        raise ConfigError(f"codec {codec}: this build of FFmpeg has no {known.name}; choose another codec")
    least, greatest = known.crf_range
    if crf is not None and not least <= crf <= greatest:
        raise ConfigError(f"crf {crf}: expected {least} (best) to {greatest} (smallest file) for {codec}")
    if preset is not None and preset not in known.presets:
        raise ConfigError(f"preset {preset!r}: expected one of {', '.join(known.presets)} for {codec}")
    told = known.options if options.threads is None else {**known.options, "threads": str(options.threads)}
    preset, crf = known.preset if preset is None else preset, known.crf if crf is None else crf
    return replace(known, preset=preset, crf=crf, options=told)


def streaming_settings(options: EncodeOptions, *, live: bool) -> EncoderSettings:
    """Settings of H.264 for viewers who join at any moment: a keyframe every second or two.

    Args:
        options: as in `encoder_settings`; the codec is not used.
        live: every picture leaves the encoder at once, and the default preset is the one that takes the least time.

    Raises:
        ConfigError: as `encoder_settings`.
    """
    preset = options.preset or ("ultrafast" if live else None)
    settings = encoder_settings(EncodeOptions(crf=options.crf, preset=preset))
    told = {"forced-idr": "1"}
    if live:
        # One thread, one slice: GStreamer's parser puts parameter sets between slices, which makes two pictures of one.
        told |= {"tune": "zerolatency", "threads": "1"}
    return replace(settings, options=told, keyframe_every_s=Fraction(1 if live else 2))


# With AVX-512, x264 as it is in av 18 does not encode the same pictures alike twice: its macroblock tree (mbtree) comes
# out differently in one of some ten runs. All processors that have AVX-512 have these, which are no slower.
_WITHOUT_AVX512 = "asm=MMX2,SSE2,SSSE3,SSE4.2,AVX,FMA3,AVX2,BMI1,BMI2,LZCNT"


@cache
def _has_avx512() -> bool:
    """Whether x264 would use AVX-512; False where the system does not say."""
    try:
        return "avx512bw" in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Beside:
    """A source whose packets lie between those of an encoder, in one track.

    Attributes:
        stream: of the source; what it says of its video holds for the track.
        header: gives all parameter sets with start codes, from those of the encoder.
        delay: how many frames its packets go back in decoding order.
    """

    stream: VideoStream
    header: Callable[[bytes], bytes]
    delay: int


# How many frames B-frames that others refer to (pyramids) delay decoding in x264 and x265.
_MOST_DELAY = 2

# What a VideoEncoder counts; times aside, they are its state between two frames.
_COUNTERS = ("frames", "packets", "delay", "first_pts", "first_dts", "end")


class VideoEncoder:
    """Encodes frames and gives the packets the frames' own times, whatever the time base.

    The encoder is shown frame numbers instead of pts, at a plain frame rate: SVT-AV1 takes no rate above 240, and none
    of them cares for time bases like 1/2147483647. A packet's dts is then a number as well: of the packet, less the
    number of frames that B-frames delay decoding. dts d >= 0 becomes the pts of frame d, so dts ascend as pts do and no
    frame is shown before it is decoded; those below 0 go before the first pts.

    Args:
        output: container that the stream is added to; nothing is written yet.
        settings: encoder and its settings.
        like: first frame; its size and colour tags become the stream's.
        rate: frames per second, roughly; sets the default length of a group of pictures.
        time_base: of the pts given to `encode` and of the packets.
        pixel_aspect: width of a pixel over its height.
        reordered_frames: how many frames it may go back in decoding order; 0 rules B-frames out.
        beside: a source whose packets `insert` puts between; None: all frames are encoded.

    Raises:
        SinkError: the encoder refuses, most likely the size.
    """

    def __init__(
        self,
        output: OutputContainer,
        settings: EncoderSettings,
        like: av.VideoFrame,
        rate: Fraction,
        time_base: Fraction,
        *,
        pixel_aspect: Fraction = Fraction(1),
        reordered_frames: int,
        beside: Beside | None = None,
    ) -> None:
        if settings.name == "libsvtav1":
            os.environ.setdefault("SVT_LOG", "1")  # it prints to stderr on its own; 1 leaves errors
        rate = min(max(rate, Fraction(1)), Fraction(240)).limit_denominator(1001)
        options = {"preset": settings.preset, "crf": str(settings.crf), **settings.options}
        if settings.name == "libx264" and _has_avx512():
            options["x264-params"] = ":".join(filter(None, [options.get("x264-params"), _WITHOUT_AVX512]))
        if beside is None:
            self._stream = cast(VideoStream, output.add_stream(settings.name, rate=rate, options=options))
        else:
            self._stream = output.add_stream_from_template(beside.stream, opaque=True)
        self._time_base = self._stream.time_base = time_base
        self._frame_duration = max(1, round(1 / (rate * time_base)))
        self._times: dict[int, tuple[int, int]] = {}
        self._frames = self._packets = self._delay = 0
        self._beside = beside
        self._first_pts = self._first_dts = self._end = 0
        self._keyframe_every_s = settings.keyframe_every_s
        self._next_keyframe_s = Fraction(0)
        self._settings, self._options, self._rate, self._pixel_aspect = settings, options, rate, pixel_aspect
        self._like = like.width, like.height, like.colorspace, like.color_range, like.color_primaries, like.color_trc
        self._is_mp4 = output.format.name in ("mp4", "mov")
        self._reordered_frames = reordered_frames
        self._context: VideoCodecContext | None
        if beside is None:
            self._context = self._open(self._stream.codec_context)
        else:
            self._delay = max(beside.delay, min(_MOST_DELAY, reordered_frames))
            self._context = self._open_again()
            self._stream.codec_context.extradata = beside.header(self._context.extradata or b"")
            self._stream.codec_context.codec_tag = (self._settings.mp4_tag if self._is_mp4 else None) or "\0\0\0\0"

    @property
    def delay(self) -> int:
        """How many frames packets go back in decoding order; known from the first packet on, or where a source's lie
        between."""
        return self._delay

    def restart(self) -> list[VideoPacket]:
        """Give all packets that are still inside, and start again with the next frame.

        What is encoded from there on depends on no frame before it; the times continue as if nothing had happened.
        """
        packets, self._context = self._drain(), None
        return packets

    def state(self) -> dict[str, Any]:
        """After `restart`: all that the times of the packets to come depend on, as JSON holds it."""
        counters = {name: getattr(self, f"_{name}") for name in _COUNTERS}
        return {**counters, "times": [[number, *times] for number, times in self._times.items()]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on, before the first frame, where `state` was taken.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        for name in _COUNTERS:
            setattr(self, f"_{name}", int(state[name]))
        self._times = {int(number): (int(pts), int(duration)) for number, pts, duration in state["times"]}

    def adopt(self, packet: VideoPacket) -> VideoPacket:
        """Make a packet that the same encoder gave in a run before one of this stream."""
        packet.stream = self._stream
        return packet

    def _open_again(self) -> VideoCodecContext:
        context = cast(VideoCodecContext, av.CodecContext.create(self._settings.name, "w"))
        context.options = self._options
        if self._settings.sets_in_header:
            context.flags |= self._stream.codec_context.flags & CodecFlags.global_header
        return self._open(context)

    def _open(self, context: VideoCodecContext) -> VideoCodecContext:
        context.width, context.height, colorspace, color_range, primaries, transfer = self._like
        context.pix_fmt, context.time_base, context.framerate = "yuv420p", 1 / self._rate, self._rate
        context.colorspace, context.color_range = colorspace, color_range
        context.color_primaries, context.color_trc = primaries, transfer
        context.sample_aspect_ratio = self._pixel_aspect
        if self._settings.mp4_tag and self._is_mp4:
            context.codec_tag = self._settings.mp4_tag
        if not self._reordered_frames:
            context.max_b_frames = 0
        try:
            context.open()
        except av.FFmpegError as error:
            size = f"{context.width}x{context.height}"
            raise SinkError(f"{self._settings.name} does not encode {size} pixels ({reason(error)})") from error
        return context

    def encode(self, frame: av.VideoFrame, pts: int, duration: int) -> list[VideoPacket]:
        """Encode the next frame; pts must ascend. Packets come later, and out of order where there are B-frames."""
        context = self._context = self._context or self._open_again()
        frame.pts, frame.time_base = self._frames, context.time_base
        if self._keyframe_every_s is not None:
            is_due = self._frames == 0 or pts * self._time_base >= self._next_keyframe_s
            frame.pict_type = PictureType.I if is_due else PictureType.NONE  # a frame may come twice
            if is_due:
                self._next_keyframe_s = pts * self._time_base + self._keyframe_every_s
        self._note(pts, duration)
        return [self._timed(packet) for packet in context.encode(frame)]

    def _note(self, pts: int, duration: int) -> None:
        self._first_pts = pts if self._frames == 0 else self._first_pts
        self._end = pts + duration
        self._times[self._frames] = pts, duration
        self._frames += 1

    def insert(self, packets: Iterable[VideoPacket], moments: Iterable[tuple[int, int]]) -> list[VideoPacket]:
        """Put packets that are there between those of the encoder; gives all that come before the next frame.

        Args:
            packets: of a group of frames that depend on no others, in decoding order; the pts of each is the number of
                its frame in the group.
            moments: pts and duration of each frame, in the order in which they are shown.
        """
        before = self.restart()
        first = self._frames
        for pts, duration in moments:
            self._note(pts, duration)
        inserted = []
        for packet in packets:
            packet.pts = first + (packet.pts or 0)
            inserted.append(self._timed(packet))
        return before + inserted

    def flush(self, packets: Sequence[VideoPacket] = ()) -> list[VideoPacket]:
        """All packets that are still inside, behind the last ones that `insert` gave.

        mp4 knows no durations, only differences of dts: there the last packet's makes their sum the video's length.
        """
        packets = [*packets, *self._drain()]
        if packets and self._is_mp4:
            packets[-1].duration = max(1, self._end - self._first_pts - ((packets[-1].dts or 0) - self._first_dts))
        return packets

    def _drain(self) -> list[VideoPacket]:
        return [] if self._context is None else [self._timed(packet) for packet in self._context.encode(None)]

    def _timed(self, packet: VideoPacket) -> VideoPacket:
        if self._packets == 0 and self._beside is None:
            # x265 leaves dts unset where there are fewer frames than it would delay; those it cannot have reordered.
            self._delay = -packet.dts if packet.dts is not None and -self._reordered_frames <= packet.dts <= 0 else 0
        order = self._packets - self._delay
        packet.stream, packet.time_base = self._stream, self._time_base
        packet.dts = self._times[order][0] if order >= 0 else self._before_first(order)
        packet.pts, packet.duration = self._times[packet.pts or 0]
        self._first_dts = packet.dts if self._packets == 0 else self._first_dts
        self._packets += 1
        self._times.pop(order - 1, None)  # every packet to come has a greater dts, and a pts no smaller than that
        return packet

    def _before_first(self, order: int) -> int:
        """A dts before the first pts.

        FFmpeg's mp4 muxer takes the least pts - dts of all packets with a negative dts as the delay of the first one,
        so these dts must not be further apart than the first two frames are.
        """
        apart = self._frame_duration
        if 1 in self._times:
            apart = min(apart, (self._times[1][0] - self._first_pts) // max(1, self._delay - 1))
        return self._first_pts + order * max(1, apart)
