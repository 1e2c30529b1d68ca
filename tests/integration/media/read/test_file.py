"""The file source on real files of every common kind."""

import tracemalloc
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from streamdet.errors import SourceOpenError
from streamdet.media.read.source import open_source

CONTAINERS = {
    "a.mp4": {},
    "a.mov": {},
    "a.mkv": {},
    "a.ts": {},
    "a.flv": {},
    "a.avi": {},
    "mpeg4.avi": {"codec": "mpeg4"},
    "mpeg4b.avi": {"codec": "mpeg4", "options": {"bf": "2"}},
    "mjpeg.avi": {"codec": "mjpeg", "pix_fmt": "yuvj420p"},
    "raw.h264": {"format": "h264"},
    "a.mpg": {"codec": "mpeg2video"},
    "vp9.webm": {"codec": "libvpx-vp9", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "vp8.webm": {"codec": "libvpx", "options": {"deadline": "realtime", "cpu-used": "8"}},
    "hevc10.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le", "options": {"x265-params": "log-level=none"}},
    "a.gif": {"codec": "gif", "pix_fmt": "rgb8", "rate": 25},
}


def read(path, **part):
    with open_source(path, **part) as source:
        return list(source)


@pytest.mark.parametrize("name", CONTAINERS)
def test_every_frame_of_every_container(make_clip, read_number, name):
    path = make_clip(name, 50, **CONTAINERS[name])
    with open_source(path) as source:
        frames = list(source)
    assert [read_number(frame.image) for frame in frames] == list(range(50))
    assert [frame.index for frame in frames] == list(range(50))
    assert source.undecodable == 0
    assert source.name == frames[0].source == path.stem
    step = round(Fraction(1, 25) / source.info.time_base)
    assert [frame.pts - frames[0].pts for frame in frames] == [number * step for number in range(50)]
    assert (source.info.width, source.info.height) == (160, 96)
    assert source.info.path == str(path)
    assert not source.info.live
    if name not in ("raw.h264", "a.mpg", "a.flv"):  # these do not say how long they are
        assert source.info.frames == 50
        assert source.info.duration_s == pytest.approx(2)


def test_variable_frame_rate_is_kept(make_clip, read_number):
    pts, time_base = [0, 1, 3000, 9000, 9001, 20_000, 90_000], Fraction(1, 90_000)
    frames = read(make_clip(frames=7, pts=pts, time_base=time_base))
    assert [frame.pts for frame in frames] == pts
    assert {frame.time_base for frame in frames} == {time_base}
    assert [read_number(frame.image) for frame in frames] == list(range(7))


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_first_pts_other_than_zero_is_kept_and_start_counts_from_it(make_clip, name):
    pts = [2000 + 40 * number for number in range(50)]
    path = make_clip(name, pts=pts, time_base=Fraction(1, 1000))
    frames = read(path)
    assert frames[0].pts_s >= 2
    assert [frame.pts_s - frames[0].pts_s for frame in frames] == pytest.approx([n / 25 for n in range(50)])
    assert [frame.index for frame in read(path, start_s=1)] == list(range(25, 50))


@pytest.mark.parametrize("hidden", [3, 15])
def test_frames_that_an_edit_list_hides_have_no_number(make_hiding_clip, read_number, hidden):
    path = make_hiding_clip(hidden)
    with open_source(path) as source:
        numbers = {frame.pts: frame.index for frame in source}
    assert list(numbers.values()) == list(range(50 - hidden))
    for start_s in (0, 0.2, 0.64, 1.2):
        frames = read(path, start_s=start_s)
        assert [frame.index for frame in frames] == [numbers[frame.pts] for frame in frames]
        assert [read_number(frame.image) for frame in frames] == [hidden + frame.index for frame in frames]
        assert frames[0].pts_s == pytest.approx(start_s)


def test_video_that_begins_long_after_audio(tmp_path):
    path = tmp_path / "late.ts"
    with av.open(str(path), "w") as container:
        video, audio = container.add_stream("libx264", rate=25), container.add_stream("mp2", rate=48_000)
        video.width, video.height, video.pix_fmt, audio.codec_context.layout = 64, 48, "yuv420p", "mono"
        for number in range(500):
            silence = av.AudioFrame.from_ndarray(np.zeros((1, 1152), np.int16), format="s16", layout="mono")
            silence.sample_rate, silence.pts = 48_000, 1152 * number
            container.mux(audio.encode(silence))
        for number in range(50):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = 250 + number, Fraction(1, 25)
            container.mux(video.encode(frame))
        container.mux([*video.encode(None), *audio.encode(None)])
    for start_s, frames in ((None, 50), (11, 25)):
        with open_source(path, start_s=start_s) as source:
            assert len(list(source)) == frames
            assert source.info.duration_s == pytest.approx(frames / 25, abs=0.05)
            assert source.info.average_rate is None or source.info.average_rate == 25


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_rotation_is_applied(make_clip, degrees):
    def picture(number, width, height):
        image = np.full((height, width, 3), 30, np.uint8)
        image[: height // 4, : width // 4] = 220  # a mark in the upper left corner
        return image

    path = make_clip(frames=3, picture=picture, prepare=lambda stream: stream.set_display_rotation(-degrees))
    with open_source(path) as source:
        image = next(iter(source)).image
    expected = np.rot90(picture(0, 160, 96), -degrees // 90)
    assert (source.info.height, source.info.width) == image.shape[:2] == expected.shape[:2]
    assert np.abs(image.astype(int) - expected).mean() < 5


@pytest.mark.parametrize("size", [(159, 95), (2, 2), (17, 96)])
def test_odd_sizes(make_clip, size):
    def picture(number, width, height):
        return np.broadcast_to(np.array([200, 100, 50], np.uint8), (height, width, 3)).copy()

    path = make_clip("a.mkv", 3, codec="ffv1", size=size, picture=picture)
    with open_source(path) as source:
        frames = list(source)
    assert frames[0].image.shape == (size[1], size[0], 3)
    assert (source.info.width, source.info.height) == size
    assert np.abs(frames[0].image.astype(int) - [200, 100, 50]).max() <= 3


def ramp(matrix, range_, pix_fmt, bits):
    """A grey ramp over its whole range, in samples: the picture and what it must become."""

    def picture(number, width, height):
        frame = av.VideoFrame(width, height, pix_fmt)
        top = 2**bits
        black, white = (0, top - 1) if range_ == 2 else (16 * top // 256, 235 * top // 256)
        for index, plane in enumerate(frame.planes):
            samples = np.frombuffer(memoryview(plane), np.uint8 if bits == 8 else "<u2").reshape(plane.height, -1)
            samples[:, : plane.width] = np.rint(np.linspace(black, white, plane.width)) if index == 0 else top // 2
        frame.colorspace, frame.color_range = matrix, range_
        return frame

    return picture


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("range_", [1, 2])
@pytest.mark.parametrize(
    ("codec", "pix_fmt", "bits", "options"),
    [
        ("libx264", "yuv420p", 8, {"qp": "0"}),
        ("libx265", "yuv420p10le", 10, {"x265-params": "lossless=1:log-level=none"}),
        ("libx264", "yuv420p10le", 10, {"qp": "0"}),
    ],
)
def test_grey_ramp_comes_out_right(make_clip, matrix, range_, codec, pix_fmt, bits, options):
    def tag(stream):
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, range_

    picture = ramp(matrix, range_, pix_fmt, bits)
    path = make_clip(frames=2, codec=codec, pix_fmt=pix_fmt, picture=picture, options=options, prepare=tag)
    with open_source(path) as source:
        image = next(iter(source)).image
    assert source.info.colour[:2] == (matrix, range_)
    assert np.abs(image - np.linspace(0, 255, 160)[None, :, None]).max() <= 2


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("frames", [1, 2, 25])
def test_interlaced_video_is_deinterlaced_frame_by_frame(make_clip, name, frames):
    def picture(number, width, height):
        image = np.full((height, width, 3), 30, np.uint8)
        for field in (0, 1):  # a bar that moves between the fields: a comb, if they are woven
            left = 8 + number * 4 + field * 2
            image[field::2, left : left + 16] = 220
        return image

    def combing(image):
        luma = image[..., 1].astype(int)
        return np.abs(luma[1:-1] - (luma[:-2] + luma[2:]) // 2).mean()

    interlaced = make_clip(name, frames, picture=picture, options={"x264-params": "tff=1", "qp": "10"})
    with av.open(str(interlaced)) as container:
        woven = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    frames_read = read(interlaced)
    plain = read(make_clip("plain." + name, frames, picture=picture, options={"qp": "10"}))
    assert [(f.index, f.pts, f.duration) for f in frames_read] == [(f.index, f.pts, f.duration) for f in plain]
    assert combing(plain[-1].image) > 3  # not flagged as interlaced: left alone
    if frames > 1:  # a single frame is left as it is
        assert combing(frames_read[-1].image) < combing(woven[-1]) / 3


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.flv", "a.avi", "raw.h264", "hevc.mp4", "hevc.ts"])
@pytest.mark.parametrize("gop", ["open-gop=0", "open-gop=1"])
def test_part_is_cut_out_exactly(make_clip, name, gop):
    parameters = f"keyint=12:min-keyint=12:{gop}:scenecut=0"
    kind = {"options": {"x264-params": parameters}}
    if name.startswith("hevc"):
        kind = {"codec": "libx265", "options": {"x265-params": f"{parameters}:log-level=none"}}
    path = make_clip(name, 100, **kind, format="h264" if name == "raw.h264" else None)
    whole = read(path)
    for start_s, end_s, expected in [
        (0, None, range(100)),
        (1, 2, range(25, 50)),
        (2.6, 3, range(65, 75)),
        (3.96, None, [99]),
    ]:
        with open_source(path, start_s=start_s, end_s=end_s) as source:
            part = list(source)
        assert [frame.index for frame in part] == list(expected)
        assert [frame.pts for frame in part] == [whole[index].pts for index in expected]
        assert all(np.array_equal(frame.image, whole[frame.index].image) for frame in part)
        if name in ("a.mp4", "a.mkv", "a.avi"):
            assert source.info.frames == len(part)


def test_stride_and_limit_count_source_frames(make_clip, read_number):
    path = make_clip(frames=50)
    frames = read(path, stride=7, max_frames=3, start_s=0.4)
    assert [frame.index for frame in frames] == [read_number(frame.image) for frame in frames] == [10, 17, 24]
    assert [frame.pts_s for frame in frames] == pytest.approx([0.4, 0.68, 0.96])
    with open_source(path, stride=7, max_frames=3) as source:
        assert source.info.frames == 3


def test_part_beyond_the_end_fails(make_clip):
    with pytest.raises(SourceOpenError, match=r"holds no frame from 60 s to its end; it lasts 2\.000 s"):
        open_source(make_clip(), start_s=60)


def test_best_of_several_video_streams(tmp_path):
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        small, large = (container.add_stream("mpeg4", rate=25) for _ in range(2))
        small.width, small.height = 32, 32
        large.width, large.height = 320, 240
        for stream in (small, large):
            stream.pix_fmt = "yuv420p"
        for number in range(5):
            for stream in (small, large):
                frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in (small, large):
            container.mux(stream.encode(None))
    frames = read(path)
    assert len(frames) == 5
    assert frames[0].image.shape == (240, 320, 3)


def test_size_may_change_in_mid_file(make_clip, tmp_path):
    first = make_clip("1.ts", 10, options={"bf": "0"})
    second = make_clip("2.ts", 10, options={"bf": "0"}, size=(96, 160))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    frames = read(joined)
    assert [frame.image.shape[:2] for frame in frames] == [(96, 160)] * 10 + [(160, 96)] * 10
    assert all(one.pts < other.pts for one, other in pairwise(frames))


def test_closed_source_ends_and_closes_again(make_clip):
    source = open_source(make_clip())
    frames = iter(source)
    next(frames)
    source.close()
    source.close()
    assert list(frames) == []


def test_memory_does_not_grow_with_length(make_clip):
    path = make_clip(
        frames=250, options={"preset": "ultrafast"}, picture=lambda n, w, h: np.full((h, w, 3), n % 256, np.uint8)
    )
    with open_source(path) as source:
        peaks = []
        tracemalloc.start()
        for frame in source:
            assert frame.image.shape == (frame.height, frame.width, 3)
            if frame.index % 50 == 49:
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
        tracemalloc.stop()
    assert max(peaks) < 1.5 * peaks[0]
