"""The values that travel check themselves."""

from dataclasses import FrozenInstanceError, fields
from fractions import Fraction

import numpy as np
import pytest

from streamdet.frames import Clip, Frame, RgbPicture, StreamEnded, StreamGap, StreamInfo, StreamStarted

IMAGE = np.zeros((4, 6, 3), np.uint8)


def frame(source="a", index=0, pts=0, time_base=Fraction(1, 25)):
    return Frame(source, 0, index, pts, time_base, RgbPicture(IMAGE))


@pytest.mark.parametrize(
    ("pts", "time_base", "expected"),
    [
        (6144, Fraction(1, 12800), 0.48),
        (0, Fraction(1, 90000), 0.0),
        (-3003, Fraction(1, 90000), -3003 / 90000),
        (30, Fraction(1001, 30000), 1.001),
        (2**53 + 1, Fraction(1, 2**53 + 1), 1.0),
    ],
)
def test_pts_in_seconds(pts, time_base, expected):
    assert frame(pts=pts, time_base=time_base).pts_s == expected


def test_a_clip_gives_its_streams_in_order():
    a, b = (frame("a", 7), frame("a", 8)), (frame("b", 3), frame("b", 4))
    clip = Clip((a, b))
    assert list(clip) == [a, b]
    assert (clip.source, clip.index) == ("a", 7)


@pytest.mark.parametrize(
    ("streams", "message"),
    [
        ((), "equally many frames"),
        (((),), "equally many frames"),
        (((frame("a"),), (frame("b"), frame("b", 1))), "equally many frames"),
        (((frame("a"),), (frame("a", 1),)), "holds a stream once"),
    ],
)
def test_a_clip_that_is_none_fails(streams, message):
    with pytest.raises(ValueError, match=message):
        Clip(streams)


@pytest.mark.parametrize(
    "value",
    [
        frame(),
        StreamInfo("a.mp4", 6, 4, Fraction(1, 25)),
        StreamStarted("a", StreamInfo("a.mp4", 6, 4, Fraction(1, 25))),
        StreamGap("a", 1, "reconnected"),
        StreamEnded("a", 3),
    ],
)
def test_what_travels_does_not_change_on_its_way(value):
    with pytest.raises(FrozenInstanceError):
        setattr(value, fields(value)[0].name, "b")


def test_markers_are_equal_by_value_and_frames_by_identity():
    assert StreamEnded("a", 3) == StreamEnded("a", 3)
    assert StreamGap("a", 1, "lost") != StreamGap("a", 2, "lost")
    one = frame()
    assert one == one  # noqa: PLR0124 (comparing images would raise)
    assert one != frame()


def test_an_array_is_a_picture_that_can_be_copied_and_scaled():
    image = np.full((48, 64, 3), 200, np.uint8)
    picture = RgbPicture(image)
    copied = picture.copy()
    copied.rgb()[:] = 0
    assert picture.rgb() is image
    assert (image == 200).all()
    assert picture.scaled(32, 20).shape == (20, 32, 3)
    assert (picture.width, picture.height) == (64, 48)


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_an_array_that_is_no_image_fails(image):
    with pytest.raises(ValueError, match=r"expected an image of \(H, W, 3\) uint8"):
        RgbPicture(image)
