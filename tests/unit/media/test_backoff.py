"""Waits between tries."""

from streamdet.media.backoff import Backoff


def test_waits_grow_up_to_the_longest_and_start_anew():
    backoff = Backoff(1.0, 8.0)
    for longest_s in (1, 2, 4, 8, 8, 8):
        assert longest_s / 2 <= backoff.next_s() <= longest_s
    backoff.reset()
    assert backoff.next_s() <= 1


def test_two_do_not_come_back_together():
    assert len({Backoff().next_s() for _ in range(20)}) > 10
