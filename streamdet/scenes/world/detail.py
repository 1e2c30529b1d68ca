"""One thing at several levels of detail, each made when it is first needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

# Apparent height in pixels from which a thing needs detail 1, and detail 2.
_NEEDS = (36.0, 100.0)


class Shapes(Generic[T]):
    """Detail 0 far to 2 near."""

    def __init__(self, make: Callable[[int], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}

    @property
    def far(self) -> T:
        """The plainest."""
        return self[0]

    def __getitem__(self, detail: int) -> T:
        if detail not in self._made:
            self._made[detail] = self._make(detail)
        return self._made[detail]


def detail_for(height_px: float) -> int:
    """The level that an apparent height needs."""
    return sum(height_px > need for need in _NEEDS)
