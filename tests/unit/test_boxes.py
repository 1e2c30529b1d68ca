"""Overlaps of boxes."""

import numpy as np
import pytest

from streamdet.boxes import box_iou, covered_share, paired_iou


def test_iou_of_halves_neighbours_and_nothing():
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [10, 0, 20, 10], [5, 5, 5, 5]])
    assert box_iou(boxes[:1], boxes) == pytest.approx(np.array([[1, 0.5, 0, 0]]))
    assert paired_iou(boxes[:2], boxes[1:3]) == pytest.approx(np.array([0.5, 0]))


def test_covered_share_counts_overlapping_regions_once():
    boxes = np.array([[0, 0, 10, 10], [20, 20, 30, 30], [3, 3, 3, 3]])
    regions = np.array([[0, 0, 5, 10], [0, 0, 10, 5], [-5, -5, 2, 2]])
    assert covered_share(boxes, regions) == pytest.approx(np.array([0.75, 0, 0]))


def test_covered_share_agrees_with_counting_pixels():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 40, (25, 2))
    boxes = np.concatenate([low, low + rng.integers(1, 30, (25, 2))], axis=1)
    regions, boxes = boxes[:5], boxes[5:]
    marked = np.zeros((80, 80), bool)
    for x1, y1, x2, y2 in regions:
        marked[y1:y2, x1:x2] = True
    counted = [marked[y1:y2, x1:x2].mean() for x1, y1, x2, y2 in boxes]
    assert covered_share(boxes, regions) == pytest.approx(np.array(counted))


def test_without_regions_nothing_is_covered():
    assert covered_share(np.ones((3, 4)), np.zeros((0, 4))).tolist() == [0, 0, 0]
