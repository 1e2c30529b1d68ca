"""Greedy matching, by score."""

from streamdet.evaluation.judged import judge
from streamdet.evaluation.matching import FREE, MISSED, match_frame


def matches(build, labels, rows, thresholds=(0.5,)):
    judged = judge([(build.video([labels]), [build.found(rows)])], build.classes)
    return match_frame(judged.videos[0].frames[0], thresholds).tolist()


def at(x, class_id, *rest):
    return (x, 0, x + 100, 50, class_id, *rest)


def test_the_best_scored_takes_the_object_and_the_second_is_false(build):
    assert matches(build, build.labels([at(0, 0, -1)]), [at(10, 0, 0.9, -1), at(0, 0, 0.5, -1)]) == [[0, MISSED]]


def test_the_second_falls_back_on_another_object(build):
    labels = build.labels([at(0, 0, -1), at(30, 0, -1)])
    assert matches(build, labels, [at(0, 0, 0.9, -1), at(5, 0, 0.5, -1)]) == [[0, 1]]


def test_each_threshold_is_matched_by_itself(build):
    """IoU 0.67 and 1: at 0.5 the first takes the object, at 0.75 only the second can."""
    labels = build.labels([at(0, 0, -1)])
    rows = [at(20, 0, 0.9, -1), at(0, 0, 0.5, -1)]
    assert matches(build, labels, rows, (0.5, 0.75)) == [[0, MISSED], [MISSED, 0]]


def test_another_class_is_no_hit(build):
    assert matches(build, build.labels([at(0, 0, -1)]), [at(0, 1, 0.9, -1)]) == [[MISSED]]


def test_an_ignored_object_makes_its_detections_free(build):
    """The object lies 60 % in the region and the detections 40 %, so they are kept and the object is not wanted."""
    labels = build.labels([at(0, 0, -1)], [(0, 0, 60, 50)])
    assert matches(build, labels, [at(20, 0, 0.9, -1), at(21, 0, 0.8, -1), at(21, 1, 0.8, -1)]) == [
        [FREE, FREE, MISSED]
    ]


def test_nothing_against_nothing(build):
    assert matches(build, build.labels([]), []) == [[]]
    assert matches(build, build.labels([]), [at(0, 0, 0.9, -1)]) == [[MISSED]]
