"""Which boxes are judged: classes by name, labelled classes, ignore regions, frames without labels."""

import numpy as np
import pytest

from streamdet.errors import ConfigError
from streamdet.evaluation.average_precision import average_precision
from streamdet.evaluation.judged import judge

BOX = (100, 100, 200, 200)
FAR = (400, 300, 450, 350)


def test_classes_meet_by_name_not_by_number(build):
    pairs = [
        (build.video([build.labels([(*BOX, 1, -1)])]), [build.found([(*BOX, 2, 0.9, -1)], ("bus", "car", "person"))])
    ]
    assert average_precision(pairs, build.classes)["per_class"]["person"]["ap"] == 1.0


def test_a_class_that_the_detector_lacks_is_not_judged(build):
    pairs = [
        (build.video([build.labels([(*BOX, 0, -1), (*FAR, 1, -1)])]), [build.found([(*BOX, 0, 0.9, -1)], ("car",))])
    ]
    judged = judge(pairs, build.classes)
    assert judged.classes == ("car",)
    assert len(judged.videos[0].frames[0].boxes) == 1


def test_a_class_is_judged_only_where_it_is_labelled(build):
    both = (build.video([build.labels([(*BOX, 1, -1)])]), [build.found([(*BOX, 1, 0.5, -1)])])
    cars_only = (build.video([build.labels([])], labelled=frozenset({0})), [build.found([(*BOX, 1, 0.9, -1)])])
    assert average_precision([both, cars_only], build.classes)["per_class"]["person"]["ap"] == 1.0


def test_the_same_detection_counts_where_its_class_is_labelled(build):
    both = (build.video([build.labels([(*BOX, 1, -1)])]), [build.found([(*BOX, 1, 0.5, -1)])])
    also = (build.video([build.labels([])]), [build.found([(*BOX, 1, 0.9, -1)])])
    assert average_precision([both, also], build.classes)["per_class"]["person"]["ap"] == 0.5


def test_detections_mostly_inside_ignore_regions_do_not_count(build):
    """Half and half of the false detection lie in two regions: only their union covers it."""
    halves = [(400, 300, 425, 350), (425, 300, 450, 350)]
    predictions = [build.found([(*FAR, 0, 0.9, -1), (*BOX, 0, 0.5, -1)])]
    with_regions = [(build.video([build.labels([(*BOX, 0, -1)], halves)]), predictions)]
    without = [(build.video([build.labels([(*BOX, 0, -1)])]), predictions)]
    assert average_precision(with_regions, build.classes)["ap50"] == 1.0
    assert average_precision(without, build.classes)["ap50"] == 0.5


def test_objects_inside_ignore_regions_are_neither_missed_nor_found(build):
    marked = build.labels([(*BOX, 0, -1), (*FAR, 0, -1)], [(390, 290, 460, 360)])
    for rows in ([(*BOX, 0, 0.5, -1)], [(*BOX, 0, 0.5, -1), (*FAR, 0, 0.9, -1)]):
        assert average_precision([(build.video([marked]), [build.found(rows)])], build.classes)["ap"] == 1.0


def test_a_hit_at_the_border_of_an_ignore_region_stays_a_hit(build):
    marked = build.labels([(*BOX, 0, -1)], [(0, 100, 148, 200)])  # 48 % of the object
    pairs = [(build.video([marked]), [build.found([(90, 100, 190, 200, 0, 0.9, -1)])])]  # 58 % of the detection
    assert average_precision(pairs, build.classes)["ap50"] == 1.0


def test_frames_without_labels_are_passed_over(build):
    pairs = [
        (
            build.video([build.labels([(*BOX, 0, -1)]), None]),
            [build.found([(*BOX, 0, 0.5, -1)]), build.found([(*FAR, 0, 0.9, -1)])],
        )
    ]
    assert average_precision(pairs, build.classes)["ap"] == 1.0
    assert judge(pairs, build.classes).videos[0].frames[1] is None


def test_only_narrows_the_classes(build):
    pairs = [(build.video([build.labels([(*BOX, 0, -1), (*FAR, 1, 4)])]), [build.found([(*FAR, 1, 0.9, 8)])])]
    judged = judge(pairs, build.classes, only=["person"])
    frame = judged.videos[0].frames[0]
    assert judged.classes == ("person",)
    assert np.array_equal(frame.boxes, [FAR])
    assert (frame.track_ids.tolist(), frame.found_track_ids.tolist()) == ([4], [8])


def test_only_the_best_hundred_of_a_class_count(build):
    marked = build.labels([(*BOX, 0, -1), (*FAR, 1, -1)])
    false = [(0, 0, 20, 20, 0, 0.9, -1)] * 100
    rows = [*false, (*BOX, 0, 0.5, -1), (*FAR, 1, 0.1, -1)]
    figures = average_precision([(build.video([marked]), [build.found(rows)])], build.classes)["per_class"]
    assert (figures["car"]["ap"], figures["person"]["ap"]) == (0.0, 1.0)
    frame = judge([(build.video([marked]), [build.found(rows)])], build.classes).videos[0].frames[0]
    assert np.bincount(frame.found_class_ids).tolist() == [100, 1]


@pytest.mark.parametrize(
    ("detector_classes", "only", "message"),
    [
        (("dog",), None, "the set labels car, person and the detector knows dog"),
        (("car", "person"), ["dog"], "class 'dog' is not in the set; it has car, person"),
        (("car",), ["person"], "the detector knows car, and person was asked for"),
    ],
)
def test_nothing_in_common_fails(build, detector_classes, only, message):
    pairs = [(build.video([build.labels([])]), [build.found([], detector_classes)])]
    with pytest.raises(ConfigError, match=message):
        judge(pairs, build.classes, only)


def test_a_prediction_too_few_fails(build):
    with pytest.raises(ValueError, match="video clip: 1 predictions for 2 frames"):
        judge([(build.video([None, None]), [build.found([])])], build.classes)
