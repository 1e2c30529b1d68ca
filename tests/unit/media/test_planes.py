"""Planes against the way by RGB: what a viewer sees, and what a detector sees, is the same."""

import av
import cv2
import numpy as np
import pytest

from streamdet.frames import RgbPicture
from streamdet.media.colour import frame_from_rgb, rgb_from_frame, tag
from streamdet.media.planes import Planes, picture_of
from streamdet.media.write.recording import fitted

COLOURS = [(1, 1, 1, 1), (6, 1, 6, 6), (1, 2, 1, 1), (6, 2, 6, 6)]


def landscape(width=128, height=72):
    """Smooth colours in all directions."""
    y, x = np.mgrid[0:height, 0:width]
    channels = [255 * x / width, 255 * y / height, 255 * (1 - x / width)]
    return np.stack(channels, axis=2).astype(np.uint8)


def planes_of(frame):
    picture = picture_of(frame)
    assert isinstance(picture, Planes)
    return picture


def difference(one, other):
    return np.abs(one.astype(int) - other.astype(int)).max()


@pytest.mark.parametrize("colour", COLOURS)
def test_scales_as_rgb_does(colour):
    frame = frame_from_rgb(landscape(), colour)
    for size in ((32, 18), (50, 28), (128, 72), (200, 112)):
        interpolation = cv2.INTER_AREA if size[0] < 128 else cv2.INTER_LINEAR
        by_rgb = cv2.resize(rgb_from_frame(frame), size, interpolation=interpolation)
        assert difference(picture_of(frame).scaled(*size), by_rgb) <= 6


def test_keeps_the_decoders_frame_as_it_is():
    frame = frame_from_rgb(landscape(), COLOURS[0])
    frame.pict_type = 1
    planes = planes_of(frame)
    with pytest.raises(ValueError, match="read-only"):
        planes.luma[0, 0] = 1
    copied = planes.copy()
    copied.luma[:], copied.chroma[0][:] = 200, 90
    assert np.array_equal(planes.rgb(), rgb_from_frame(frame))
    assert difference(planes.rgb(), copied.rgb()) > 50
    given = planes.for_encoder()
    assert given is not frame
    assert int(given.pict_type) == 0  # x264 would make a keyframe where the source has one
    assert np.array_equal(rgb_from_frame(given), rgb_from_frame(frame))


@pytest.mark.parametrize("colour", COLOURS)
def test_a_devices_frame_is_the_same_picture(colour):
    frame = frame_from_rgb(landscape(), colour)
    interleaved = frame.reformat(format="nv12")
    tag(interleaved, colour)
    planes = planes_of(interleaved)
    assert planes.colour == planes_of(frame).colour
    for plane, expected in zip(
        (planes.luma, *planes.chroma), (planes_of(frame).luma, *planes_of(frame).chroma), strict=True
    ):
        assert np.array_equal(plane, expected)


@pytest.mark.parametrize(
    ("format_", "of_a_device"),
    [("yuv420p10le", "p010le"), ("yuv420p12le", "p012le"), ("yuv420p12le", "p016le")],
)
def test_a_devices_frame_of_more_bits_is_the_same_picture(format_, of_a_device):
    frame = frame_from_rgb(landscape(), COLOURS[0]).reformat(format=format_)
    interleaved = frame.reformat(format=of_a_device)
    for each in (frame, interleaved):
        tag(each, COLOURS[0])
    assert np.array_equal(picture_of(interleaved).rgb(), rgb_from_frame(frame))
    assert difference(picture_of(interleaved).rgb(), landscape()) < 12


def test_is_converted_once():
    planes = picture_of(frame_from_rgb(landscape(), COLOURS[0]))
    assert planes.rgb() is planes.rgb()


def test_full_range_by_its_format_stays_full_range():
    tagged = frame_from_rgb(landscape(), (6, 2, 2, 2))
    frame = av.VideoFrame.from_ndarray(tagged.to_ndarray(), format="yuvj420p")
    given = fitted(picture_of(frame), (128, 72), 2, (2, 0, 2, 2))
    assert given.format.name == "yuv420p"
    # The stream says limited, this frame is full: it is converted, not relabelled.
    assert int(given.color_range) == 1
    assert difference(rgb_from_frame(given), rgb_from_frame(frame)) <= 6
    given = fitted(picture_of(frame), (128, 72), 2, (6, 2, 2, 2))
    assert int(given.color_range) == 2
    assert np.array_equal(rgb_from_frame(given), rgb_from_frame(frame))


@pytest.mark.parametrize(
    ("pix_fmt", "size"), [("yuv420p10le", (64, 48)), ("yuv444p", (64, 48)), ("rgb24", (64, 48)), ("yuv420p", (63, 48))]
)
def test_other_pictures_are_rgb(pix_fmt, size):
    picture = picture_of(av.VideoFrame(size[0], size[1], pix_fmt))
    assert isinstance(picture, RgbPicture)
    assert picture.rgb().shape == (size[1], size[0], 3)
    assert (picture.width, picture.height) == size


def test_fits_by_way_of_rgb_where_the_size_is_another():
    planes = picture_of(frame_from_rgb(landscape(), COLOURS[0]))
    assert isinstance(planes, Planes)
    for size, smallest in (((96, 72), 2), ((128, 72), 128)):
        given = fitted(planes, size, smallest, COLOURS[0])
        assert (given.width, given.height) == tuple(max(side, smallest) for side in size)
