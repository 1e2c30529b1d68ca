"""The figures of the object memory's benchmark, and its rivals, on cases that can be counted by hand."""

import numpy as np
import pytest
from fewer_looks import looked_at
from hand_rule import HandRule
from labelled_videos import CLASSES, labels, video
from object_memory import Clip, Plain, identities, methods, of_one_class
from steadiness import Matches, Output, mark_fast, truth_of

from streamdet.detections import Detections
from streamdet.tracking.memory.tracker import packaged_weights

SIZE = (640, 480)


def truth(left, identity=1):
    boxes = np.array([[left, 100.0, left + 50, 200]])
    return truth_of(boxes, np.array([identity]), np.array([0]), np.zeros((0, 4)), 8.0)


def output(left, score, class_id=0):
    return Output(np.array([[left, 100.0, left + 50, 200]]), np.array([score]), np.array([class_id]), np.array([1]))


def test_what_is_lost_and_found_again_flickers():
    clip = [truth(100 + n) for n in range(5)]
    found = [output(100 + n, score) for n, score in enumerate((0.9, 0.2, 0.9, 0.9, 0.9))]
    matches = Matches([clip], [found])
    assert matches.steadiness(0.5)["flicker"] == pytest.approx(2 / 4)
    assert matches.steadiness(0.1)["flicker"] == 0.0
    assert matches.ap() == pytest.approx(1.0)


def test_a_class_that_changes_is_counted():
    clip = [truth(100) for _ in range(3)]
    found = [output(100, 0.9, class_id) for class_id in (0, 1, 1)]
    assert Matches([clip], [found]).steadiness(0.5)["class_changes"] == pytest.approx(1 / 2)


def test_precision_recall_and_the_score_of_a_precision():
    clip = [truth(100), truth(100)]
    found = [output(100, 0.9), output(400, 0.5)]
    matches = Matches([clip], [found])
    assert matches.precision_recall(0.1) == (0.5, 0.5)
    assert matches.threshold(1.0) == pytest.approx(0.9)
    assert matches.threshold(0.5) == pytest.approx(0.5)


def test_fast_is_what_moves_out_of_itself():
    slow, fast = [truth(100 + n) for n in range(10)], [truth(100 + 30 * n) for n in range(10)]
    for clip in (slow, fast):
        mark_fast(clip)
    assert not any(frame.fast.any() for frame in slow)
    assert all(frame.fast.all() for frame in fast)


def test_what_stands_behind_is_occluded():
    boxes = np.array([[100.0, 100, 150, 200], [120, 110, 170, 230]])
    both = truth_of(boxes, np.array([1, 2]), np.zeros(2, np.int64), np.zeros((0, 4)), 8.0)
    assert both.occluded.tolist() == [True, False]


def test_the_rule_made_by_hand_bridges_a_miss():
    rule = HandRule()
    for n in range(10):
        rule.update(Detections.of([(100 + n, 100, 150 + n, 200)], [0.9], [0], ("car",)), n * 0.04, SIZE)
    bridged = rule.update(Detections.empty(("car",)), 0.4, SIZE)
    assert bridged.track_ids.tolist() == [1]
    assert 0.5 < bridged.scores[0] < 0.9


def test_every_method_takes_a_frame_and_forgets():
    found = Detections.of([(100, 100, 150, 200)], [0.9], [0], ("car",))
    for make, _ in methods(packaged_weights(), packaged_weights()).values():
        method = make()
        assert len(method.update(found, 0.0, SIZE)) == 1
        method.reset()
    assert Plain().update(found, 0.0, SIZE) is found


def test_a_detector_that_knows_groups_alone_is_judged_by_them():
    """Of the labels' car and person, one that finds vehicles is asked for vehicles, identities included."""
    marked = video([labels([(100, 100, 150, 200, 0, 1), (300, 100, 350, 200, 1, 2)]) for _ in range(3)])
    seen = [Detections.of([(100, 100, 150, 200)], [0.9], [0], ("vehicle",))] * 3
    clip = of_one_class(Clip(marked, CLASSES, [truth(100)] * 3, seen, "vehicle"))
    assert clip.classes == clip.found[0].classes == ("vehicle", "other")
    assert clip.video.labels[0].class_ids.tolist() == [0, 1]
    best = identities([clip])["byte"]
    assert (best["hota"], best["idf1"]) == (pytest.approx(1.0), pytest.approx(1.0))


@pytest.mark.parametrize(("every", "looks"), [(1, 12), (3, 4)])
def test_between_looks_the_memory_follows_what_moves_and_last_boxes_stay_behind(every, looks):
    lefts = [100.0 + 12 * n for n in range(12)]
    found = [Detections.of([[left, 100, left + 50, 200]], [0.9], [0], CLASSES) for left in lefts]
    marked = video([labels([(left, 100, left + 50, 200, 0, 1)]) for left in lefts])
    clip = Clip(marked, CLASSES, [truth(left) for left in lefts], found, "vehicle")
    carried, kept, count = looked_at(clip, every)
    assert count == looks
    errors = [
        np.mean([abs(each.boxes[0, 0] - left) for each, left in zip(out, lefts, strict=True)][6:])
        for out in (carried, kept)
    ]
    assert errors[0] < 4
    assert errors[1] == pytest.approx(0 if every == 1 else 12)
