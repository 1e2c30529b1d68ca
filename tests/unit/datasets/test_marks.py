import numpy as np
import pytest

from streamdet.datasets.frames import ImageFiles
from streamdet.datasets.marks import Marks, frame_times, unbroken_segments
from streamdet.errors import ConfigError

NO_FRAMES = ImageFiles([], (100, 50))


def finish(marks, frames=1):
    return marks.video("v", NO_FRAMES, np.arange(frames, dtype=np.float64), {0})


def test_boxes_are_clipped_to_the_picture_and_those_without_area_go():
    marks = Marks(100, 50)
    marks.box(0, (-5, 10, 40, 60), 1)
    marks.box(0, (-0.5, 0, 100.5, 50), 2)
    marks.box(0, (10, 10, 10, 20), 0)
    marks.box(0, (20, 20, 10, 30), 0)
    marks.box(0, (100, 0, 120, 20), 0)
    video = finish(marks)
    np.testing.assert_array_equal(video.labels[0].boxes, [[0, 10, 40, 50], [0, 0, 100, 50]])
    np.testing.assert_array_equal(video.labels[0].class_ids, [1, 2])
    assert video.faults == {
        "boxes that reach outside the picture, clipped": 1,
        "boxes without area, dropped": 2,
        "boxes wholly outside the picture, dropped": 1,
    }


def test_a_frame_that_nobody_annotated_differs_from_an_empty_one():
    marks = Marks(100, 50)
    marks.annotated(1)
    video = finish(marks, frames=3)
    assert video.labels[0] is None
    assert video.labels[2] is None
    assert video.labels[1].boxes.shape == (0, 4)
    assert video.labels[1].ignore.shape == (0, 4)


def test_identities_become_small_numbers_of_the_video():
    marks = Marks(100, 50)
    tracks: list[list[str | None]] = [["b7", "a9"], ["a9", None]]
    for frame, names in enumerate(tracks):
        for name in names:
            marks.box(frame, (0, 0, 10, 10), 0, name)
    video = finish(marks, frames=2)
    assert [labels.track_ids.tolist() for labels in video.labels] == [[0, 1], [1, -1]]
    assert video.labels[0].track_ids.dtype == np.int64


def test_ignore_regions_are_clipped_and_annotate_their_frame():
    marks = Marks(100, 50)
    marks.ignore(0, (90, 40, 200, 200))
    np.testing.assert_array_equal(finish(marks).labels[0].ignore, [[90, 40, 100, 50]])


def test_times_that_go_back_fail():
    with pytest.raises(ConfigError, match="clip: frame 2 "):
        Marks(100, 50).video("clip", NO_FRAMES, np.array([0.0, 1.0, 1.0]), {0})


def test_times_between_known_ones_are_even_and_go_on_at_the_usual_step():
    times = frame_times({2: 1.0, 4: 2.0, 6: 3.0}, frames=9, frames_per_second=30)
    np.testing.assert_allclose(times, [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4])
    np.testing.assert_allclose(frame_times({3: 5.0}, 5, 10), [4.7, 4.8, 4.9, 5.0, 5.1])
    np.testing.assert_allclose(frame_times({}, 3, 4), [0, 0.25, 0.5])


@pytest.mark.parametrize(
    ("times", "segments"),
    [
        ([0.0], ((0, 1),)),
        ([0, 1, 2, 3], ((0, 4),)),
        ([0, 1, 2, 5, 6, 7], ((0, 6),)),  # exactly three steps are no gap
        ([0, 1, 2, 5.1, 6, 20, 21], ((0, 3), (3, 5), (5, 7))),
    ],
)
def test_segments_break_where_time_jumps_more_than_three_steps(times, segments):
    assert unbroken_segments(np.array(times, np.float64)) == segments
