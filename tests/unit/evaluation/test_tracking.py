"""HOTA and IDF1, worked out by hand."""

import numpy as np
import pytest

from streamdet.evaluation.judged import judge
from streamdet.evaluation.tracking import tracking_figures

LEFT = (0, 0, 100, 100)
RIGHT = (300, 0, 400, 100)


def figures(build, marked, predicted, **changes):
    frames = [build.labels(rows) for rows in marked]
    found = [build.found(rows) for rows in predicted]
    return tracking_figures(judge([(build.video(frames), found)], build.classes), **changes)


def seen(box, track, class_id=0):
    return (*box, class_id, track)


def tracked(box, track, class_id=0, score=0.9):
    return (*box, class_id, score, track)


def test_perfect_tracks(build):
    marked = [[seen(LEFT, 1), seen(RIGHT, 2)]] * 3
    result = figures(build, marked, [[tracked(LEFT, 8), tracked(RIGHT, 9)]] * 3)
    assert (result["hota"], result["idf1"]) == (1.0, 1.0)


def test_a_track_that_breaks_in_two(build):
    """10 frames, identity 8 for 6 and 9 for 4.

    Detection is perfect. A match in the first part has A = 6 / (10 + 6 - 6), in the second 4 / (10 + 4 - 4):
    AssA = (6 · 0.6 + 4 · 0.4) / 10 = 0.52. Identity: 6 of 10 frames agree, IDF1 = 2 · 6 / (10 + 10).
    """
    predicted = [[tracked(LEFT, 8)]] * 6 + [[tracked(LEFT, 9)]] * 4
    result = figures(build, [[seen(LEFT, 1)]] * 10, predicted)
    assert result["hota"] == pytest.approx(np.sqrt(0.52))
    assert result["idf1"] == pytest.approx(0.6)


def test_two_objects_that_swap_identities(build):
    """Half of 4 frames each: every match has A = 2 / (4 + 4 - 2) = 1/3; of 8 boxes, 4 agree."""
    before, after = [tracked(LEFT, 8), tracked(RIGHT, 9)], [tracked(LEFT, 9), tracked(RIGHT, 8)]
    result = figures(build, [[seen(LEFT, 1), seen(RIGHT, 2)]] * 4, [before] * 2 + [after] * 2)
    assert result["hota"] == pytest.approx(np.sqrt(1 / 3))
    assert result["idf1"] == pytest.approx(0.5)


def test_missed_and_false_boxes(build):
    """Found in 2 of 4 frames, and one false track of 2 frames.

    TP 2, FN 2, FP 2: DetA = 1/3. The matches have A = 2 / (4 + 2 - 2) = 0.5. IDF1 = 2 · 2 / (4 + 4).
    """
    predicted = [[tracked(LEFT, 8), tracked(RIGHT, 9)]] * 2 + [[]] * 2
    result = figures(build, [[seen(LEFT, 1)]] * 4, predicted)
    assert result["hota"] == pytest.approx(np.sqrt(1 / 3 * 0.5))
    assert result["idf1"] == pytest.approx(0.5)


def test_loose_boxes_cost_the_strict_thresholds(build):
    """IoU 0.6 throughout: a perfect track at 12 of the 19 thresholds (0.05 to 0.60), none above."""
    result = figures(build, [[seen(LEFT, 1)]] * 3, [[tracked((0, 0, 60, 100), 8)]] * 3)
    assert result["hota"] == pytest.approx(12 / 19)
    assert result["idf1"] == 1.0


def test_the_longer_common_history_wins_a_frame(build):
    """In the last frame a newcomer overlaps better than the old track, which HOTA keeps all the same."""
    newcomer, old = tracked(LEFT, 9), tracked((0, 0, 90, 100), 8)
    result = figures(build, [[seen(LEFT, 1)]] * 10, [[old]] * 9 + [[old, newcomer]])
    # 18 thresholds up to 0.9: TP 10, FP 1, A = 1. At 0.95 nothing is matched: the newcomer lost the frame to the old.
    assert result["hota"] == pytest.approx(18 / 19 * np.sqrt(10 / 11))


def test_classes_are_judged_apart_and_averaged(build):
    marked = [[seen(LEFT, 1), seen(RIGHT, 2, 1)]] * 2
    result = figures(build, marked, [[tracked(LEFT, 8), tracked(RIGHT, 9, 0)]] * 2)
    assert result["per_class"]["person"] == {"hota": 0.0, "idf1": 0.0}
    assert result["per_class"]["car"]["hota"] == pytest.approx(np.sqrt(0.5))  # the person found as a car is false
    assert result["hota"] == pytest.approx(np.sqrt(0.5) / 2)


def test_a_class_without_identities_has_no_figure(build):
    result = figures(build, [[seen(LEFT, 1)]], [[tracked(LEFT, 8)]])
    assert result["per_class"]["person"] == {"hota": None, "idf1": None}
    assert result["hota"] == 1.0


def test_weak_and_unnamed_detections_are_left_out(build):
    weak, unnamed = tracked(RIGHT, 9, score=0.1), tracked(RIGHT, -1)
    assert figures(build, [[seen(LEFT, 1)]] * 2, [[tracked(LEFT, 8), weak, unnamed]] * 2)["hota"] == 1.0
    assert figures(build, [[seen(LEFT, 1)]] * 2, [[tracked(LEFT, 8), weak]] * 2, score=0.1)["hota"] < 1.0


def test_tracks_of_objects_without_identity_are_free(build):
    marked = [[seen(LEFT, 1), seen(RIGHT, -1)]] * 2
    assert figures(build, marked, [[tracked(LEFT, 8), tracked(RIGHT, 9)]] * 2)["hota"] == 1.0


def test_the_same_number_in_two_videos_is_two_tracks(build):
    first = (build.video([build.labels([seen(LEFT, 1)])] * 2, name="a"), [build.found([tracked(LEFT, 5)])] * 2)
    second = (build.video([build.labels([seen(RIGHT, 1)])] * 2, name="b"), [build.found([tracked(RIGHT, 6)])] * 2)
    assert tracking_figures(judge([first, second], build.classes))["hota"] == 1.0


@pytest.mark.parametrize(("truth", "track"), [(-1, 3), (3, -1)])
def test_without_identities_there_is_nothing_to_say(build, truth, track):
    assert figures(build, [[seen(LEFT, truth)]], [[tracked(LEFT, track)]]) is None
