"""AP50 by position."""

from streamdet.evaluation.judged import judge
from streamdet.evaluation.outcomes import collect
from streamdet.evaluation.position import Stretch, ap50_by_position

BOX = (100, 100, 200, 200)


def test_a_detector_that_dies_in_the_second_half_is_seen(build):
    frames = [build.labels([(*BOX, 0, -1)])] * 20
    predictions = [build.found([(*BOX, 0, 0.9, -1)])] * 10 + [build.found([])] * 10
    outcomes = collect(judge([(build.video(frames), predictions)], build.classes))
    assert ap50_by_position(outcomes, 2) == [Stretch(0, 10, 1.0, 10), Stretch(10, 20, 0.0, 10)]


def test_false_detections_count_where_they_are(build):
    frames = [build.labels([(*BOX, 0, -1)])] * 4
    hit, false = (*BOX, 0, 0.5, -1), (400, 0, 500, 100, 0, 0.9, -1)
    predictions = [build.found([hit])] * 3 + [build.found([hit, false])]
    outcomes = collect(judge([(build.video(frames), predictions)], build.classes))
    assert [stretch.ap50 for stretch in ap50_by_position(outcomes, 4)] == [1.0, 1.0, 1.0, 0.5]


def test_a_stretch_without_objects_has_no_figure(build):
    frames = [build.labels([(*BOX, 0, -1)]), build.labels([])]
    outcomes = collect(judge([(build.video(frames), [build.found([(*BOX, 0, 0.5, -1)])] * 2)], build.classes))
    assert ap50_by_position(outcomes, 2) == [Stretch(0, 1, 1.0, 1), Stretch(1, 2, None, 0)]
