"""Loading heavy libraries in less time."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_at_rest() -> Iterator[None]:
    """Load what stays: nothing of it is looked through for garbage, neither now nor later nor at the end.

    torch makes some hundred thousand objects: looking through them again and again takes an eighth of the time from
    the command to the first frame, and once more as much at the end.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
