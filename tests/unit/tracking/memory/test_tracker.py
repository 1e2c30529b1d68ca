"""The object memory as a tracker: what a viewer sees of it."""

import numpy as np
import pytest

from streamdet.detections import Detections
from streamdet.errors import CheckpointError
from streamdet.skeleton import Skeleton
from streamdet.tracking.memory.tracker import MemoryTracker
from streamdet.tracking.options import TrackOptions

CLASSES = ("person", "car", "bus")
SIZE = (640, 480)
STEP_S = 0.04


def tracker(conf=0.35, **options):
    return MemoryTracker(TrackOptions(**options), conf)


def found(*rows, **columns):
    """Rows of left, score and class."""
    boxes = [(left, 100, left + 60, 220) for left, _, _ in rows]
    return Detections.of(boxes, [row[1] for row in rows], [row[2] for row in rows], CLASSES, **columns)


def walk(index, score=0.8):
    return found((100 + 3 * index, score, 0))


def test_an_object_is_held_where_it_is_expected_through_a_miss_and_then_dropped():
    memory = tracker()
    seen = [memory.update(walk(n), n * STEP_S, SIZE) for n in range(25)]
    assert not any(each.carried.any() for each in seen)
    held = memory.update(found(), 25 * STEP_S, SIZE)
    assert (held.carried.tolist(), held.track_ids.tolist(), held.support.tolist()) == ([True], [1], [1.0])
    assert held.boxes[0] == pytest.approx([175, 100, 235, 220], abs=6)
    assert held.class_names.tolist() == ["person"]
    late = [memory.update(found(), n * STEP_S, SIZE) for n in range(26, 80)]
    assert len(late[-1]) == 0
    assert memory.state_dict()["ids"].size == 0


def test_what_is_shown_reaches_the_threshold_and_weak_boxes_are_of_use():
    memory = tracker(conf=0.5)
    scores = [0.9] * 12 + [0.15, 0.1, 0.2, 0.15] + [0.9] * 6
    out = [memory.update(walk(n, score), n * STEP_S, SIZE) for n, score in enumerate(scores)]
    assert all(each.scores.min(initial=1.0) >= 0.5 for each in out)
    assert [each.track_ids.tolist() for each in out[11:14]] == [[1]] * 3
    assert len(tracker(conf=0.5).update(walk(0, 0.1), 0.0, SIZE)) == 0


def test_a_class_may_have_a_threshold_of_its_own():
    frames = [found((100, 0.6, 0), (400, 0.6, 1)) for _ in range(10)]
    memory = MemoryTracker(TrackOptions(), 0.3, {"car": 0.99})
    out = [memory.update(each, n * STEP_S, SIZE) for n, each in enumerate(frames)]
    assert out[-1].class_names.tolist() == ["person"]


def test_of_a_single_frame_the_box_is_the_detectors():
    out = tracker().update(walk(0, 0.9), 0.0, SIZE)
    assert out.boxes[0].tolist() == [100, 100, 160, 220]
    assert (out.support.tolist(), out.carried.tolist()) == ([0.0], [False])


def test_a_class_that_flips_for_a_frame_stays():
    memory = tracker()
    for n in range(20):
        memory.update(found((100, 0.8, 1)), n * STEP_S, SIZE)
    assert memory.update(found((100, 0.5, 2)), 20 * STEP_S, SIZE).class_names.tolist() == ["car"]


def test_class_scores_are_used_where_there_are_some():
    memory = tracker()
    doubtful = np.array([[0.0, 0.45, 0.5]])
    for n in range(10):
        memory.update(found((100, 0.8, 1), class_scores=[[0.0, 0.8, 0.1]]), n * STEP_S, SIZE)
    out = memory.update(found((100, 0.5, 2), class_scores=doubtful), 10 * STEP_S, SIZE)
    assert out.class_names.tolist() == ["car"]


def test_columns_stay_with_their_boxes():
    memory = tracker()
    points = np.full((1, 2, 3), 5.0)
    for n in range(10):
        out = memory.update(found((100, 0.8, 0), keypoints=points), n * STEP_S, SIZE)
    assert out.keypoints.tolist() == points.tolist()
    two = found((100, 0.7, 0), (400, 0.9, 0), keypoints=np.concatenate([points, points + 1]))
    assert memory.update(two, 10 * STEP_S, SIZE).keypoints[:, 0, 0].tolist() == [6, 5]


def masked_walk(index):
    """Two people who walk apart; mask and keypoints tell which is which."""
    boxes = found((100 - 2 * index, 0.9, 0), (400 + 2 * index, 0.8, 0)).boxes
    points = np.stack([boxes[:, :2] + [30, 12], boxes[:, :2] + [30, 100]], axis=1)
    points = np.concatenate([points, [[[0.9], [0.8]], [[0.5], [0.4]]]], axis=2)
    masks = np.zeros((2, 28, 28), np.uint8)
    masks[0, :, :14], masks[1, :, 14:] = 255, 200
    return Detections.of(boxes, [0.9, 0.8], [0, 0], CLASSES, masks=masks, keypoints=points, skeleton=TWO_POINTS)


TWO_POINTS = Skeleton(("head", "foot"), ((0, 1),))


def no_people():
    return masked_walk(0)[:0]


def check_held(held, index):
    """Both are where they are expected, each with its last mask, and with keypoints at the same place in the box."""
    expected = masked_walk(index)
    order = held.boxes[:, 0].argsort()
    assert held.carried.all()
    np.testing.assert_allclose(held.boxes[order], expected.boxes, atol=6)
    np.testing.assert_array_equal(held.masks[order], expected.masks)
    np.testing.assert_allclose(held.keypoints[order], expected.keypoints, atol=6)
    np.testing.assert_allclose(held.keypoints[order][..., 2], expected.keypoints[..., 2])


def test_what_is_held_keeps_its_last_mask_and_keypoints():
    memory = tracker()
    for n in range(20):
        memory.update(masked_walk(n), n * STEP_S, SIZE)
    check_held(memory.carry(20 * STEP_S, SIZE), 20)
    one = memory.update(masked_walk(20)[1:], 20 * STEP_S, SIZE)
    assert one.carried.tolist().count(True) == 1
    assert one.skeleton == TWO_POINTS
    assert sorted(one.masks.max(axis=(1, 2)).tolist()) == [200, 255]
    check_held(memory.update(no_people(), 21 * STEP_S, SIZE), 21)
    check_held(memory.update(found(), 22 * STEP_S, SIZE), 22)


def test_masks_are_in_the_state_that_is_taken():
    first, second = tracker(), tracker()
    for n in range(20):
        first.update(masked_walk(n), n * STEP_S, SIZE)
    second.load_state_dict(first.state_dict())
    check_held(second.update(no_people(), 20 * STEP_S, SIZE), 20)
    without = {name: column for name, column in first.state_dict().items() if name not in ("masks", "keypoints")}
    second.load_state_dict(without)
    assert not second.update(no_people(), 20 * STEP_S, SIZE).masks.any()


def test_odd_boxes_are_left_out():
    odd = Detections.of(
        [[np.nan, 0, 1, 1], [100, 100, 160, 200], [5, 5, 5, 9], [300, 100, 360, 200]], [0.9] * 4, [0, 0, 1, 0], CLASSES
    )
    memory = tracker()
    for time_s in (0.0, 0.04, 0.04, 0.02, 0.08, 5.0):
        assert len(memory.update(odd, time_s, SIZE)) == 2


def test_it_goes_on_exactly_where_its_state_was_taken():
    rng = np.random.default_rng(0)
    frames = [
        found(*((50 + 150 * k + 2 * n, rng.uniform(0.1, 0.9), k) for k in range(3) if rng.random() < 0.8))
        for n in range(40)
    ]
    whole, first, second = tracker(), tracker(), tracker()
    expected = [whole.update(each, n * STEP_S, SIZE) for n, each in enumerate(frames)]
    for n in range(20):
        first.update(frames[n], n * STEP_S, SIZE)
    second.load_state_dict(first.state_dict())
    for n in range(20, 40):
        got = second.update(frames[n], n * STEP_S, SIZE)
        for column in ("boxes", "scores", "class_ids", "track_ids", "support", "carried"):
            np.testing.assert_array_equal(getattr(got, column), getattr(expected[n], column))


def test_it_goes_on_in_a_file_that_counts_from_zero():
    memory = tracker()
    for n in range(10):
        memory.update(walk(n), 100 + n * STEP_S, SIZE)
    memory.continue_at(-STEP_S)
    assert memory.update(walk(10), 0.0, SIZE).track_ids.tolist() == [1]


@pytest.mark.parametrize(
    ("change", "message"),
    [({"lstm": np.zeros((1, 3))}, "'lstm' of an object memory's state must be"), ({"more": np.zeros(1)}, "entries")],
)
def test_another_state_is_refused(change, message):
    memory = tracker()
    memory.update(walk(0), 0.0, SIZE)
    with pytest.raises(ValueError, match=message):
        tracker().load_state_dict({**memory.state_dict(), **change})


def test_between_looks_objects_move_on():
    memory = tracker()
    for n in range(20):
        memory.update(walk(n), n * STEP_S, SIZE)
    between = memory.carry(19.5 * STEP_S, SIZE), memory.carry(21 * STEP_S, SIZE)
    assert all(each.carried.all() and each.track_ids.tolist() == [1] for each in between)
    assert between[0].boxes[0, 0] == pytest.approx(158.5, abs=3)
    assert between[1].boxes[0, 0] == pytest.approx(163, abs=4)
    # As if it had not been asked.
    assert memory.update(walk(22), 22 * STEP_S, SIZE).boxes[0, 0] == pytest.approx(166, abs=4)
    assert len(tracker().carry(0.0, SIZE)) == 0


def test_at_two_frames_a_second_boxes_and_scores_stay_as_found():
    rng, memory = np.random.default_rng(0), tracker(conf=0.1)
    for n in range(12):
        given = found((100 + rng.uniform(-5, 5), rng.uniform(0.2, 0.9), 0))
        out = memory.update(given, n * 0.5, SIZE)
        if n > 0:
            np.testing.assert_allclose(out.boxes[:1], given.boxes, atol=1e-3)
            np.testing.assert_allclose(out.scores[:1], given.scores, atol=1e-3)
    assert len(memory.update(found(), 6.0, SIZE)) == 0


def test_weights_that_are_none_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"none\.safetensors does not exist"):
        tracker(weights=str(tmp_path / "none.safetensors"))
    (tmp_path / "other.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match=r"other\.safetensors is damaged"):
        tracker(weights=str(tmp_path / "other.safetensors"))
