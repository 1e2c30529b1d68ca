"""Codecs, sizes and colours of the written video."""

import subprocess
import sys
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from streamdet.errors import SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.writer import VideoWriter
from streamdet.scenes.scene import SceneSpec, render

RATE = Fraction(1, 25)


def info(width=64, height=48, **changes):
    return StreamInfo("cam", width, height, RATE, Fraction(25), **changes)


def write(path, images, source_info=None, **options):
    with VideoWriter(path, source_info or info(), EncodeOptions(**options)) as writer:
        for number, image in enumerate(images):
            writer.write(RgbPicture(image), number, RATE, 1)
    return path


def smooth(width, height):
    """A gradient that survives any codec, darker to the left and redder to the bottom."""
    x, y = np.meshgrid(np.linspace(30, 220, width), np.linspace(40, 200, height))
    return np.stack([y, x, (x + y) / 2], axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    ("codec", "ending", "decoder", "tag"),
    [
        ("h264", ".mp4", "h264", "avc1"),
        ("h264", ".m4v", "h264", "avc1"),
        ("h264", ".mov", "h264", "avc1"),
        ("h264", ".MKV", "h264", None),
        ("hevc", ".mp4", "hevc", "hvc1"),
        ("hevc", ".mov", "hevc", "hvc1"),
        ("hevc", ".mkv", "hevc", None),
        ("av1", ".mp4", "av1", "av01"),
        ("av1", ".mkv", "av1", None),
        ("av1", ".webm", "av1", None),
    ],
)
def test_codec_and_container(tmp_path, codec, ending, decoder, tag):
    path = write(tmp_path / f"out{ending}", [smooth(64, 48)] * 30, codec=codec)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.codec.canonical_name == decoder
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert tag is None or stream.codec_context.codec_tag == tag
        assert len(list(container.decode(stream))) == 30


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize(("width", "height"), [(65, 65), (65, 66), (66, 65), (321, 241)])
def test_odd_sizes_grow_by_a_repeated_column_or_row(tmp_path, read_video, codec, width, height):
    image = smooth(width, height)
    video = read_video(write(tmp_path / "out.mp4", [image] * 3, codec=codec))
    got = video.images[0]
    assert got.shape == (height + height % 2, width + width % 2, 3)
    assert np.abs(got[:height, :width].astype(int) - image).mean() < 5
    assert np.abs(got[:, -1].astype(int) - got[:, -2]).mean() < 12


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 2), (8, 5)])
def test_tiny_pictures_grow_to_what_the_encoder_takes(tmp_path, read_video, codec, width, height):
    image = np.full((height, width, 3), (200, 100, 50), np.uint8)
    got = read_video(write(tmp_path / "out.mp4", [image] * 3, codec=codec)).images[0]
    assert np.abs(got[0, 0].astype(int) - image[0, 0]).max() < 12


@pytest.mark.parametrize(("width", "height"), [(128, 48), (64, 96), (32, 24), (640, 480)])
def test_frames_of_another_size_are_letterboxed_into_the_first(tmp_path, read_video, width, height):
    red = np.full((height, width, 3), (250, 10, 10), np.uint8)
    video = read_video(
        write(tmp_path / "out.mp4", [smooth(64, 48), smooth(64, 48), red, smooth(64, 48)], preset="fast")
    )
    assert {image.shape for image in video.images} == {(48, 64, 3)}
    box = video.images[2]
    assert np.abs(box[24, 32].astype(int) - (250, 10, 10)).max() < 30
    is_red = box[..., 0] > 125
    rows, columns = is_red.any(axis=1).sum(), is_red.any(axis=0).sum()
    assert columns / rows == pytest.approx(width / height, rel=0.15)
    assert rows in range(46, 49) or columns in range(62, 65)


def test_letterboxed_frames_may_be_of_odd_size(tmp_path, read_video):
    video = read_video(write(tmp_path / "out.mp4", [smooth(65, 49), smooth(31, 77), smooth(1, 1), smooth(65, 49)]))
    assert {image.shape for image in video.images} == {(50, 66, 3)}


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize(
    "colour",
    [(1, 1, 1, 1), (6, 1, 6, 6), (5, 2, 5, 6), (1, 2, 1, 13), (9, 1, 9, 16)],
    ids=["709", "601", "601-full", "709-full", "2020-pq"],
)
@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_colour_tags_are_kept_and_pictures_look_the_same(tmp_path, read_video, codec, colour, ending):
    image = smooth(96, 64)
    video = read_video(write(tmp_path / f"out{ending}", [image] * 4, info(colour=colour), codec=codec, crf=10))
    assert video.colour == colour
    assert np.abs(video.images[0].astype(int) - image).mean() < 3


@pytest.mark.parametrize(("size", "matrix"), [((320, 240), 6), ((1280, 720), 1)])
def test_untagged_video_is_tagged_as_it_was_read(tmp_path, read_video, size, matrix):
    video = read_video(write(tmp_path / "out.mp4", [smooth(*size)] * 2, info(*size), preset="ultrafast"))
    assert video.colour[:2] == (matrix, 1)


def test_players_convert_grey_and_bars_to_the_same_colours(tmp_path):
    """FFmpeg's own conversion, which players use, gives the colours that went in."""
    bars = np.zeros((48, 256, 3), np.uint8)
    for number in range(8):
        bars[:24, number * 32 : number * 32 + 32] = [200 * (number >> bit & 1) for bit in range(3)]
    bars[24:] = np.arange(256, dtype=np.uint8)[None, :, None]
    path = write(tmp_path / "out.mp4", [bars] * 2, info(256, 48, colour=(1, 1, 1, 1)), crf=1)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        got = frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
    assert np.abs(got[8:16, 16::32].astype(int) - bars[8:16, 16::32]).max() <= 4
    assert np.abs(got[32:44].astype(int) - bars[32:44]).max() <= 4


@pytest.mark.parametrize(("codec", "best", "worst"), [("h264", 10, 45), ("hevc", 10, 45), ("av1", 10, 60)])
def test_crf_sets_quality(tmp_path, pictures, codec, best, worst):
    images = [cv2.resize(image, (128, 96)) for image in pictures(10)]
    sizes = [write(tmp_path / f"{crf}.mp4", images, codec=codec, crf=crf).stat().st_size for crf in (best, worst)]
    assert sizes[0] > 2 * sizes[1]


def test_preset_reaches_the_encoder(tmp_path, pictures, read_video):
    video = read_video(write(tmp_path / "out.mp4", pictures(30), preset="ultrafast"))
    assert av.video.frame.PictureType.B not in video.pict_types


def test_a_size_that_no_encoder_takes_is_a_clear_error(tmp_path):
    with (
        pytest.raises(SinkError, match=r"out\.mp4: .*libx264 does not encode 20000x2"),
        VideoWriter(tmp_path / "out.mp4", info()) as writer,
    ):
        writer.write(RgbPicture(np.zeros((2, 20_000, 3), np.uint8)), 0, RATE)
    assert list(tmp_path.iterdir()) == []


_WRITE_ALL = """
from fractions import Fraction
import numpy as np
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.writer import VideoWriter

info = StreamInfo("x", 64, 48, Fraction(1, 25))
for codec in ("h264", "hevc", "av1"):
    with VideoWriter(f"{codec}.mp4", info, EncodeOptions(codec=codec)) as writer:
        for number in range(3):
            writer.write(RgbPicture(np.full((48, 64, 3), 40 * number, np.uint8)), number, Fraction(1, 25))
"""


def test_encoders_are_silent(tmp_path):
    """In a process of its own: SVT-AV1 decides once a process how much it prints."""
    done = subprocess.run([sys.executable, "-c", _WRITE_ALL], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["av1.mp4", "h264.mp4", "hevc.mp4"]


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize(
    ("width", "height", "frames", "times"), [(320, 180, 20, 2), pytest.param(960, 540, 40, 8, marks=pytest.mark.soak)]
)
def test_the_same_pictures_are_encoded_alike_again(tmp_path, codec, width, height, frames, times):
    """Without that, no run could be resumed to the same file. x264 with AVX-512 fails, one time in several."""
    pictures = [frame.image for frame in render(SceneSpec(frames=frames, width=width, height=height))]
    contents = set()
    for number in range(times if codec == "h264" else 2):
        path = tmp_path / f"{number}.mp4"
        with VideoWriter(path, info(width, height), EncodeOptions(codec=codec)) as writer:
            for pts, picture in enumerate(pictures):
                writer.write(RgbPicture(picture), pts, RATE)
        contents.add(path.read_bytes())
    assert len(contents) == 1
