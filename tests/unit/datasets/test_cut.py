import numpy as np
import pytest

from streamdet.datasets.cut import cut
from streamdet.datasets.frames import ImageFiles
from streamdet.datasets.marks import Marks
from streamdet.errors import ConfigError


@pytest.fixture
def video(tmp_path, draw):
    paths = [draw(tmp_path / f"{number}.png", colour=(number,) * 3) for number in range(8)]
    marks = Marks(64, 48)
    marks.annotated(5)
    times_s = np.array([0, 1, 2, 10, 11, 12, 20, 21], np.float64)
    return marks.video("v", ImageFiles(paths, (64, 48)), times_s, {0})


def numbers(frames):
    return [int(image[0, 0, 0]) for image in frames]


@pytest.mark.parametrize(
    ("start", "stop", "kept", "segments"),
    [
        (0, None, range(8), ((0, 3), (3, 6), (6, 8))),
        (2, 7, range(2, 7), ((0, 1), (1, 4), (4, 5))),
        (-3, None, range(5, 8), ((0, 1), (1, 3))),
        (0, -5, range(3), ((0, 3),)),
        (4, 99, range(4, 8), ((0, 2), (2, 4))),
    ],
)
def test_a_part_is_a_video_of_its_own(video, start, stop, kept, segments):
    part = cut(video, start, stop)
    assert len(part) == len(kept)
    assert part.segments == segments
    np.testing.assert_array_equal(part.times_s, video.times_s[kept])
    assert [labels is not None for labels in part.labels] == [number == 5 for number in kept]
    assert numbers(part.frames.read()) == list(kept)
    assert numbers(part.frames.read(1, 2)) == list(kept)[1:2]


def test_a_part_of_a_part(video):
    assert numbers(cut(cut(video, 2), 1, 3).frames.read()) == [3, 4]


@pytest.mark.parametrize(("start", "stop"), [(8, None), (3, 3), (5, 2)])
def test_a_part_without_frames_fails(video, start, stop):
    with pytest.raises(ConfigError, match=r"v: frames .* are not among its 8"):
        cut(video, start, stop)
