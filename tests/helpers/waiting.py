"""Waiting for what takes a moment, and on a busy machine longer."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], timeout_s: float = 120.0) -> None:
    """Wait until condition() is true; it is asked again and again."""
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline_s, "did not happen"
        time.sleep(0.02)
