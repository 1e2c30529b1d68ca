"""Which boxes are kept, against small cases and torchvision's operators."""

import numpy as np
import pytest
import torch
from torchvision.ops import batched_nms, nms

from streamdet.models.options import DetectOptions
from streamdet.models.selection import ONE_OBJECT_IOU, lowest_scores, select_boxes

CLASSES = ("person", "dog", "car", "truck")


def _select(boxes, scores, classes=CLASSES, wanted=None, **options):
    boxes, scores = np.asarray(boxes, np.float32), np.asarray(scores, np.float32)
    return select_boxes(boxes, scores, DetectOptions(classes=wanted, **options), classes[: scores.shape[1]])[:3]


BOXES = [[0, 0, 10, 10], [0, 0, 10, 9], [50, 50, 60, 60], [0, 2, 10, 10]]
SCORES = [[0.9, 0.1], [0.8, 0.0], [0.3, 0.0], [0.0, 0.7]]


def test_overlapping_boxes_of_a_class_leave_the_best():
    boxes, scores, classes = _select(BOXES, SCORES, conf=0.25, iou=0.6)
    assert scores.tolist() == pytest.approx([0.9, 0.7, 0.3])
    assert classes.tolist() == [0, 1, 0]
    assert boxes[2].tolist() == [50, 50, 60, 60]


def test_most_boxes_kept_are_the_best():
    _, scores, _ = _select(BOXES, SCORES, conf=0.05, iou=0.99, max_detections=2)
    assert scores.tolist() == pytest.approx([0.9, 0.8])


def test_what_two_classes_see_in_one_place_is_one_object():
    boxes = [[0, 0, 10, 20], [0, 0, 10, 19], [0, 0, 10, 12]]
    _, kept, classes = _select(boxes, [[0.5, 0.0], [0.0, 0.8], [0.6, 0.0]], conf=0.25, iou=0.7)
    assert classes.tolist() == [1, 0]
    assert kept.tolist() == pytest.approx([0.8, 0.6])


def test_a_vehicle_is_boxed_once_whatever_its_classes():
    """IoU 0.6: too little for one object of any classes, enough for one of a class."""
    boxes = [[0, 0, 10, 20], [0, 0, 10, 12]]
    car_and_truck, person_and_car = [[0, 0, 0.5, 0], [0, 0, 0, 0.4]], [[0.5, 0, 0, 0], [0, 0, 0.4, 0]]
    assert _select(boxes, car_and_truck)[2].tolist() == [2]
    assert _select(boxes, person_and_car)[2].tolist() == [0, 2]
    assert _select(boxes, car_and_truck, exclusive=())[2].tolist() == [2, 3]
    assert _select(boxes, person_and_car, exclusive=(("person", "car"),))[2].tolist() == [0]
    assert _select(boxes, car_and_truck, conf=0.45)[2].tolist() == [2]


def test_unwanted_classes_are_left_out():
    lowest = lowest_scores(DetectOptions(classes=("car",), conf=0.25), ("person", "car"))
    assert lowest.tolist() == [np.inf, 0.25]
    assert _select(BOXES, SCORES, classes=("person", "car"), wanted=("car",))[2].tolist() == [1]


def test_single_classes_may_have_a_lowest_score_of_their_own():
    boxes = [[0, 0, 10, 10], [50, 0, 60, 10], [0, 50, 10, 60]]
    scores = [[0.4, 0.0], [0.0, 0.4], [0.0, 0.2]]
    assert _select(boxes, scores, conf=0.3)[2].tolist() == [0, 1]
    assert _select(boxes, scores, conf=0.3, class_conf={"person": 0.5})[2].tolist() == [1]
    assert _select(boxes, scores, conf=0.3, class_conf={"dog": 0.1})[2].tolist() == [0, 1, 1]
    assert DetectOptions(conf=0.3, class_conf={"dog": 0.1, "person": 0.5}).lowest_conf == 0.1


def test_nothing_found_is_three_empty_columns():
    boxes, scores, classes = _select(BOXES, SCORES, conf=0.95)
    assert boxes.shape == (0, 4)
    assert len(scores) == len(classes) == 0


@pytest.mark.parametrize(("count", "spread"), [(1, 50), (40, 60), (200, 100), (257, 100), (2000, 300)])
def test_selection_is_what_torchvision_suppresses(count, spread):
    generator = torch.Generator().manual_seed(count)
    corners = torch.rand(count, 2, generator=generator) * spread
    boxes = torch.cat((corners, corners + 5 + 40 * torch.rand(count, 2, generator=generator)), dim=1)
    best, ids = torch.rand(count, generator=generator), torch.randint(0, 3, (count,), generator=generator)
    scores = torch.zeros(count, 3).scatter(1, ids[:, None], best[:, None])
    got_boxes, got_scores, got_ids = _select(boxes, scores, conf=1e-6, iou=0.5, max_detections=1000)
    keep = batched_nms(boxes, best, ids, 0.5)
    keep = keep[nms(boxes[keep], best[keep], ONE_OBJECT_IOU)][:1000]
    np.testing.assert_array_equal(got_boxes, boxes[keep])
    np.testing.assert_array_equal(got_scores, best[keep])
    assert got_ids.tolist() == ids[keep].tolist()


def test_classes_that_share_a_score_are_one_object_with_its_sum():
    """No vehicle is lost for being a car to a half and a truck to the other."""
    boxes = np.array([[0, 0, 10, 10], [50, 0, 60, 10]], np.float32)
    scores = np.array([[0.0, 0.3, 0.25], [0.45, 0.1, 0.2]], np.float32)
    found = select_boxes(boxes, scores, DetectOptions(conf=0.4), ("person", "car", "truck"), np.array([4, 0, 0]))
    np.testing.assert_allclose(found.scores, [0.55, 0.45])
    assert found.class_ids.tolist() == [1, 0]
    assert found.places.tolist() == [0, 1]


def test_only_the_best_class_of_a_group_can_be_wanted():
    boxes, scores = np.array([[0, 0, 10, 10]], np.float32), np.array([[0.3, 0.4]], np.float32)
    for name, count in (("car", 0), ("truck", 1)):
        found = select_boxes(boxes, scores, DetectOptions(classes=(name,)), ("car", "truck"), np.array([0, 0]))
        assert len(found.scores) == count
