"""Flicker and jitter, counted by hand."""

import numpy as np
import pytest

from streamdet.evaluation.judged import judge
from streamdet.evaluation.outcomes import collect
from streamdet.evaluation.stability import flicker, stability

BOX = (100, 100, 200, 150)
HIT = (*BOX, 0, 0.9, -1)
WEAK = (*BOX, 0, 0.2, -1)
WRONG_CLASS = (*BOX, 1, 0.9, -1)


def outcomes_of(build, found_rows, frames=None, **changes):
    frames = frames or [build.labels([(*BOX, 0, 1)])] * len(found_rows)
    predictions = [build.found(rows) for rows in found_rows]
    return collect(judge([(build.video(frames, **changes), predictions)], build.classes))


def value(ratio, class_id=None):
    return ratio.value(np.ones(1), class_id)


@pytest.mark.parametrize(
    ("found_rows", "expected"),
    [
        ([[HIT]] * 4, 0),
        ([[]] * 4, 0),
        ([[HIT], [], [HIT], [HIT], []], 3 / 4),
        ([[HIT], [WEAK], [HIT]], 1),
        ([[HIT], [WRONG_CLASS]], 1),
    ],
    ids=["always found", "never found", "lost twice", "below the score", "as another class"],
)
def test_flicker_is_status_changes_a_step(build, found_rows, expected):
    assert value(flicker(outcomes_of(build, found_rows))) == expected


def test_flicker_takes_the_score_it_is_given(build):
    assert value(flicker(outcomes_of(build, [[HIT], [WEAK], [HIT]]), score=0.1)) == 0


def test_flicker_does_not_step_over_breaks_or_unlabelled_frames(build):
    labels = build.labels([(*BOX, 0, 1)])
    assert value(flicker(outcomes_of(build, [[HIT], [HIT], []], segments=((0, 2), (2, 3))))) == 0
    assert value(flicker(outcomes_of(build, [[HIT], [HIT], [], []], [labels, labels, None, labels]))) == 0


def test_flicker_of_stills_is_unknown(build):
    assert value(flicker(outcomes_of(build, [[HIT]]))) is None


def test_flicker_passes_over_ignored_objects(build):
    frames = [build.labels([(*BOX, 0, 1)])] * 2 + [build.labels([(*BOX, 0, 1)], [(0, 0, 640, 480)])]
    assert value(flicker(outcomes_of(build, [[HIT], [HIT], []], frames))) == 0


def test_flicker_by_class(build):
    other = (300, 300, 400, 400)
    frames = [build.labels([(*BOX, 0, 1), (*other, 1, 2)])] * 2
    ratio = flicker(outcomes_of(build, [[HIT, (*other, 1, 0.9, -1)], [HIT]], frames))
    assert (value(ratio, 0), value(ratio, 1), value(ratio)) == (0, 1, 0.5)


def test_a_constant_offset_is_stable(build):
    assert value(stability(outcomes_of(build, [[(110, 105, 210, 155, 0, 0.9, -1)]] * 3))) == pytest.approx(0)


def test_stability_sums_the_spread_of_place_and_size(build):
    """Of a 100×50 object: centre ±2 in x is ±0.02 of its width; 8 % wider and narrower is ±0.08 in shape."""
    shaken = [[(98, 100, 198, 150, 0, 0.9, -1)], [(102, 100, 202, 150, 0, 0.9, -1)]]
    assert value(stability(outcomes_of(build, shaken))) == pytest.approx(0.02)
    breathing = [[(96, 100, 204, 150, 0, 0.9, -1)], [(104, 100, 196, 150, 0, 0.9, -1)]]
    scale = (np.sqrt(1.08) - np.sqrt(0.92)) / 2
    assert value(stability(outcomes_of(build, breathing))) == pytest.approx(0.08 + scale)


def test_stability_weighs_objects_by_their_frames(build):
    """Two frames with a spread of 0.02, four with none."""
    other = (300, 300, 400, 400)
    frames = [build.labels([(*BOX, 0, 1), (*other, 0, 2)])] * 2 + [build.labels([(*other, 0, 2)])] * 2
    steady = (*other, 0, 0.8, -1)
    rows = [[(98, 100, 198, 150, 0, 0.9, -1), steady], [(102, 100, 202, 150, 0, 0.9, -1), steady], [steady], [steady]]
    assert value(stability(outcomes_of(build, rows, frames))) == pytest.approx(0.02 * 2 / 6)


def test_stability_of_objects_found_once_is_unknown(build):
    assert value(stability(outcomes_of(build, [[HIT], [], []]))) is None
