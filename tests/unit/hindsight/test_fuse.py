"""Boxes of several detectors as one set."""

import numpy as np
import pytest

from streamdet.hindsight.fuse import fuse
from streamdet.hindsight.look import names_of
from streamdet.hindsight.names import Names


@pytest.fixture
def fused(footage, teacher):
    def make(*detectors, weights=(1.0, 1.0), classes=(("person",), ("person",))):
        teachers = [teacher(*names, weight=weight) for names, weight in zip(classes, weights, strict=True)]
        return fuse(footage(*detectors, classes=classes[0]), teachers, names_of(teachers))

    return make


def row(*box, score=0.8, class_id=0):
    return (0, *box, score, class_id)


def test_one_object_is_one_box_between_the_two(fused):
    found = fused([row(0, 0, 30, 80, score=0.9)], [row(4, 0, 34, 80, score=0.3)])
    assert found.boxes.tolist() == [pytest.approx([1, 0, 31, 80])]
    assert found.scores.tolist() == [pytest.approx(0.6)]


def test_weights_count(fused):
    found = fused([row(0, 0, 30, 80)], [row(4, 0, 34, 80)], weights=(3.0, 1.0))
    assert found.boxes[0] == pytest.approx([1, 0, 31, 80])


def test_what_one_of_two_misses_is_worth_half(fused):
    assert fused([row(0, 0, 30, 80)], []).scores.tolist() == [pytest.approx(0.4)]


def test_people_side_by_side_stay_two(fused):
    crowd = [row(0, 0, 30, 80), row(8, 0, 38, 80, score=0.7)]
    found = fused(crowd, crowd)
    assert found.scores.tolist() == [pytest.approx(0.8), pytest.approx(0.7)]


def test_a_detector_that_does_not_know_a_class_says_nothing_of_it(fused):
    found = fused([row(0, 0, 30, 80)], [], classes=(("dog",), ("person",)))
    assert found.scores.tolist() == [pytest.approx(0.8)]


def test_one_of_weight_0_names_and_finds_nothing(fused):
    classes = (("vehicle", "car"), ("vehicle", "car"))
    naming = [row(0, 0, 30, 80, class_id=1), row(100, 0, 130, 80, class_id=1)]
    found = fused([row(0, 0, 30, 80)], naming, weights=(1.0, 0.0), classes=classes)
    assert len(found.scores) == 1
    assert found.votes[0].tolist() == [pytest.approx(0.8), pytest.approx(0.8)]


def test_a_box_over_the_whole_frame_is_not_believed(fused):
    assert len(fused([row(0, 0, 400, 200)], []).scores) == 0


def test_groups_of_names():
    names = Names.of([("vehicle", "person", "bicycle"), ("person", "motorcycle")], [("car", "dog")])
    assert names.classes == ("vehicle", "person", "bicycle", "motorcycle", "car")
    assert names.exclusive == (("vehicle", "car"), ("bicycle", "motorcycle"))


def test_a_clear_vote_names_and_a_close_one_does_not():
    names = Names.of([("person", "car", "bus")])
    assert names.name(1, np.array([0.0, 0.2, 0.8])) == (2, True)
    assert names.name(1, np.array([0.0, 0.5, 0.6])) == (2, False)
    assert names.name(0, np.zeros(3)) == (0, True)
