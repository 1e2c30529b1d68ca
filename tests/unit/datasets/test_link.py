"""Track ids by overlap."""

import numpy as np
import pytest

from streamdet.datasets.labels import LabelledVideo, Labels
from streamdet.datasets.link import link_boxes


def _ids(frames, segments=None):
    """Linked track ids of every frame; frames are lists of boxes, or None."""
    labels = []
    for rows in frames:
        table = None if rows is None else np.array(rows).reshape(-1, 6)
        labels.append(None if table is None else Labels(table[:, :4].astype(np.float32), table[:, 4], table[:, 5]))
    segments, times_s = segments or ((0, len(frames)),), np.arange(len(frames), dtype=float)
    video = LabelledVideo("a", 500, 100, times_s, tuple(labels), frozenset({0, 1}), segments, frames=None)
    return [None if frame is None else frame.track_ids.tolist() for frame in link_boxes(video).labels]


def _car(x, class_id=0, track=-1):
    return (x, 0, x + 100, 50, class_id, track)


def test_boxes_that_overlap_are_one_object():
    assert _ids([[_car(0), _car(300)], [_car(320), _car(20)], [_car(40)]]) == [[0, 1], [1, 0], [0]]


def test_little_overlap_is_enough():
    """IoU 0.11: what moves fast or is filmed at few frames a second."""
    assert _ids([[_car(0)], [_car(80)]]) == [[0], [0]]


def test_an_object_that_left_its_box_is_another():
    assert _ids([[_car(0)], [_car(95)]]) == [[0], [1]]


def test_rivals_are_settled_for_the_best_sum():
    """Greedy would link 60 to 40 (IoU 0.67) and leave 0 alone; 0 to 40 and 60 to 110 sum to more (0.43 + 0.33)."""
    assert _ids([[_car(0), _car(60)], [_car(40), _car(110)]]) == [[0, 1], [0, 1]]


def test_classes_do_not_mix():
    assert _ids([[_car(0, 0)], [_car(0, 1)]]) == [[0], [1]]


@pytest.mark.parametrize("middle", [True, False])
def test_no_link_over_a_break(middle):
    """Neither a frame without labels nor a break in time is crossed."""
    frames = [[_car(0)], None, [_car(0)]] if middle else [[_car(0)]] * 2
    linked = _ids(frames, ((0, 3),) if middle else ((0, 1), (1, 2)))
    assert linked[0] == [0]
    assert linked[-1] == [1]


def test_track_ids_that_are_given_stay():
    assert _ids([[_car(0, track=7), _car(300)], [_car(0, track=3), _car(310)]]) == [[7, 8], [3, 8]]
