"""Percentiles of endless rows of figures, in a memory that does not grow."""

import math
from collections.abc import Sequence

import numpy as np

_SMALLEST, _LARGEST, _STEP = 1e-6, 1e5, 1.01


class Percentiles:
    """Counts figures in classes 1 % apart, from 1e-6 to 1e5: percentiles are right to 1 %, the largest exactly."""

    def __init__(self) -> None:
        self._counts = np.zeros(math.ceil(math.log(_LARGEST / _SMALLEST, _STEP)) + 1, np.int64)
        self._largest = -math.inf

    def __len__(self) -> int:
        return int(self._counts.sum())

    def add(self, figure: float) -> None:
        """Count one; below the smallest class it goes into that one."""
        place = math.log(min(max(figure, _SMALLEST), _LARGEST) / _SMALLEST, _STEP)
        self._counts[round(place)] += 1
        self._largest = max(self._largest, figure)

    def at(self, percents: Sequence[float], digits: int) -> dict[str, float] | None:
        """{"p50": ..., "max": ...}, rounded; None where nothing was counted."""
        total = len(self)
        if total == 0:
            return None
        cumulated = np.cumsum(self._counts)
        found = {}
        for percent in percents:
            place = int(np.searchsorted(cumulated, max(1, math.ceil(total * percent / 100))))
            found[f"p{percent:g}"] = round(min(_SMALLEST * _STEP**place, self._largest), digits)
        return found | {"max": round(self._largest, digits)}
