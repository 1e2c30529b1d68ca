"""Which box continues which track: the best assignment."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def assign(similarity: Floats, at_least: float) -> tuple[Ints, Ints]:
    """Pairs of row and column with the greatest sum of similarity, as many as reach at_least.

    Source: Bewley et al. 2016 (SORT), section 3.3: assignment by the Hungarian method, then a least overlap.
    """
    reached = similarity >= at_least
    if not reached.any():
        return np.zeros(0, np.int64), np.zeros(0, np.int64)

    from scipy.optimize import linear_sum_assignment  # a quarter of a second, which the first frame does not need

    # A pair below the threshold has weight 0, so it never takes the place of one above it.
    rows, columns = linear_sum_assignment(np.where(reached, similarity, 0.0), maximize=True)
    good = reached[rows, columns]
    return rows[good], columns[good]
