"""Figures of several steps as one."""

from collections.abc import Mapping


class Means:
    """The mean of each figure over the steps that had it."""

    def __init__(self, saved: Mapping[str, tuple[float, int]] | None = None) -> None:
        """Empty, or with what `sums` gave."""
        self._sums = {name: total for name, (total, _) in (saved or {}).items()}
        self._counts = {name: count for name, (_, count) in (saved or {}).items()}

    def add(self, figures: Mapping[str, float]) -> None:
        """Figures of one more step."""
        for name, value in figures.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
            self._counts[name] = self._counts.get(name, 0) + 1

    def take(self) -> dict[str, float]:
        """The means since the last call."""
        means = {name: value / self._counts[name] for name, value in self._sums.items()}
        self._sums, self._counts = {}, {}
        return means

    def sums(self) -> dict[str, tuple[float, int]]:
        """Of each figure its sum and the steps that had it, since the last `take`."""
        return {name: (total, self._counts[name]) for name, total in self._sums.items()}
