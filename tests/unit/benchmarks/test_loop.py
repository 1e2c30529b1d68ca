"""A short video as a long stream."""

import numpy as np
import pytest
from loop import loop

BOX = (100, 100, 200, 200)


class Numbers:
    """Frames that are their number; remembers what was read."""

    def __init__(self):
        self.spans = []

    def read(self, start=0, stop=None):
        self.spans.append((start, stop))
        return iter([np.full((2, 2, 3), index, np.uint8) for index in range(start, stop)])


@pytest.fixture
def long(build):
    frames = [build.labels([(*BOX, 0, 0), (*BOX, 1, -1)]), None, build.labels([(*BOX, 0, 4)])]
    return loop(build.video(frames, times_s=np.array([5, 5.2, 5.4]), frames=Numbers()), 3)


def test_time_goes_on(long):
    assert long.times_s.tolist() == pytest.approx((5 + 0.2 * np.arange(9)).tolist())
    assert long.segments == ((0, 9),)


def test_labels_come_again_with_other_identities(long):
    tracks = [None if labels is None else labels.track_ids.tolist() for labels in long.labels]
    assert tracks == [[0, -1], None, [4], [5, -1], None, [9], [10, -1], None, [14]]


@pytest.mark.parametrize(
    ("span", "numbers"), [((0, 9), [0, 1, 2] * 3), ((2, 7), [2, 0, 1, 2, 0]), ((8, None), [2]), ((4, 4), [])]
)
def test_pictures_come_again(long, span, numbers):
    assert [int(image[0, 0, 0]) for image in long.frames.read(*span)] == numbers


def test_a_video_with_breaks_fails(build):
    broken = build.video([build.labels([])] * 2, segments=((0, 1), (1, 2)))
    with pytest.raises(ValueError, match="clip has 1 breaks in time"):
        loop(broken, 2)
