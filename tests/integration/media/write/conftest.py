"""Clips with audio made on the spot, and what a file holds when it is read back."""

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.colour import colour_of, rgb_from_frame

WIDTH, HEIGHT = 64, 48


@dataclass(frozen=True)
class Track:
    """An audio track to make: FFmpeg's encoder, and when it begins."""

    codec: str
    language: str = "eng"
    rate: int = 48_000
    start_s: float = 0
    seconds: float | None = None
    disposition: int = 0


def pictures(count, width=WIDTH, height=HEIGHT):
    """Pictures that differ, so that encoders have work and B-frames."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 255, (height, width, 3), np.uint8)
    return [np.roll(noise, 3 * number, axis=1) for number in range(count)]


def noise_pictures(count):
    """Pictures that no codec can make small, about 1.5 kB each."""
    random = np.random.default_rng(1)
    return [random.integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(count)]


def sound(context, samples, random):
    """Noise in the sample format that an encoder takes."""
    noise = random.uniform(-0.3, 0.3, (2, samples))
    name = context.format.name
    if "s16" in name:
        noise = (noise * 32767).astype(np.int16)
    elif "s32" in name:
        noise = (noise * 2**31).astype(np.int32)
    else:
        noise = noise.astype(np.float32)
    noise = noise if name.endswith("p") else np.ascontiguousarray(noise.T).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(noise, format=name, layout="stereo")
    frame.sample_rate, frame.time_base = context.sample_rate, Fraction(1, context.sample_rate)
    return frame


def write_source(path, tracks=(), frames=50, *, codec="libx264", rate=25, first=0, format=None):  # noqa: A002
    """Encode a clip; `first` is the pts of its first frame in frames."""
    with av.open(str(path), "w", format=format) as container:
        video = container.add_stream(codec, rate=rate)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.time_base = Fraction(1, rate)
        streams = []
        for track in tracks:
            stream = container.add_stream(track.codec, rate=track.rate)
            stream.codec_context.layout = "stereo"
            stream.metadata["language"] = track.language
            stream.disposition = track.disposition
            streams.append((track, stream, np.random.default_rng(len(streams))))
        written = [0] * len(streams)
        for number, image in enumerate(pictures(frames)):
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts, frame.time_base = number + first, Fraction(1, rate)
            container.mux(video.encode(frame))
            for index, (track, stream, random) in enumerate(streams):
                seconds = frames / rate if track.seconds is None else track.seconds
                reached = seconds if number == frames - 1 else min(seconds, (number + 1) / rate)
                while written[index] / track.rate < reached:
                    samples = stream.codec_context.frame_size or 1024
                    audio = sound(stream.codec_context, samples, random)
                    audio.pts = written[index] + round(track.start_s * track.rate)
                    container.mux(stream.encode(audio))
                    written[index] += samples
        container.mux(video.encode(None))
        for _, stream, _ in streams:
            container.mux(stream.encode(None))
    return path


@dataclass(frozen=True)
class Video:
    """What a file's video looks like to a player."""

    times: list[Fraction]
    start: Fraction
    duration: Fraction
    images: list[np.ndarray]
    codec_tag: str
    colour: tuple[int, int, int, int]
    pict_types: list[int]


@dataclass(frozen=True)
class Audio:
    """One audio track: its packets as they are in the file."""

    codec: str
    language: str | None
    disposition: int
    times: list[Fraction]
    data: list[bytes]


def read_video(path):
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        return Video(
            [Fraction(frame.pts * stream.time_base) for frame in frames],
            (stream.start_time or 0) * stream.time_base,
            (stream.duration or 0) * stream.time_base,
            [rgb_from_frame(frame) for frame in frames],
            stream.codec_context.codec_tag,
            colour_of(frames[0]),
            [int(frame.pict_type) for frame in frames],
        )


def read_audio(path):
    with av.open(str(path)) as container:
        packets = {stream.index: [] for stream in container.streams.audio}
        for packet in container.demux(*container.streams.audio) if packets else ():
            if packet.size:
                packets[packet.stream.index].append((packet.pts * packet.time_base, bytes(packet)))
        return [
            Audio(
                stream.codec_context.name,
                stream.language,
                int(stream.disposition),
                [time for time, _ in packets[stream.index]],
                [data for _, data in packets[stream.index]],
            )
            for stream in container.streams.audio
        ]


def copy_frames(source, writer, limit=None, start_s=0, end_s=None):
    """Write a clip's frames as a run would."""
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        written = 0
        for frame in container.decode(stream):
            if frame.time < start_s or (end_s is not None and frame.time >= end_s) or written == limit:
                continue
            writer.write(RgbPicture(rgb_from_frame(frame)), frame.pts, stream.time_base, frame.duration or 0)
            written += 1


@pytest.fixture
def info_of():
    """StreamInfo of a file, as a source gives it."""

    def info(path):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            rate, size = stream.average_rate, (stream.width, stream.height)
            return StreamInfo(str(path), *size, stream.time_base, rate, path=str(path))

    return info


@pytest.fixture(name="Track")
def track_class():
    return Track


@pytest.fixture(name="write_source")
def write_source_fixture(tmp_path):
    """write_source() into the test's folder."""
    return lambda name, tracks=(), frames=50, **options: write_source(tmp_path / name, tracks, frames, **options)


@pytest.fixture(name="pictures")
def pictures_fixture():
    return pictures


@pytest.fixture(name="noise_pictures")
def noise_pictures_fixture():
    return noise_pictures


@pytest.fixture(name="read_video")
def read_video_fixture():
    return read_video


@pytest.fixture(name="read_audio")
def read_audio_fixture():
    return read_audio


@pytest.fixture(name="copy_frames")
def copy_frames_fixture():
    return copy_frames
