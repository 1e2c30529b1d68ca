from fractions import Fraction

import av
import cv2
import numpy as np
import pytest

from streamdet.datasets.frames import ImageFiles, VideoFile, find_pictures, picture_size
from streamdet.errors import ConfigError

TIMES_MS = [0, 40, 80, 200, 210, 300, 420, 500, 900, 940, 1000, 1010, 1100, 1300, 1340, 1400, 1500]


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts"])
def test_every_start_in_a_video_gives_exactly_its_frames(tmp_path, film, number_in, suffix):
    video = VideoFile(film(tmp_path / f"clip.{suffix}", len(TIMES_MS), TIMES_MS))
    for start in range(len(TIMES_MS)):
        for stop in {start + 1, min(start + 4, len(TIMES_MS))}:
            assert [number_in(image) for image in video.read(start, stop)] == list(range(start, stop))


def test_a_video_reads_to_its_end_without_a_stop(tmp_path, film, number_in):
    video = VideoFile(film(tmp_path / "clip.mkv", 9))
    assert [number_in(image) for image in video.read(6)] == [6, 7, 8]


def test_a_video_tells_true_times_and_its_size(tmp_path, film):
    video = VideoFile(film(tmp_path / "clip.mp4", len(TIMES_MS), TIMES_MS))
    np.testing.assert_allclose(video.times_s, np.array(TIMES_MS) / 1000, atol=1e-9)
    assert video.size == (64, 48)


def test_reading_past_the_end_of_a_video_fails(tmp_path, film):
    video = VideoFile(film(tmp_path / "clip.mp4", 9))
    with pytest.raises(ConfigError, match=r"clip\.mp4: has 9 frames.*10"):
        list(video.read(7, 10))


def test_a_frame_that_cannot_be_decoded_fails_and_moves_no_other(tmp_path, film, number_in):
    film(tmp_path / "whole.mp4", 12, keyframe_every=4, b_frames=0)
    with av.open(str(tmp_path / "whole.mp4")) as whole, av.open(str(tmp_path / "clip.mp4"), "w") as broken:
        stream = broken.add_stream_from_template(whole.streams.video[0])
        for number, packet in enumerate(whole.demux(video=0)):
            if packet.size:
                copy = av.Packet(b"\xff" * 40 if number == 7 else bytes(packet))
                copy.pts, copy.dts, copy.time_base = packet.pts, packet.dts, packet.time_base
                copy.is_keyframe, copy.stream = packet.is_keyframe, stream
                broken.mux(copy)
    video = VideoFile(tmp_path / "clip.mp4")
    with pytest.raises(ConfigError, match=r"clip\.mp4: frame 7 of 12 cannot be decoded"):
        list(video.read())
    assert [number_in(image) for image in video.read(0, 7)] == list(range(7))
    assert [number_in(image) for image in video.read(8)] == list(range(8, 12))


def test_a_missing_video_fails(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.mp4: the video that the labels are for does not exist"):
        VideoFile(tmp_path / "gone.mp4")


def test_pictures_are_rgb_in_order(tmp_path, draw):
    paths = [draw(tmp_path / f"{i}.png", colour=(10 * i, 20, 200)) for i in range(4)]
    images = list(ImageFiles(paths, (64, 48)).read(1, 3))
    assert [image.shape for image in images] == [(48, 64, 3)] * 2
    assert [tuple(image[0, 0]) for image in images] == [(10, 20, 200), (20, 20, 200)]


def test_a_picture_of_another_size_than_its_labels_fails(tmp_path, draw):
    frames = ImageFiles([draw(tmp_path / "a.png", (32, 48))], (64, 48))
    with pytest.raises(ConfigError, match=r"a\.png: is of 32x48 pixels, its labels are for 64x48"):
        list(frames.read())


@pytest.mark.parametrize("content", [None, b"", b"\xff\xd8\xff\xe0 not a picture"])
def test_a_picture_that_is_missing_or_damaged_fails(tmp_path, content):
    path = tmp_path / "a.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"a\.jpg"):
        list(ImageFiles([path], (64, 48)).read())
    with pytest.raises(ConfigError, match=r"a\.jpg"):
        picture_size(path)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp"])
def test_picture_size(tmp_path, draw, suffix):
    assert picture_size(draw(tmp_path / f"a.{suffix}", (37, 91))) == (37, 91)


def test_size_of_a_turned_picture_is_that_of_the_picture_as_read(tmp_path, draw):
    path = draw(tmp_path / "a.jpg", (40, 20))
    # An Exif segment with one entry: orientation (0x0112) 6, a quarter turn.
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    exif = b"\xff\xe1" + (len(tiff) + 8).to_bytes(2) + b"Exif\x00\x00" + tiff
    path.write_bytes(path.read_bytes()[:2] + exif + path.read_bytes()[2:])
    assert cv2.imread(str(path)).shape[:2] == (40, 20)
    assert picture_size(path) == (20, 40)


@pytest.mark.parametrize("folder", ["", "../", "../images/", "../val2017/", "../images/val2017/"])
def test_pictures_are_found_where_coco_keeps_them(tmp_path, draw, folder):
    annotations = tmp_path / "annotations" / "instances_val2017.json"
    picture = draw(annotations.parent / folder / "1.jpg")
    assert (find_pictures(annotations, ["0.jpg", "1.jpg"]) / "1.jpg").samefile(picture)


def test_pictures_that_are_nowhere_fail(tmp_path):
    with pytest.raises(ConfigError, match=r"instances_val2017\.json: its picture 1\.jpg is neither"):
        find_pictures(tmp_path / "annotations" / "instances_val2017.json", ["1.jpg"])


def test_pixels_that_are_not_square(tmp_path, film):
    plain = film(tmp_path / "plain.mp4", 4)
    with av.open(str(plain)) as source, av.open(str(tmp_path / "wide.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(2)
        for frame in source.decode(video=0):
            frame.pict_type = 0
            container.mux(stream.encode(frame.reformat(width=64, height=48)))
        container.mux(stream.encode(None))
    assert (VideoFile(plain).pixel_aspect, VideoFile(tmp_path / "wide.mp4").pixel_aspect) == (1, 2)
