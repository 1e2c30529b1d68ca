import threading
import time
from fractions import Fraction

import pytest

from streamdet.media.live.handover import Arrival, Handover, Link

LINK = Link(0, Fraction(25), Fraction(1))


def arrival(index, age_s=0.0):
    return Arrival(None, LINK, index, index * 40_000, 40_000, time.monotonic() - age_s, None)


def take(handover, wait_s=0.0):
    """(index, dropped before it), or None."""
    taken = handover.take(time.monotonic() + wait_s)
    return None if taken is None else (taken[0].index, taken[1])


def test_newest_wins():
    handover = Handover(newest_wins=True, max_age_s=None)
    for index in range(5):
        handover.put(arrival(index))
    assert take(handover) == (4, 4)
    assert take(handover) is None
    assert handover.dropped == {"late": 4}


def test_drops_count_from_frame_to_frame():
    handover = Handover(newest_wins=True, max_age_s=None)
    for index in (0, 1):
        handover.put(arrival(index))
    assert take(handover) == (1, 1)
    handover.drop("keyframe")
    for index in (3, 4):
        handover.put(arrival(index))
    assert take(handover) == (4, 2)
    assert handover.dropped == {"late": 2, "keyframe": 1}


def test_too_old_a_frame_does_not_replace_a_fresh_one():
    handover = Handover(newest_wins=True, max_age_s=60)
    handover.put(arrival(0))
    fresh_s = handover.last_fresh_s
    handover.put(arrival(1, age_s=61))
    assert handover.last_fresh_s == fresh_s
    assert take(handover) == (0, 1)
    assert handover.dropped == {"stale": 1}


def test_it_knows_since_when_all_is_too_old():
    handover = Handover(newest_wins=True, max_age_s=60)
    assert handover.refuses_since_s is None
    before_s = time.monotonic()
    handover.put(arrival(0, age_s=61))
    since_s = handover.refuses_since_s
    assert before_s <= since_s <= time.monotonic()
    handover.put(arrival(1, age_s=61))
    assert handover.refuses_since_s == since_s
    handover.put(arrival(2))
    assert handover.refuses_since_s is None


def test_frame_that_grew_old_while_it_waited_is_not_taken():
    handover = Handover(newest_wins=True, max_age_s=0.05)
    handover.put(arrival(0))
    time.sleep(0.1)
    assert take(handover) is None
    assert handover.dropped == {"stale": 1}


def test_every_frame_holds_the_writer_back():
    handover = Handover(newest_wins=False, max_age_s=None)

    def write():
        for index in range(50):
            handover.put(arrival(index))
        handover.end()

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(0.2)
    assert writer.is_alive()
    assert [take(handover, 60) for _ in range(50)] == [(index, 0) for index in range(50)]
    writer.join()
    assert take(handover, 60) is None
    assert handover.over
    assert handover.dropped == {}


@pytest.mark.parametrize("newest_wins", [True, False])
def test_closing_frees_who_waits(newest_wins):
    handover = Handover(newest_wins=newest_wins, max_age_s=None)
    taker = threading.Thread(target=lambda: [None for _ in iter(lambda: take(handover, 3600), None)])
    taker.start()
    handover.put(arrival(0))
    handover.close()
    taker.join(60)
    assert not taker.is_alive()
    handover.put(arrival(1))
    assert take(handover) is None


def test_closing_frees_a_writer_that_is_held_back():
    handover = Handover(newest_wins=False, max_age_s=None)
    writer = threading.Thread(target=lambda: [handover.put(arrival(index)) for index in range(50)])
    writer.start()
    time.sleep(0.1)
    handover.close()
    writer.join(60)
    assert not writer.is_alive()


def test_failure_comes_behind_what_came_before_it():
    handover = Handover(newest_wins=False, max_age_s=None)
    handover.put(arrival(0))
    handover.end(MemoryError("no more"))
    assert take(handover) == (0, 0)
    with pytest.raises(MemoryError, match="no more"):
        take(handover)
