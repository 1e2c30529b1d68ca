"""Smoothing along tracks, reckoned by hand."""

import math

import numpy as np
import pytest
from smoothing import BOX_S, SCORE_S, smooth

# Of frames 0.1 s apart: how much of what is new is taken.
BOX, SCORE = 1 - math.exp(-0.1 / BOX_S), 1 - math.exp(-0.1 / SCORE_S)


def boxes(found):
    return [row.boxes[0].tolist() for row in found]


def box_at(x, score=0.8, track=1, half=10):
    return (x - half, 90, x + half, 110, 0, score, track)


def test_a_steady_motion_does_not_lag(build):
    video = build.video([build.labels([])] * 5)
    found = [build.found([box_at(100 + 30 * index)]) for index in range(5)]
    assert boxes(smooth(video, found)) == boxes(found)


def test_a_jump_is_taken_in_part_and_changes_the_velocity(build):
    """At rest for two frames, then 8 pixels off, then 4."""
    assert (pytest.approx(0.632, abs=1e-3), pytest.approx(0.221, abs=1e-3)) == (BOX, SCORE)
    video = build.video([build.labels([])] * 4)
    found = [build.found([box_at(x)]) for x in (100, 100, 108, 104)]
    centres = [(box[0] + box[2]) / 2 for box in boxes(smooth(video, found))]
    third = 100 + 8 * BOX
    expected = third + 8 * BOX**2 / (2 - BOX)
    assert centres == pytest.approx([100, 100, third, expected + BOX * (104 - expected)])


def test_motion_is_by_time_and_not_by_frame(build):
    """300 pixels a second; the last frame comes three steps later."""
    video = build.video([build.labels([])] * 4, times_s=np.array([0, 0.1, 0.2, 0.5]))
    found = [build.found([box_at(x)]) for x in (100, 130, 160, 250)]
    assert boxes(smooth(video, found)) == boxes(found)


def test_size_and_score_are_taken_in_part(build):
    video = build.video([build.labels([])] * 3)
    found = [build.found([box_at(100, 0.8)]), build.found([box_at(100, 0.3)]), build.found([box_at(100, 0.8, half=20)])]
    result = smooth(video, found)
    second = 0.8 - 0.5 * SCORE
    assert [float(row.scores[0]) for row in result] == pytest.approx([0.8, second, second + SCORE * (0.8 - second)])
    half = 10 + 10 * BOX
    assert boxes(result)[2] == pytest.approx([100 - half, 90, 100 + half, 110])


def test_at_few_frames_a_second_boxes_are_hardly_touched(build):
    video = build.video([build.labels([])] * 3, times_s=np.arange(3) * 0.5)
    found = [build.found([box_at(x)]) for x in (100, 100, 130)]
    assert boxes(smooth(video, found))[2] == pytest.approx(boxes(found)[2], abs=0.3)


def test_a_low_score_in_between_no_longer_flickers(build):
    video = build.video([build.labels([])] * 3)
    result = smooth(video, [build.found([box_at(100, score)]) for score in (0.4, 0.15, 0.4)])
    assert [bool(row.scores[0] >= 0.25) for row in result] == [True, True, True]


def test_what_has_no_identity_stays_and_the_best_comes_first(build):
    video = build.video([build.labels([])] * 2)
    loose = (300, 300, 350, 350, 1, 0.6, -1)
    result = smooth(video, [build.found([box_at(100, 0.9), loose]), build.found([loose, box_at(100, 0.5)])])
    assert result[1].scores.tolist() == pytest.approx([0.9 - 0.4 * SCORE, 0.6])
    assert result[1].boxes[1].tolist() == [300, 300, 350, 350]
    assert result[1].class_ids.tolist() == [0, 1]


def test_tracks_do_not_mix_and_nothing_is_added_where_nothing_was_found(build):
    video = build.video([build.labels([])] * 3)
    pair = [box_at(100, track=1), box_at(300, track=2)]
    result = smooth(video, [build.found(pair), build.found([]), build.found(pair[::-1])])
    assert len(result[1]) == 0
    assert sorted(result[2].boxes[:, 0].tolist()) == [90, 290]


def test_a_break_in_time_begins_anew(build):
    video = build.video([build.labels([])] * 2, segments=((0, 1), (1, 2)))
    result = smooth(video, [build.found([box_at(100, 0.9)]), build.found([box_at(200, 0.3)])])
    assert boxes(result)[1][0] == 190
    assert float(result[1].scores[0]) == pytest.approx(0.3)
