from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdet.media.timeline import Clock, Part, Timeline, exact

MPEG = Fraction(1, 90_000)


def placed(times, time_base=MPEG, rate=Fraction(25)):
    """Feed stated times and give the pts of the frames, which must be those that went in, in order."""
    items = [(number, time, 0) for number, time in enumerate(times)]
    result = list(Timeline(time_base, rate).placed(items))
    assert [item for item, _ in result] == list(range(len(times)))
    return [pts for _, pts in result]


def stated(frames, trust_pts=True, packets=()):
    """Feed (pts, dts) of frames; before the first one, the dts of packets."""
    clock = Clock(trust_pts=trust_pts)
    for pts, dts in packets:
        clock.packet(pts, dts)
    return [clock.stated(pts, dts) for pts, dts in frames]


def test_times_that_grow_are_kept():
    times = [7, 100, 101, 9000, 900_000, 99_000_000]
    assert placed(times) == times


@given(st.lists(st.one_of(st.none(), st.integers(-(2**40), 2**40)), min_size=1))
def test_pts_always_grow(times):
    assert all(one < other for one, other in pairwise(placed(times)))


def test_missing_times_come_from_the_rate():
    assert placed([None] * 3) == [0, 3600, 7200]
    assert placed([None] * 3, rate=None) == [0, 3600, 7200]
    assert placed([100, None, 8000]) == [100, 3700, 8000]


def test_one_time_that_stands_still_or_goes_back_comes_between_its_neighbours():
    assert placed([0, 3600, 3600, 10_800]) == [0, 3600, 7200, 10_800]
    assert placed([0, 3600, 3500, 7200]) == [0, 3600, 5400, 7200]
    assert placed([0, 3600, -(10**12), 10_800]) == [0, 3600, 7200, 10_800]


def test_times_that_stand_still_throughout_follow_the_rate():
    assert placed([500] * 4) == [500, 4100, 7700, 11_300]


def test_clock_that_stood_still_and_goes_on_keeps_the_length():
    times = [0] * 100 + [3600 * n for n in range(1, 101)]
    result = placed(times)
    assert result == [3600 * n for n in range(200)]


@pytest.mark.parametrize("wild", [2**33, 1_000_000, -1_000_000])
@pytest.mark.parametrize("place", [1, 50, 98])
def test_one_wild_time_is_none(place, wild):
    times = [3600 * n for n in range(100)]
    times[place] = wild
    assert placed(times) == pytest.approx([3600 * n for n in range(100)], abs=3600)
    assert placed(times)[place + 2 :] == [3600 * n for n in range(100)][place + 2 :]


def test_first_time_that_is_wild_is_none():
    assert placed([2**33, 3600, 7200, 10_800]) == [0, 3600, 7200, 10_800]


@pytest.mark.parametrize("back", [90_000, 45_000, 10**9])
def test_time_goes_on_where_it_starts_anew(back):
    times = [back + n for n in range(0, 360_000, 3600)]
    again = [times[-1] - back + n for n in range(0, 36_000, 3600)]
    assert placed(times + again) == [back + n for n in range(0, 396_000, 3600)]


def test_pts_that_are_those_of_decoding_are_put_in_order():
    """B-frames of an mp4 without ctts."""
    frames = [(0, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, None), (4, None)]
    assert stated(frames, packets=[(n, n) for n in range(3)]) == [0, 1, 2, 3, 4, 5, 6]


def test_pts_that_go_back_again_and_again_give_way_to_dts():
    frames = [(0, 1), (2, 2), (3, 3), (1, 4), (5, 5), (6, 6), (4, 7), (8, 8)]
    assert stated(frames, packets=[(0, -1)]) == [0, 2, 3, 1, 5, 6, 7, 8]


def test_good_pts_are_kept_however_dts_are():
    assert stated([(0, 2), (1, 2), (2, 1), (3, None)], packets=[(0, -1)]) == [0, 1, 2, 3]


def test_without_pts_a_picture_takes_the_dts_of_the_packet_that_gives_one():
    assert stated([(0, 0), (5, 5), (9, 9), (40, None)], False, [(None, 0)]) == [0, 5, 9, 40]


def test_without_pts_pictures_that_come_out_late_are_no_later():
    frames = [(1, 2), (3, 3), (2, 4), (11, None), (14, None)]
    assert stated(frames, False, [(None, n) for n in range(3)]) == [0, 1, 2, 3, 4]


def test_without_pts_packets_before_the_first_keyframe_give_no_picture():
    clock = Clock(trust_pts=False)
    for dts in range(8):
        clock.packet(None, dts, keyframe=dts == 5)
    assert [clock.stated(None, 7), clock.stated(None, 8), clock.stated(None, None)] == [5, 6, 7]


def test_dts_of_an_undecodable_packet_is_not_used():
    clock = Clock(trust_pts=False)
    for dts in (0, 1):
        clock.packet(None, dts)
    clock.undecodable()
    clock.packet(None, 2)
    assert [clock.stated(None, 2), clock.stated(None, 3)] == [0, 2]


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
