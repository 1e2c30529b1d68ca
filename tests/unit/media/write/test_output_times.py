"""Frames are placed where they were, and where that cannot be, as near as can be."""

from fractions import Fraction

import pytest

from streamdet.errors import SinkError
from streamdet.media.write.formats import OUTPUT_FORMATS
from streamdet.media.write.output_times import OutputTimes

MP4, MKV = OUTPUT_FORMATS[".mp4"], OUTPUT_FORMATS[".mkv"]
TICK = Fraction(1, 90_000)


def place_all(times, pts, time_base=TICK):
    return [times.place(at, time_base)[0] for at in pts]


def test_ascending_pts_are_kept():
    times = OutputTimes(MP4, 7, TICK)
    assert place_all(times, [7, 8, 500, 10**9]) == [7, 8, 500, 10**9]
    assert (times.nudged, times.shift_s) == (0, 0)


@pytest.mark.parametrize(
    ("pts", "placed"),
    [([5, 5, 5, 6], [5, 6, 7, 8]), ([5, 3, 4, 20], [5, 6, 7, 20]), ([5, -900, 6], [5, 6, 7])],
)
def test_others_are_moved_to_the_next_unit(pts, placed):
    times = OutputTimes(MP4, pts[0], TICK)
    assert place_all(times, pts) == placed
    assert times.nudged == sum(wanted != got for wanted, got in zip(pts, placed, strict=True))


def test_a_first_frame_before_zero_moves_all():
    times = OutputTimes(MP4, -45_000, TICK)
    assert times.shift_s == Fraction(1, 2)
    assert place_all(times, [-45_000, 0, 45_000]) == [0, 45_000, 90_000]
    assert times.nudged == 0


def test_matroska_is_rounded_to_milliseconds():
    times = OutputTimes(MKV, 0, TICK)
    assert place_all(times, [0, 44, 46, 3003]) == [0, 1, 2, 33]
    assert times.nudged == 2


def test_a_frame_of_unknown_duration_lasts_as_long_as_the_one_before():
    times = OutputTimes(MP4, 0, TICK)
    assert times.duration(0, TICK) == 0
    place_all(times, [0, 3003])
    assert times.duration(0, TICK) == 3003
    assert times.duration(1500, TICK) == 1500
    assert times.duration(1, Fraction(1, 25)) == 3600
    assert times.duration(2**60, TICK) < 2**31


def test_a_long_gap_is_bridged_evenly():
    times = OutputTimes(MP4, 0, TICK)
    place_all(times, [0, 3600])
    placed, repeated = times.place(24 * 3600 * 90_000, TICK)
    assert placed == 24 * 3600 * 90_000
    steps = {after - before for before, after in zip([3600, *repeated], repeated, strict=False)}
    assert len(steps) == 1
    assert 0 < placed - repeated[-1] <= steps.pop()


def test_no_span_of_reordered_frames_exceeds_32_bits():
    times = OutputTimes(MP4, 0, TICK)
    shown = []
    for number in range(200):
        placed, repeated = times.place(number * 80_000_000, TICK)
        shown += [*repeated, placed]
    spans = [after - before for before, after in zip(shown, shown[MP4.reordered_frames(TICK) - 1 :], strict=False)]
    assert max(spans) < 2**31
    assert shown == sorted(set(shown))


def test_an_absurd_gap_fails():
    times = OutputTimes(MP4, 0, TICK)
    times.place(0, TICK)
    with pytest.raises(SinkError, match=r"apart, which mp4 cannot hold; write an \.mkv"):
        times.place(2**62, TICK)


def test_matroska_holds_any_gap():
    times = OutputTimes(MKV, 0, Fraction(1, 1000))
    times.place(0, Fraction(1, 1000))
    assert times.place(2**50, Fraction(1, 1000)) == (2**50, range(0))
