from fractions import Fraction
from itertools import pairwise

import pytest

from streamdet.media.live.timeline import TIME_BASE, LiveTimeline

STEP_S = Fraction(1, 25)
FRAME = 40_000


def place(timeline, frames):
    """Place frames given as (sender's pts in s, arrival in s)."""
    return [timeline.place(None if pts is None else Fraction(pts), arrived, STEP_S) for pts, arrived in frames]


def test_steps_are_those_of_the_sender_however_they_arrive():
    arrivals = [100.0, 100.001, 100.002, 100.3, 100.31]
    placed = place(LiveTimeline(), [(STEP_S * n, arrived) for n, arrived in enumerate(arrivals)])
    assert placed == [FRAME * n for n in range(5)]


def test_time_starts_at_the_first_frame_whatever_its_pts():
    assert place(LiveTimeline(), [(5000, 100.0), (5000 + STEP_S, 100.04)]) == [0, FRAME]


def test_first_frame_without_pts_is_followed_by_one_step():
    assert place(LiveTimeline(), [(None, 100.0), (STEP_S, 100.001), (2 * STEP_S, 100.002)]) == [0, FRAME, 2 * FRAME]


def test_source_without_pts_is_placed_by_arrival():
    assert place(LiveTimeline(), [(None, 100.0), (None, 100.5), (None, 100.75)]) == [0, 500_000, 750_000]


def test_frames_without_pts_that_arrive_at_once_keep_their_distance():
    assert place(LiveTimeline(), [(None, 100.0)] * 3) == [0, FRAME, 2 * FRAME]


def test_time_goes_on_over_a_new_connection():
    timeline = LiveTimeline()
    before = place(timeline, [(7, 100.0), (8, 101.0)])
    timeline.reconnected()
    after = place(timeline, [(0, 103.5), (STEP_S, 103.54)])
    assert before + after == [0, 1_000_000, 3_500_000, 3_540_000]


@pytest.mark.parametrize("jump", [3600, -3600, -5])
def test_clock_of_the_sender_that_is_set_is_replaced_by_ours(jump):
    frames = [(10 + n, 100.0 + n) for n in range(3)] + [(13 + jump + n, 103.0 + n) for n in range(3)]
    assert place(LiveTimeline(), frames) == [n * 1_000_000 for n in range(6)]


def test_frames_that_were_held_up_keep_the_sender_s_time():
    frames = [(0, 100.0), (STEP_S, 104.0), (2 * STEP_S, 104.0), (Fraction(4), 104.01)]
    assert place(LiveTimeline(), frames) == [0, FRAME, 2 * FRAME, 4_000_000]


def test_pts_that_does_not_grow_comes_one_unit_later():
    placed = place(LiveTimeline(), [(1, 100.0), (1, 100.04), (Fraction("0.99"), 100.08), (Fraction("1.12"), 100.12)])
    assert placed == [0, 1, 2, 120_000]


def test_pts_always_grows():
    jumps = [0, 1, 0.5, 0.5, -7, 4000, 3999, None, None, 2, 2.04]
    frames = [(None if pts is None else Fraction(pts), 100 + n / 25) for n, pts in enumerate(jumps)]
    assert all(a < b for a, b in pairwise(place(LiveTimeline(), frames)))


def test_capture_of_a_frame_that_was_held_up_is_before_its_arrival():
    timeline = LiveTimeline()
    captured = [timeline.captured_s(Fraction(pts), arrived) for pts, arrived in [(0, 50.25), (1, 51.25), (2, 54.0)]]
    assert captured == [50.25, 51.25, 52.25]


def test_capture_without_pts_is_arrival():
    assert LiveTimeline().captured_s(None, 42.0) == 42.0


def test_capture_follows_a_sender_whose_clock_runs_slow():
    """4 %, as of cameras that stamp 25 frames a second and send 24: after a minute it would look 2.4 s late."""
    timeline, worst = LiveTimeline(), 0.0
    for number in range(5000):
        arrived_s = 100 + number / 24
        worst = max(worst, arrived_s - timeline.captured_s(Fraction(number, 25), arrived_s))
    assert worst < 0.25


def test_delay_that_is_forgotten_starts_anew():
    timeline = LiveTimeline()
    timeline.captured_s(Fraction(0), 100.0)
    timeline.forget_delay()
    assert timeline.captured_s(Fraction(1), 103.0) == 103.0


def test_nothing_is_ahead_before_there_is_something_to_compare_with():
    assert LiveTimeline().ahead_s(Fraction(5), 100.0) == 0


def test_frames_of_a_segment_are_ahead_by_their_place_in_it():
    timeline = LiveTimeline()
    timeline.place(Fraction(10), 100.0, STEP_S)
    assert timeline.ahead_s(Fraction(12), 100.5) == pytest.approx(1.5)


def test_unit_is_a_microsecond():
    assert Fraction(1, 1_000_000) == TIME_BASE
