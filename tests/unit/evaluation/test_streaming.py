"""Latency counted against the detector."""

import numpy as np
import pytest

from streamdet.evaluation.average_precision import average_precision
from streamdet.evaluation.streaming import latest_ready, ready_times, streaming_average_precision, taken_frames

TIMES_S = np.arange(6.0)
SKIPPED = np.inf


@pytest.mark.parametrize(
    ("latency_s", "ready_s", "shown"),
    [
        (0.0, [0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5]),
        (0.5, [0.5, 1.5, 2.5, 3.5, 4.5, 5.5], [-1, 0, 1, 2, 3, 4]),
        # Free at 1.5, it takes frame 1, half a second old; at 3 frame 3 is new and 2 is skipped.
        (1.5, [1.5, 3, SKIPPED, 4.5, 6, 7.5], [-1, -1, 0, 1, 1, 3]),
        (10.0, [10, SKIPPED, SKIPPED, SKIPPED, SKIPPED, 20], [-1] * 6),
    ],
)
def test_which_result_is_ready_when(latency_s, ready_s, shown):
    ready = ready_times(TIMES_S, np.full(6, latency_s))
    assert ready.tolist() == ready_s
    assert latest_ready(TIMES_S, ready).tolist() == shown


def moving(build):
    """An object that moves out of its box in two frames, detected perfectly."""
    boxes = [(60 * i, 0, 60 * i + 100, 100) for i in range(5)]
    video = build.video([build.labels([(*box, 0, -1)]) for box in boxes], times_s=np.arange(5.0))
    return video, [build.found([(*box, 0, 0.9, -1)]) for box in boxes]


def test_without_latency_it_is_plain_ap(build):
    pairs = [moving(build)]
    assert streaming_average_precision(pairs, build.classes, [np.zeros(5)]) == average_precision(pairs, build.classes)


def test_latency_costs_what_moves_and_spares_what_rests(build):
    late = [np.full(5, 0.5)]
    assert streaming_average_precision([moving(build)], build.classes, late)["ap50"] == 0.0
    box = (0, 0, 100, 100)
    resting = build.video([build.labels([(*box, 0, -1)])] * 5, times_s=np.arange(5.0))
    found = [build.found([(*box, 0, 0.9, -1)])] * 5
    # Only the first frame is missed: precision 1 up to recall 0.8.
    assert streaming_average_precision([(resting, found)], build.classes, late)["ap50"] == pytest.approx(81 / 101)


def test_nothing_is_shown_from_before_a_break(build):
    box = (0, 0, 100, 100)
    video = build.video(
        [build.labels([(*box, 0, -1)])] * 4, times_s=np.array([0, 1, 60, 61]), segments=((0, 2), (2, 4))
    )
    pairs = [(video, [build.found([(*box, 0, 0.9, -1)])] * 4)]
    figures = streaming_average_precision(pairs, build.classes, [np.full(4, 0.5)])
    assert figures["ap50"] == pytest.approx(51 / 101)


def test_a_latency_too_few_fails(build):
    with pytest.raises(ValueError, match="video clip: 4 latencies for 5 frames"):
        streaming_average_precision([moving(build)], build.classes, [np.zeros(4)])


def test_which_frames_there_is_time_for(build):
    video = build.video([None] * 6, times_s=np.array([0, 1, 2, 60, 61, 62.0]), segments=((0, 3), (3, 6)))
    assert taken_frames(video, np.full(6, 10.0)).tolist() == [True, False, True] * 2
    assert taken_frames(video, np.full(6, 0.9)).all()


def test_only_some_classes(build):
    video, found = moving(build)
    both = build.video([build.labels([(0, 0, 9, 9, 1, -1)]) for _ in range(5)], name="people", times_s=np.arange(5.0))
    pairs = [(video, found), (both, [build.found([])] * 5)]
    figures = streaming_average_precision(pairs, build.classes, [np.zeros(5)] * 2, only=["car"])
    assert figures["ap"] == 1.0
