from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamdet.media.timeline import Part, Timeline, exact

MPEG = Fraction(1, 90_000)


def placed(times, time_base=MPEG, rate=Fraction(25), trust_pts=True):
    """Feed (pts, dts) pairs and give the pts of the frames."""
    timeline = Timeline(time_base, rate, trust_pts=trust_pts)
    result = []
    for pts, dts in times:
        timeline.packet(dts)
        result.append(timeline.place(pts))
    return result


def test_pts_that_grow_are_kept():
    times = [7, 100, 101, 9000, 900_000]
    assert placed([(pts, None) for pts in times]) == times


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), min_size=1))
def test_pts_always_grow(times):
    result = placed([(pts, pts) for pts in times])
    assert all(one < other for one, other in pairwise(result))


def test_missing_pts_come_from_dts_then_from_the_rate():
    assert placed([(None, 10), (None, 20), (None, 40)]) == [10, 20, 40]
    assert placed([(None, None)] * 3) == [0, 3600, 7200]
    assert placed([(None, None)] * 3, rate=None) == [0, 3600, 7200]
    assert placed([(100, None), (None, None), (8000, None)]) == [100, 3700, 8000]


def test_untrusted_pts_give_way_to_dts():
    assert placed([(1, 0), (4, 1), (3, 2)], Fraction(1, 25), trust_pts=False) == [0, 1, 2]


def test_dts_of_an_undecodable_packet_is_not_used():
    timeline = Timeline(Fraction(1, 25), Fraction(25), trust_pts=False)
    for dts in range(3):
        timeline.packet(dts)
    first = timeline.place(None)
    timeline.undecodable()
    assert (first, timeline.place(None)) == (0, 2)


def test_jitter_heals():
    assert placed([(0, None), (3600, None), (3500, None), (7200, None)]) == [0, 3600, 3601, 7200]


def test_frame_released_late_moves_no_other():
    times = [(0, 0), (900_000, 3600), (7200, 7200), (903_600, 10800)]
    assert placed(times) == [0, 900_000, 900_001, 903_600]


def test_time_goes_on_where_dts_start_anew():
    first = [(pts, pts) for pts in range(0, 360_000, 3600)]
    again = [(pts, pts) for pts in range(0, 36_000, 3600)]
    assert placed(first + again) == list(range(0, 396_000, 3600))


def test_seconds_mean_what_was_written():
    assert exact(0.04) == Fraction(1, 25)
    assert Part(start_s=0.04, end_s=1.1).pts_range(Fraction(2), Fraction(1, 12_800)) == (26_112, 39_680)
    assert Part().pts_range(Fraction(2), MPEG) == (None, None)


@pytest.mark.parametrize(
    ("part", "left", "expected"),
    [
        (Part(), 100, 100),
        (Part(), None, None),
        (Part(end_s=2), 100, 25),
        (Part(end_s=2), None, 25),
        (Part(end_s=99), 100, 100),
        (Part(stride=3), 100, 34),
        (Part(stride=3, max_frames=10), 100, 10),
        (Part(max_frames=10), None, 10),
    ],
)
def test_counts_the_frames_of_a_part_that_begins_after_a_second(part, left, expected):
    assert part.count(left, Fraction(1), Fraction(25)) == expected


def test_length_of_a_part():
    second, ten = Fraction(1), Fraction(10)
    assert Part(start_s=1, end_s=3).duration_s(second, ten) == 2
    assert Part(end_s=3).duration_s(second, None) == 2
    assert Part().duration_s(second, ten) == 9
    assert Part().duration_s(second, None) is None


@pytest.mark.parametrize(
    "wrong", [{"start_s": -1}, {"end_s": 0}, {"start_s": 2, "end_s": 2}, {"max_frames": 0}, {"stride": 0}]
)
def test_part_that_is_none_fails(wrong):
    with pytest.raises(ValueError, match=next(reversed(wrong))):
        Part(**wrong)
