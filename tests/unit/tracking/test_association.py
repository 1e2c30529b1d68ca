"""Overlap and assignment."""

import numpy as np
import pytest

from streamdet.tracking.association import assign, buffered_iou

NO_MARGIN = np.zeros((1, 2))


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


def test_assign_takes_the_greatest_sum():
    rows, columns = assign(np.array([[0.9, 0.8], [0.85, 0.1]]), 0.2)
    assert list(zip(rows, columns, strict=True)) == [(0, 1), (1, 0)]


def test_a_pair_below_the_threshold_costs_no_good_pair():
    # Summed blindly, 0.19 + 0.75 beats 0.9; but 0.19 does not count.
    rows, columns = assign(np.array([[0.9, 0.75], [0.19, 0.0]]), 0.2)
    assert list(zip(rows, columns, strict=True)) == [(0, 0)]


def test_assign_nothing_fits():
    rows, columns = assign(np.array([[0.1, 0.0]]), 0.2)
    assert len(rows) == len(columns) == 0
