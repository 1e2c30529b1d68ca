"""How long to wait before the next try to reach something that failed."""

import random


class Backoff:
    """Waits that double from failure to failure, up to a longest one; never the same for two who failed together.

    Args:
        first_s: the wait after the first failure, at most.
        longest_s: the longest wait.
    """

    def __init__(self, first_s: float = 0.5, longest_s: float = 10.0) -> None:
        self._first_s = self._next_s = first_s
        self._longest_s = longest_s

    def next_s(self) -> float:
        """The next wait: half of it is chance."""
        wait_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return wait_s * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """It works again."""
        self._next_s = self._first_s
