"""Identities by overlap."""

import pytest

from streamdet.evaluation.judged import judge
from streamdet.evaluation.link import link


def ids(build, frames, **changes):
    """Linked identities of every frame."""
    pairs = [(build.video(frames, **changes), [build.found([])] * len(frames))]
    linked = link(judge(pairs, build.classes).videos[0])
    return [None if frame is None else frame.track_ids.tolist() for frame in linked.frames]


def car(x, class_id=0, track=-1):
    return (x, 0, x + 100, 50, class_id, track)


def test_boxes_that_overlap_are_one_object(build):
    frames = [build.labels([car(0), car(300)]), build.labels([car(320), car(20)]), build.labels([car(40)])]
    assert ids(build, frames) == [[0, 1], [1, 0], [0]]


def test_an_object_that_left_its_box_is_another(build):
    assert ids(build, [build.labels([car(0)]), build.labels([car(95)])]) == [[0], [1]]


def test_rivals_are_settled_for_the_best_sum(build):
    """Greedy would link 60 to 40 (IoU 0.67) and leave 0 alone; 0 to 40 and 60 to 110 sum to more (0.43 + 0.33)."""
    frames = [build.labels([car(0), car(60)]), build.labels([car(40), car(110)])]
    assert ids(build, frames) == [[0, 1], [0, 1]]


def test_classes_do_not_mix(build):
    assert ids(build, [build.labels([car(0, 0)]), build.labels([car(0, 1)])]) == [[0], [1]]


@pytest.mark.parametrize("middle", [True, False])
def test_no_link_over_a_break(build, middle):
    """Neither a frame without labels nor a break in time is crossed."""
    frames = [build.labels([car(0)]), None, build.labels([car(0)])] if middle else [build.labels([car(0)])] * 2
    segments = ((0, 3),) if middle else ((0, 1), (1, 2))
    linked = ids(build, frames, segments=segments)
    assert linked[0] == [0]
    assert linked[-1] == [1]


def test_identities_that_are_given_stay(build):
    frames = [build.labels([car(0, track=7), car(300)]), build.labels([car(0, track=3), car(310)])]
    assert ids(build, frames) == [[7, 8], [3, 8]]
