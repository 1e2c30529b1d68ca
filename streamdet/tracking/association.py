"""Which box continues which track: the best assignment."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def assign(similarity: Floats, at_least: float) -> tuple[Ints, Ints]:
    """Pairs of row and column with the greatest sum of similarity, as many as reach at_least.

    Source: Bewley et al. 2016 (SORT), section 3.3: assignment by the Hungarian method, then a least overlap.
    """
    # A pair below the threshold is worth nothing, so it never takes the place of one above it.
    rows, columns = linear_sum_assignment(np.where(similarity >= at_least, similarity, 0.0), maximize=True)
    good = similarity[rows, columns] >= at_least
    return rows[good], columns[good]
