"""Arrays of a program as a source."""

import numpy as np
import pytest

from streamdet.errors import DecodeError, SourceOpenError
from streamdet.media.locations import SourceSpec
from streamdet.media.read.source import open_source

FRAMES = np.stack([np.full((4, 6, 3), number, np.uint8) for number in range(10)])


def read(arrays, **part):
    with open_source(SourceSpec("arrays", "arrays", "arrays", arrays=arrays), **part) as source:
        return source.info, [(frame.index, float(frame.pts_s), int(frame.image[0, 0, 0])) for frame in source]


@pytest.mark.parametrize("arrays", [FRAMES, list(FRAMES), (frame for frame in FRAMES)])
def test_each_array_is_a_frame(arrays):
    info, frames = read(arrays)
    assert (info.width, info.height) == (6, 4)
    assert frames == [(number, pytest.approx(number / 25), number) for number in range(10)]


def test_a_part_keeps_numbers_and_times():
    _, frames = read(FRAMES, start_s=0.08, end_s=0.36, stride=3)
    assert frames == [(number, pytest.approx(number / 25), number) for number in (2, 5, 8)]
    assert [number for number, _, _ in read(FRAMES, stride=4, max_frames=2)[1]] == [0, 4]


def test_an_endless_generator_is_read_as_far_as_asked_for():
    def endless():
        while True:
            yield FRAMES[0]

    assert len(read(endless(), max_frames=5)[1]) == 5


@pytest.mark.parametrize(
    "wrong", [np.zeros((4, 6), np.uint8), np.zeros((4, 6, 3), np.float32), np.zeros((0, 6, 3), np.uint8), "a.png", None]
)
def test_what_is_no_picture_is_named(wrong):
    with pytest.raises(DecodeError, match=r"arrays: array 1: expected \(H, W, 3\) uint8 RGB, got "):
        read([FRAMES[0], wrong])


def test_no_array_at_all():
    with pytest.raises(SourceOpenError, match="arrays: holds no array"):
        read([])
