import pytest

from streamdet.media.live.backlog import Backlog

KEYFRAME_EVERY = 25


def read(seconds, *, decoding_s=0.0, stretch=1.0, jump_s=0.0, jump_at=10**9):
    """Read a camera of 25 frames a second: (how late each decoded packet is, how many are skipped).

    Args:
        decoding_s: what decoding a packet takes.
        stretch: what passes for a second of the sender's clock.
        jump_s, jump_at: by how much that clock is set, and at which packet.
    """
    backlog, now_s, late_s, skipped = Backlog(), 0.0, [], 0
    for number in range(int(seconds * 25)):
        sent_s = number / 25 * stretch
        pts_s = number / 25 + (jump_s if number >= jump_at else 0)
        asked_s, now_s = now_s, max(now_s + 0.0005, sent_s)
        if backlog.skips(pts_s, now_s, now_s - asked_s, keyframe=number % KEYFRAME_EVERY == 0):
            skipped += 1
        else:
            late_s.append(now_s - sent_s)
            now_s += decoding_s
    return late_s, skipped


@pytest.mark.parametrize("decoding_s", [0.0, 0.02, 0.039])
def test_decoding_that_keeps_up_skips_nothing(decoding_s):
    assert read(60, decoding_s=decoding_s)[1] == 0


@pytest.mark.parametrize("decoding_s", [0.05, 0.1, 0.3])
def test_decoding_that_is_too_slow_stays_bounded_in_time(decoding_s):
    late_s, skipped = read(300, decoding_s=decoding_s)
    assert skipped > 0
    assert max(late_s) < 4
    assert late_s[-1] < 4


def test_hold_up_that_passes_skips_nothing():
    backlog = Backlog()
    arrivals = [(n / 25, n / 25 if n < 50 else max(5.0, n / 25) + n / 1000) for n in range(250)]
    assert not any(backlog.skips(pts_s, now_s, 0.0, keyframe=n % 25 == 0) for n, (pts_s, now_s) in enumerate(arrivals))


@pytest.mark.parametrize("stretch", [5.0, 1.19, 1.04, 0.91])
@pytest.mark.parametrize("decoding_s", [0.0, 0.02])
def test_clock_that_runs_slow_or_fast_skips_nothing(stretch, decoding_s):
    """1.04: as of cameras that stamp 25 frames a second and send 24."""
    assert read(600, stretch=stretch, decoding_s=decoding_s)[1] == 0


@pytest.mark.parametrize("jump_s", [-3600, -5, 5, 3600])
def test_clock_that_is_set_skips_nothing(jump_s):
    assert read(60, jump_s=jump_s, jump_at=130)[1] == 0
