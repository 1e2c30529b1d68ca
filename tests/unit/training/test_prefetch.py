import itertools
import threading
import time

import pytest

from streamdet.training.prefetch import Prefetch


def test_gives_as_many_as_asked_in_order():
    with Prefetch(itertools.count(), 7) as batches:
        assert list(batches) == list(range(7))


def test_failure_reaches_who_takes():
    def broken():
        yield 1
        raise ValueError("no such frame")

    with Prefetch(broken(), 5) as batches:
        assert next(batches) == 1
        with pytest.raises(ValueError, match="no such frame"):
            next(batches)


def test_leaving_early_ends_the_thread():
    made = []

    def slow():
        for number in itertools.count():
            made.append(number)
            yield number

    with Prefetch(slow(), 1000) as batches:
        next(batches)
        deadline_s = time.monotonic() + 20
        while len(made) < 3 and time.monotonic() < deadline_s:  # one taken, two waiting: no more are made
            time.sleep(0.01)
    assert 3 <= len(made) <= 6
    assert not any(thread.name == "streamdet:clips" for thread in threading.enumerate())
