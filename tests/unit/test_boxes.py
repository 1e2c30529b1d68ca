"""Geometry of boxes."""

import numpy as np
import pytest
import torch
from torchvision.ops import nms as of_torchvision

from streamdet.boxes import (
    box_iou,
    buffered_iou,
    clip_boxes,
    covered_fraction,
    nms,
    paired_iou,
    xywh_from_xyxy,
    xyxy_from_xywh,
)

NO_MARGIN = np.zeros((1, 2))


def test_iou_of_halves_neighbours_and_nothing():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [10, 0, 20, 10], [5, 5, 5, 5]])
    assert box_iou(boxes[:1], boxes) == pytest.approx(np.array([[1, 0.5, 0, 0]]))
    assert paired_iou(boxes[:2], boxes[1:3]) == pytest.approx(np.array([0.5, 0]))


def test_covered_fraction_counts_overlapping_regions_once():
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [3, 3, 3, 3]])
    regions = np.array([[0, 0, 5, 10], [0, 0, 10, 5], [-5, -5, 2, 2]])
    assert covered_fraction(boxes, regions) == pytest.approx(np.array([0.75, 0, 0]))


def test_covered_fraction_agrees_with_counting_pixels():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 40, (25, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 30, (25, 2))], axis=1)
    regions, boxes = boxes[:5], boxes[5:]
    marked = np.zeros((80, 80), bool)
    for x1, y1, x2, y2 in regions:
        marked[y1:y2, x1:x2] = True
    counted = [marked[y1:y2, x1:x2].mean() for x1, y1, x2, y2 in boxes]
    assert covered_fraction(boxes, regions) == pytest.approx(np.array(counted))


def test_without_regions_nothing_is_covered():
    assert covered_fraction(np.ones((3, 4)), np.zeros((0, 4))).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ([0, 0, 10, 10], 1.0),
        ([5, 0, 15, 10], 1 / 3),
        ([10, 0, 20, 10], 0.0),
        ([40, 40, 50, 50], 0.0),
        ([0, 0, 10, 20], 0.5),
    ],
)
def test_without_a_margin_it_is_the_iou(box, expected):
    got = buffered_iou(np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([box], float), NO_MARGIN)
    assert got[0, 0] == pytest.approx(expected)


def test_a_margin_grows_both_boxes_of_a_pair():
    track, box = np.array([[0.0, 0.0, 10.0, 10.0]]), np.array([[14.0, 0.0, 24.0, 10.0]])
    grown = buffered_iou(np.array([[-5.0, -2.0, 15.0, 12.0]]), np.array([[9.0, -2.0, 29.0, 12.0]]), NO_MARGIN)
    np.testing.assert_allclose(buffered_iou(track, box, np.array([[5.0, 2.0]])), grown)
    assert grown[0, 0] > 0


def test_each_track_has_its_own_margin():
    tracks = np.array([[0.0, 0.0, 10.0, 10.0]] * 2)
    got = buffered_iou(tracks, np.array([[12.0, 0.0, 22.0, 10.0]]), np.array([[0.0, 0.0], [4.0, 0.0]]))
    assert got[0, 0] == 0.0
    assert got[1, 0] > 0.0


def test_boxes_are_clipped_and_converted():
    boxes = np.array([[-5, 2, 30, 8]], np.float32)
    clipped = clip_boxes(boxes, 20, 6)
    assert clipped.tolist() == [[0, 2, 20, 6]]
    assert clipped.dtype == np.float32
    assert xywh_from_xyxy(clipped).tolist() == [[0, 2, 20, 4]]
    assert xyxy_from_xywh(xywh_from_xyxy(boxes)).tolist() == boxes.tolist()


def test_nms_keeps_the_best_of_what_overlaps():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 0, 10, 11]], np.float32)
    scores = np.array([0.5, 0.9, 0.6, 0.3], np.float32)
    assert nms(boxes, scores, 0.6).tolist() == [1, 2]
    assert nms(boxes, scores, 0.85).tolist() == [1, 2, 3], "the last one has only a suppressed rival"
    assert nms(boxes, scores, 0.6, np.array([0, 1, 0, 1])).tolist() == [1, 2, 0], "classes are suppressed apart"
    assert nms(np.zeros((0, 4)), np.zeros(0), 0.6).tolist() == []


@pytest.mark.parametrize("count", [40, 700])
def test_nms_agrees_with_torchvision(count):
    rng = np.random.default_rng(count)
    centres = rng.uniform(0, 200, (count // 5, 2))[rng.integers(0, count // 5, count)] + rng.normal(0, 3, (count, 2))
    boxes = np.concatenate([centres, centres + rng.uniform(10, 40, (count, 2))], axis=1).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32)
    expected = of_torchvision(torch.from_numpy(boxes), torch.from_numpy(scores), 0.4)
    assert nms(boxes, scores, 0.4).tolist() == expected.tolist()
