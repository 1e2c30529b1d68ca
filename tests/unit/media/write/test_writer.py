"""What VideoWriter refuses, and that it leaves nothing behind when there is nothing to write."""

from fractions import Fraction

import numpy as np
import pytest

from streamdet.errors import ConfigError, SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.writer import VideoWriter

TIME_BASE = Fraction(1, 25)
INFO = StreamInfo("cam", 64, 48, TIME_BASE)
IMAGE = np.zeros((48, 64, 3), np.uint8)


def test_no_frame_leaves_no_file(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", INFO):
        pass
    assert list(tmp_path.iterdir()) == []


def test_no_frame_leaves_the_old_file(tmp_path):
    (tmp_path / "out.mp4").write_bytes(b"old")
    VideoWriter(tmp_path / "out.mp4", INFO).close()
    assert (tmp_path / "out.mp4").read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("out.avi", {}),
        ("out.webm", {}),
        ("out.mp4", {"crf": 99}),
        ("out.mp4", {"preset": "x"}),
    ],
)
def test_a_wrong_configuration_fails_before_anything_is_written(tmp_path, name, options):
    with pytest.raises(ConfigError):
        VideoWriter(tmp_path / name, INFO, EncodeOptions(**options))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_fails_at_once(tmp_path):
    with pytest.raises(SinkError, match="there is no folder"):
        VideoWriter(tmp_path / "missing" / "out.mp4", INFO)


def test_writing_after_closing_is_a_mistake(tmp_path):
    writer = VideoWriter(tmp_path / "out.mp4", INFO)
    writer.write(RgbPicture(IMAGE), 0, TIME_BASE)
    writer.close()
    writer.close()
    with pytest.raises(ValueError, match="closed"):
        writer.write(RgbPicture(IMAGE), 1, TIME_BASE)


@pytest.mark.parametrize(
    "image", [IMAGE[..., 0], IMAGE[..., :2], IMAGE.astype(np.float32), np.zeros((0, 64, 3), np.uint8), IMAGE[None]]
)
def test_what_is_no_picture_is_a_mistake(tmp_path, image):
    with VideoWriter(tmp_path / "out.mp4", INFO) as writer, pytest.raises(ValueError, match="expected an image"):
        writer.write(RgbPicture(image), 0, TIME_BASE)
    assert list(tmp_path.iterdir()) == []


def test_frames_and_nudges_are_counted(tmp_path):
    with VideoWriter(tmp_path / "out.mp4", INFO) as writer:
        assert (writer.frames, writer.nudged) == (0, 0)
        for pts in (0, 1, 1, 1, 9):
            writer.write(RgbPicture(IMAGE), pts, TIME_BASE)
    assert (writer.frames, writer.nudged) == (5, 2)


def test_views_and_read_only_pictures_are_taken(tmp_path):
    wide = np.zeros((96, 200, 3), np.uint8)
    wide.flags.writeable = False
    with VideoWriter(tmp_path / "out.mp4", INFO) as writer:
        writer.write(RgbPicture(wide[::2, 10:74]), 0, TIME_BASE)
        writer.write(RgbPicture(wide[::-2, 74:10:-1]), 1, TIME_BASE)
    assert writer.frames == 2
