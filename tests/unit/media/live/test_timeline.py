from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from streamdet.media.live.timeline import TIME_BASE, LiveTimeline

STEP_S = Fraction(1, 25)
FRAME = 40_000


def place(timeline, frames):
    """Place frames given as (sender's pts in s, arrival in s)."""
    return [timeline.place(None if pts is None else Fraction(pts), arrived, STEP_S).pts for pts, arrived in frames]


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


def test_pts_that_does_not_grow_gives_way_to_arrival():
    placed = place(LiveTimeline(), [(1, 100.0), (1, 100.04), (Fraction("0.99"), 100.08), (Fraction("1.12"), 100.12)])
    assert placed == [0, 40_000, 80_000, 120_000]


@pytest.mark.parametrize("wild", [3600, 3, -3, -3600, 10**6])
def test_single_wild_pts_moves_no_other_frame(wild):
    frames = [(n * STEP_S + (wild if n == 50 else 0), 100 + n / 25) for n in range(100)]
    assert place(LiveTimeline(), frames) == pytest.approx([n * FRAME for n in range(100)], abs=FRAME / 2)


def test_pts_always_grows():
    jumps = [0, 1, 0.5, 0.5, -7, 4000, 3999, None, None, 2, 2.04]
    frames = [(None if pts is None else Fraction(pts), 100 + n / 25) for n, pts in enumerate(jumps)]
    assert all(a < b for a, b in pairwise(place(LiveTimeline(), frames)))


def captured(timeline, frames, waited_s=0.03):
    """When frames given as (sender's pts in s, arrival in s) were captured."""
    return [timeline.place(Fraction(pts), arrived, STEP_S, waited_s).captured_s for pts, arrived in frames]


def test_capture_of_a_frame_that_was_held_up_is_before_its_arrival():
    assert captured(LiveTimeline(), [(0, 50.25), (1, 51.25), (2, 54.0)]) == pytest.approx([50.25, 51.25, 52.25])


def test_capture_without_pts_is_arrival():
    assert LiveTimeline().place(None, 42.0, STEP_S).captured_s == 42.0


@pytest.mark.parametrize("fps", [5, 15, 30])
@pytest.mark.parametrize("speed", [0, 0.2, 0.5, 0.84, 0.96, 1, 1.04, 1.1])
def test_no_frame_seems_late_whatever_the_speed_of_the_sender_s_clock(fps, speed):
    """0.84: a camera that stamps 25 frames a second and sends 21; 0: one whose clock stands still."""
    rng = np.random.default_rng(3)
    arrivals = [100 + n / fps + rng.uniform(0, 0.01) for n in range(60 * fps)]
    frames = [(Fraction(n * speed / fps), arrived) for n, arrived in enumerate(arrivals)]
    timeline = LiveTimeline()
    late_s = np.subtract(arrivals, captured(timeline, frames, waited_s=0.8 / fps))
    assert late_s.max() < 0.4
    assert np.median(late_s) < 0.1


@pytest.mark.parametrize("speed", [0, 0.2, 0.84])
def test_times_of_a_clock_that_is_far_too_slow_are_those_of_arrival(speed):
    frames = [(Fraction(n * speed / 25), 100 + n / 25) for n in range(1000)]
    timeline = LiveTimeline()
    placed = [timeline.place(pts, arrived, STEP_S, 0.03).pts for pts, arrived in frames]
    assert placed[50:] == pytest.approx([n * FRAME for n in range(50, 1000)], abs=FRAME)


@pytest.mark.parametrize("wild", [3600, 3, -3, -3600])
def test_no_frame_seems_late_after_a_single_wild_pts(wild):
    frames = [(Fraction(n, 25) + (wild if n == 50 else 0), 100 + n / 25) for n in range(200)]
    late_s = np.subtract([arrived for _, arrived in frames], captured(LiveTimeline(), frames))
    assert late_s.max() < 0.1


def test_frames_that_pile_up_because_we_are_slow_are_late():
    """25 a second are sent, and decoding keeps up with 20: that is no slow clock."""
    frames = [(Fraction(n, 25), 100 + n / 20) for n in range(200)]
    late_s = np.subtract([arrived for _, arrived in frames], captured(LiveTimeline(), frames, waited_s=0.0))
    assert late_s[-1] > 0.5


def test_delay_that_is_forgotten_starts_anew():
    timeline = LiveTimeline()
    captured(timeline, [(0, 100.0)])
    timeline.forget_delay()
    assert captured(timeline, [(1, 103.0)]) == [103.0]


def test_nothing_is_ahead_before_there_is_something_to_compare_with():
    assert LiveTimeline().ahead_s(Fraction(5), 100.0) == 0


def test_frames_of_a_segment_are_ahead_by_their_place_in_it():
    timeline = LiveTimeline()
    timeline.place(Fraction(10), 100.0, STEP_S)
    assert timeline.ahead_s(Fraction(12), 100.5) == pytest.approx(1.5)


def test_unit_is_a_microsecond():
    assert Fraction(1, 1_000_000) == TIME_BASE
