"""Identities over time: what a user sees as a person who keeps, or loses, a number."""

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.tracking.byte_tracker import ByteTracker
from streamdet.tracking.options import TrackOptions

CLASSES = ("person", "car", "truck")


def tracker_of(**options):
    """Any box from a score of 0.25 on starts a track."""
    return ByteTracker(TrackOptions(start_score=0.25, **options), conf=0.25)


def detections(*rows):
    """Rows of (x1, y1, x2, y2, score, class)."""
    table = np.array(rows, float).reshape(-1, 6)
    return Detections.of(table[:, :4], table[:, 4], table[:, 5], CLASSES)


def person(x, score=0.9, y=100.0):
    return (x, y, x + 40.0, y + 100.0, score, 0)


def car(x, score=0.9, class_id=1):
    return (x, 200.0, x + 120.0, 260.0, score, class_id)


def ids(tracker, time_s, *rows):
    return tracker.update(detections(*rows), time_s).track_ids.tolist()


def street(seed, frames=60):
    """Walkers and cars with noise, misses and clutter; the same for the same seed."""
    random = np.random.default_rng(seed)
    time_s = 0.0
    for _ in range(frames):
        time_s += random.choice([0.04, 0.04, 0.08, 0.2])
        rows = [person(30 + 50 * time_s), person(600 - 60 * time_s, 0.6), car(80 * time_s), car(900 - 90 * time_s)]
        rows = [row for row in rows if random.random() > 0.1]
        rows += [person(random.uniform(0, 900), 0.3, random.uniform(0, 300)) for _ in range(random.poisson(0.5))]
        noisy = [(*(np.array(row[:4]) + random.normal(0, 1.5, 4)), row[4], row[5]) for row in rows]
        yield detections(*noisy), time_s


def test_a_sure_box_has_its_identity_at_once_and_keeps_it():
    tracker = tracker_of()
    for frame in range(50):
        assert ids(tracker, frame / 25, person(100 + 3 * frame), person(400 - 2 * frame)) == [1, 2]


@pytest.mark.parametrize(("score", "frames_without"), [(0.8, 0), (0.5, 1), (0.3, 2)])
def test_an_unsure_box_gets_its_identity_soon(score, frames_without):
    tracker = tracker_of()
    got = [ids(tracker, frame / 25, person(100, score))[0] for frame in range(5)]
    assert got == [-1] * frames_without + [1] * (5 - frames_without)


def test_a_box_below_the_start_score_starts_no_track_but_continues_one():
    tracker = tracker_of()
    assert [ids(tracker, frame / 25, person(100, 0.1)) for frame in range(20)] == [[-1]] * 20
    assert ids(tracker, 0.8, person(100)) == [1]
    assert ids(tracker, 0.84, person(101, 0.1)) == [1]


def test_a_flash_that_is_seen_once_takes_no_identity():
    tracker = tracker_of()
    ids(tracker, 0.0, person(100, 0.6))
    assert ids(tracker, 0.04) == []
    assert ids(tracker, 0.08, person(500)) == [1]


def test_a_walker_behind_a_tree_comes_back_as_the_same():
    tracker = tracker_of()
    for frame in range(25):
        ids(tracker, frame / 25, person(100 + 4 * frame))
    for frame in range(25, 50):
        assert ids(tracker, frame / 25) == []
    assert ids(tracker, 2.0, person(300)) == [1]


def test_out_of_sight_for_too_long_is_somebody_else_fails():
    tracker = tracker_of(lost_s=2.0)
    ids(tracker, 0.0, person(100))
    assert ids(tracker, 2.1) == []
    assert ids(tracker, 2.2, person(100)) == [2]


def test_patience_is_in_seconds_not_in_frames():
    for rate in (2, 10, 50):
        tracker = tracker_of(lost_s=2.0)
        ids(tracker, 0.0, person(100))
        for frame in range(1, int(1.9 * rate)):
            ids(tracker, frame / rate)
        assert ids(tracker, 1.9, person(100)) == [1]


def test_frames_that_are_far_apart_still_belong_together():
    tracker = tracker_of(lost_s=2.0)
    assert [ids(tracker, 10.0 * frame, person(100)) for frame in range(4)] == [[1]] * 4


@pytest.mark.parametrize("rate", [2.5, 5, 12.5, 25, 60])
def test_a_walking_person_is_one_person_at_any_frame_rate(rate):
    tracker = tracker_of()
    seen = {ids(tracker, frame / rate, person(90 * frame / rate))[0] for frame in range(int(5 * rate))}
    assert seen == {1}


def test_dropped_frames_do_not_shake_an_identity_off():
    tracker = tracker_of()
    random = np.random.default_rng(3)
    times_s = [t for t in np.arange(0, 8, 0.04) if random.random() < 0.3]
    assert {ids(tracker, t, person(120 * t))[0] for t in times_s} == {1}


def test_two_who_pass_each_other_keep_their_own():
    tracker = tracker_of()
    for frame in range(60):
        t = frame / 25
        got = ids(tracker, t, person(100 + 100 * t, y=100.0), person(340 - 100 * t, y=118.0))
        assert got == [1, 2]


def test_a_person_on_a_motorcycle_does_not_take_its_identity():
    tracker = tracker_of()
    motorcycle = (95.0, 140.0, 145.0, 215.0, 0.9, 1)
    assert ids(tracker, 0.0, person(100), motorcycle) == [1, 2]
    assert ids(tracker, 0.04, motorcycle) == [2]
    assert ids(tracker, 0.08, person(100)) == [1]


def test_a_car_taken_for_a_truck_stays_the_same_vehicle():
    tracker = tracker_of()
    got = [ids(tracker, frame / 25, car(100 + 2 * frame, class_id=1 + frame % 3 % 2))[0] for frame in range(30)]
    assert set(got) == {1}


def test_another_class_nearby_is_another_object():
    tracker = tracker_of()
    assert ids(tracker, 0.0, car(100)) == [1]
    assert ids(tracker, 0.04, car(150, class_id=2)) == [2]


def test_a_weak_object_that_is_missed_once_keeps_its_identity():
    tracker = tracker_of()
    for frame in range(10):
        ids(tracker, frame / 25, person(100, 0.4))
    assert ids(tracker, 0.40) == []
    assert ids(tracker, 0.44, person(100, 0.4)) == [1]


def test_background_does_not_revive_who_is_lost():
    tracker = tracker_of()
    ids(tracker, 0.0, person(100))
    ids(tracker, 0.04)
    assert ids(tracker, 0.08, person(100, 0.12)) == [-1]


def test_reset_forgets_but_counts_on():
    tracker = tracker_of()
    assert ids(tracker, 5.0, person(100)) == [1]
    tracker.reset()
    assert ids(tracker, 0.0, person(100)) == [2]


def test_identities_are_unique_and_increase():
    tracker = tracker_of()
    seen = []
    for found, time_s in street(5, frames=200):
        for track in tracker.update(found, time_s).track_ids.tolist():
            if track >= 0 and track not in seen:
                seen.append(track)
    assert seen == list(range(1, len(seen) + 1))


def test_the_street_needs_few_identities():
    tracker = tracker_of()
    found = [tracker.update(boxes, time_s) for boxes, time_s in street(1, frames=120)]
    sure = np.concatenate([boxes.track_ids[boxes.scores >= 0.5] for boxes in found])
    assert len(set(sure.tolist()) - {-1}) <= 5  # four objects; two of them cross
    assert np.mean(sure < 0) < 0.02


def test_boxes_that_are_none_are_passed_by():
    tracker = tracker_of()
    nan = (float("nan"), 0, 10, 10, 0.9, 0)
    flat = (50, 50, 50, 90, 0.9, 0)
    for frame in range(3):
        assert ids(tracker, frame / 25, person(100), nan, flat, person(300)) == [1, -1, -1, 2]


def test_columns_come_back_in_order_and_unchanged():
    found = detections(person(300, 0.4), person(100), car(500))
    tracked = tracker_of().update(found, 0.0)
    assert tracked.boxes is found.boxes
    assert tracked.scores is found.scores
    assert tracked.track_ids.dtype == np.int64


def test_a_time_that_repeats_or_goes_back_is_the_same_moment():
    tracker = tracker_of()
    assert ids(tracker, 1.0, person(100)) == [1]
    assert ids(tracker, 1.0, person(100)) == [1]
    assert ids(tracker, 0.5, person(101)) == [1]
    assert ids(tracker, 1.04, person(102)) == [1]


@pytest.mark.parametrize("cut", [0, 1, 17, 59])
def test_state_round_trip_goes_on_bit_for_bit(cut):
    whole, first, second = tracker_of(), tracker_of(), tracker_of()
    steps = list(street(2))
    for found, time_s in steps[:cut]:
        whole.update(found, time_s)
        first.update(found, time_s)
    state = first.state_dict()
    second.load_state_dict(state)
    first.update(*steps[-1])  # what was taken must not change with its tracker
    for found, time_s in steps[cut:]:
        np.testing.assert_array_equal(whole.update(found, time_s).track_ids, second.update(found, time_s).track_ids)
    a, b = whole.state_dict(), second.state_dict()
    assert a.keys() == b.keys()
    for name in a:
        assert np.asarray(a[name]).tobytes() == np.asarray(b[name]).tobytes(), name


def test_state_is_typed_arrays():
    tracker = tracker_of()
    ids(tracker, 0.0, person(100))
    for value in tracker.state_dict().values():
        assert isinstance(value, np.ndarray)
        assert value.dtype in (np.int64, np.float64)


def test_a_state_of_another_kind_fails():
    tracker = tracker_of()
    ids(tracker, 0.0, person(100))
    state = tracker.state_dict()
    with pytest.raises(ValueError, match="entries"):
        tracker_of().load_state_dict({"next_id": 1})
    with pytest.raises(ValueError, match="'mean' of a tracker's state"):
        tracker_of().load_state_dict(state | {"mean": np.zeros((3, 4, 2))})


def test_the_same_input_gives_the_same_output():
    def run():
        tracker = tracker_of()
        return [tracker.update(found, time_s).track_ids.tolist() for found, time_s in street(9)]

    assert run() == run()
