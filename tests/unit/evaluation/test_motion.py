"""Speed as the overlap of an object with itself."""

import numpy as np
import pytest

from streamdet.evaluation.curve import mean_average_precision
from streamdet.evaluation.judged import judge
from streamdet.evaluation.motion import motion_curves, self_iou
from streamdet.evaluation.outcomes import collect


def outcomes_of(build, frames, predictions=None, **changes):
    predictions = predictions or [build.found([])] * len(frames)
    return collect(judge([(build.video(frames, **changes), predictions)], build.classes))


def square(x, track=-1, y=0):
    return (x, y, x + 100, y + 100, 0, track)


def test_it_is_the_mean_over_the_frames_around(build):
    """Steps of 20 of 100: IoU 80 / 120 one frame away, 60 / 140 two away."""
    objects = outcomes_of(build, [build.labels([square(20 * i)]) for i in range(3)]).objects
    one, two = 80 / 120, 60 / 140
    assert self_iou(objects) == pytest.approx(np.array([(one + two) / 2, one, (one + two) / 2]))


def test_it_reaches_ten_frames(build):
    """It rests for 11 frames and then jumps away: the jump is within reach of the last ten of them."""
    frames = [build.labels([square(0 if i < 11 else 500, track=1)]) for i in range(12)]
    iou = self_iou(outcomes_of(build, frames).objects)
    assert iou[0] == 1.0
    assert iou[1] == pytest.approx(10 / 11)
    assert iou[11] == 0.0


def test_an_object_that_overlap_cannot_follow_is_as_fast_as_can_be(build):
    frames = [build.labels([square(0)]), build.labels([square(200)]), build.labels([square(400)])]
    iou = self_iou(outcomes_of(build, frames).objects)
    assert iou[1] == 0.0
    assert np.isnan(iou[[0, 2]]).all()  # these may have come or gone: the frame beyond them is not there


@pytest.mark.parametrize("labels_given", [True, False])
def test_of_an_object_seen_once_nothing_is_known(build, labels_given):
    """With the labels' identity it was there for one frame; in a still there is no frame to compare with."""
    frames = (
        [build.labels([]), build.labels([square(0, 4)]), build.labels([])]
        if labels_given
        else [build.labels([square(0)])]
    )
    assert np.isnan(self_iou(outcomes_of(build, frames).objects)).all()


def test_a_break_in_time_is_not_looked_across(build):
    frames = [build.labels([square(x, track=1)]) for x in (0, 0, 300, 300)]
    assert self_iou(outcomes_of(build, frames, segments=((0, 2), (2, 4))).objects).tolist() == [1, 1, 1, 1]


def test_objects_are_grouped_by_speed(build):
    """They move by 1, 10 and 50 of 100 a frame: IoU 0.98, 0.82, 0.33. Only the slow one is found."""
    frames = [build.labels([square(i, 1), square(10 * i, 2, 200), square(50 * i, 3, 400)]) for i in range(2)]
    predictions = [build.found([(i, 0, i + 100, 100, 0, 0.9, -1)]) for i in range(2)]
    groups = motion_curves(outcomes_of(build, frames, predictions))
    ap50 = {name: mean_average_precision(parts, np.ones(1)) for name, parts in groups.items()}
    assert ap50 == {"slow": 1.0, "medium": 0.0, "fast": 0.0}
    assert [len(parts[0].object_clips) for parts in groups.values()] == [2, 2, 2]
