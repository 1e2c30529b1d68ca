"""Assignment."""

import numpy as np

from streamdet.tracking.association import assign


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
