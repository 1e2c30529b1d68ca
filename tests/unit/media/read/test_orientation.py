import sys

import av
import numpy as np
import pytest

from streamdet.media.read.orientation import UPRIGHT, orientation_of, oriented, rotation_of

IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)


@pytest.mark.parametrize(
    ("orientation", "expected", "rotation"),
    [
        (UPRIGHT, IMAGE, 0),
        ((True, True, False), np.rot90(IMAGE, -1), 90),
        ((False, True, True), np.rot90(IMAGE, 2), 180),
        ((True, False, True), np.rot90(IMAGE), 270),
        ((False, True, False), IMAGE[:, ::-1], 0),
        ((False, False, True), IMAGE[::-1], 0),
        ((True, False, False), IMAGE.transpose(1, 0, 2), 90),
        ((True, True, True), np.rot90(IMAGE, 2).transpose(1, 0, 2), 270),
    ],
)
def test_lays_a_picture_down_in_all_eight_ways(orientation, expected, rotation):
    assert np.array_equal(oriented(IMAGE, orientation), expected)
    assert rotation_of(orientation) == rotation


def test_a_frame_that_was_looked_at_is_freed_with_its_last_use():
    frame = av.VideoFrame(16, 16, "yuv420p")
    uses = sys.getrefcount(frame)
    assert orientation_of(frame) == UPRIGHT
    assert sys.getrefcount(frame) == uses
