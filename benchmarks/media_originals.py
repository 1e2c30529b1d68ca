"""Small media files that mutations start from: real clips cut short, and one of each kind that readers must know."""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.bitstream import BitStreamFilterContext
from av.video.stream import VideoStream

CLIP_PACKETS = 25
_CONTAINERS = {"mp4": {}, "fragmented.mp4": {"movflags": "frag_keyframe+empty_moov"}, "mkv": {}, "ts": {}, "avi": {}}
_SIZE = 96, 64


def make_originals(folder: Path, clips: Path | None) -> dict[str, bytes]:
    """All originals by name.

    Args:
        folder: to work in; made, and emptied again.
        clips: folder of real videos, of which the first packets are taken.
    """
    folder.mkdir(parents=True)
    try:
        originals = {path.name: path.read_bytes() for make in (_tiny, _absurd, _images) for path in make(folder)}
        if clips is not None:
            for clip in sorted(clips.glob("*.mp4")):
                originals |= {path.name: path.read_bytes() for path in _shortened(clip, folder)}
        return originals
    finally:
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()


def _shortened(clip: Path, folder: Path) -> Iterator[Path]:
    """The first packets of a real video, as they are, in every container."""
    for ending, options in _CONTAINERS.items():
        path = folder / f"{clip.stem[:12]}.{ending}"
        with av.open(str(clip)) as source, av.open(str(path), "w", container_options=options) as output:
            video = source.streams.video[0]
            stream = output.add_stream_from_template(video)
            plain = BitStreamFilterContext("h264_mp4toannexb" if ending == "avi" else "null", video, stream)
            for packet in islice(source.demux(video), CLIP_PACKETS):
                for ready in plain.filter(packet):
                    ready.stream = stream
                    output.mux(ready)
        yield path


def _tiny(folder: Path) -> Iterator[Path]:
    """One of each: codecs, pixel formats, edit lists, rotation, interlacing, variable rate, audio."""
    bframes = {"x264-params": "keyint=6:bframes=2:scenecut=0"}
    uneven = [0, 40, 41, 300, 1000, 1040, 1080, 5000, 5040, 5080, 5120, 5160]
    kinds: dict[str, dict[str, Any]] = {
        "h264.mp4": {"codec": "libx264", "options": bframes, "audio": "aac", "prepare": _turn},
        "edit-list.mp4": {"codec": "libx264", "options": bframes, "pts": [40 * (n - 3) for n in range(12)]},
        "fragmented.mp4": {"codec": "libx264", "audio": "aac", "mux": _CONTAINERS["fragmented.mp4"]},
        "hevc.mp4": {"codec": "libx265", "options": {"x265-params": "log-level=none:pools=1:frame-threads=1"}},
        "av1.mp4": {"codec": "libsvtav1", "options": {"preset": "11", "svtav1-params": "lp=1"}},
        "ten-bit.mkv": {"codec": "libx264", "pix_fmt": "yuv422p10le"},
        "uneven.mkv": {"codec": "libx264", "options": bframes, "pts": uneven, "audio": "libopus"},
        "vp9.mkv": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
        "ffv1.mkv": {"codec": "ffv1", "pix_fmt": "bgr0", "audio": "flac"},
        "mpeg2.ts": {"codec": "mpeg2video", "audio": "mp2"},
        "h264.ts": {"codec": "libx264", "options": bframes, "audio": "aac"},
        "interlaced.ts": {"codec": "libx264", "options": {"x264-params": "tff=1:keyint=6"}},
        "mpeg4.avi": {"codec": "mpeg4", "audio": "pcm_s16le"},
        "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
        "h264.avi": {"codec": "libx264", "options": bframes},
        "raw.avi": {"codec": "rawvideo", "pix_fmt": "bgr24"},
    }
    for name, kind in kinds.items():
        yield _encode(folder / name, **kind)


def _turn(stream: VideoStream) -> None:
    stream.set_display_rotation(90)


def _encode(
    path: Path,
    codec: str,
    *,
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    pts: list[int] | None = None,
    audio: str | None = None,
    mux: dict[str, str] | None = None,
    prepare: Callable[[Any], Any] = lambda stream: None,
    container: str | None = None,
    frames: int = 12,
) -> Path:
    mux_options = {"avoid_negative_ts": "disabled"} if pts and pts[0] < 0 else mux or {}
    with av.open(str(path), "w", format=container, container_options=mux_options) as output:
        video: Any = output.add_stream(codec, rate=25, options=options or {})
        video.width, video.height, video.pix_fmt = *_SIZE, pix_fmt
        video.codec_context.time_base = Fraction(1, 1000 if pts else 25)
        prepare(video)
        sound: Any = output.add_stream(audio, rate=48_000) if audio else None
        rng = np.random.default_rng(0)
        for number in range(frames):
            image = np.roll(_picture(), 3 * number, axis=1)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=pix_fmt)
            frame.pts, frame.time_base = (pts or range(frames))[number], video.codec_context.time_base
            output.mux(video.encode(frame))
            if sound is not None:
                _add_sound(output, sound, rng, number)
        for stream in (video, sound):
            if stream is not None:
                output.mux(stream.encode(None))
    return path


def _add_sound(output: Any, stream: Any, rng: np.random.Generator, number: int) -> None:
    samples = rng.integers(-3000, 3000, (1, 2 * 1920), np.int16)
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="stereo")
    frame.sample_rate, frame.pts, frame.time_base = 48_000, 1920 * number, Fraction(1, 48_000)
    output.mux(stream.encode(frame))


def _picture(width: int = _SIZE[0], height: int = _SIZE[1]) -> np.ndarray:
    image = np.zeros((height, width, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(width) % 256, (np.arange(height) % 256)[:, None]
    cv2.circle(image, (width // 3, height // 2), height // 4, (255, 200, 0), -1)
    return image


def _absurd(folder: Path) -> Iterator[Path]:
    """H.264 of a few kilobytes whose parameter set claims the largest pictures that FFmpeg takes, and flat ones."""
    options = {
        "x264-params": "annexb=1:repeat-headers=1:keyint=1:sliced-threads=0",
        "preset": "ultrafast",
        "profile": "baseline",
    }
    small = _encode(folder / "small.h264", "libx264", options=options, container="h264", frames=4)
    units = re.split(rb"\x00\x00\x00\x01|\x00\x00\x01", small.read_bytes())[1:]
    for width, height in ((15_360, 15_360), (16, 65_520), (8192, 4096)):
        stream = b"".join(
            b"\x00\x00\x00\x01" + (_sequence_parameters(width, height) if unit[0] & 31 == 7 else unit) for unit in units
        )
        small.write_bytes(stream)
        for ending in ("mp4", "mkv", "ts", "avi"):
            path = folder / f"{width}x{height}.{ending}"
            # With so low a limit FFmpeg reads the parameters and does not decode.
            with av.open(str(small), options={"max_pixels": "1000"}) as source, av.open(str(path), "w") as output:
                template = output.add_stream_from_template(source.streams.video[0])
                for number, packet in enumerate(source.demux()):
                    if packet.size:
                        packet.stream, packet.time_base = template, Fraction(1, 25)
                        packet.pts, packet.dts, packet.duration = number, number, 1
                        output.mux(packet)
            yield path
    small.unlink()


def _sequence_parameters(width: int, height: int) -> bytes:
    """A baseline parameter set: ITU-T H.264, 7.3.2.1.1."""
    bits = [*_fixed(66, 8), *_fixed(0xC0, 8), *_fixed(62, 8)]
    for value in (0, 0, 2, 16):  # its number, frame numbers of 4 bits, order as decoded, 16 reference frames
        bits += _exp_golomb(value)
    bits += [0, *_exp_golomb(width // 16 - 1), *_exp_golomb(height // 16 - 1), 1, 1, 0, 0, 1]
    bits += [0] * (-len(bits) % 8)
    raw = bytes(int("".join(map(str, bits[at : at + 8])), 2) for at in range(0, len(bits), 8))
    # Emulation prevention: ITU-T H.264, 7.4.1.
    return b"\x67" + re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", raw)


def _fixed(value: int, bits: int) -> list[int]:
    return [value >> bit & 1 for bit in reversed(range(bits))]


def _exp_golomb(value: int) -> list[int]:
    bits = (value + 1).bit_length()
    return [0] * (bits - 1) + _fixed(value + 1, bits)


def _images(folder: Path) -> Iterator[Path]:
    picture = cv2.cvtColor(_picture(), cv2.COLOR_RGB2BGR)
    for name in ("a.png", "b.jpg", "c.bmp", "d.webp", "e.tiff", "f.ppm"):
        path = folder / name
        cv2.imwrite(str(path), picture)
        yield path
    cv2.imwrite(str(folder / "sixteen-bit.png"), picture.astype(np.uint16) * 257)
    yield folder / "sixteen-bit.png"
