"""From what detectors found to labels: gaps, moments, doubts, crossings, the camera, slow footage."""

import numpy as np
import pytest

from streamdet.hindsight.judge import Rules
from streamdet.hindsight.labels import label_clip
from streamdet.hindsight.look import names_of
from streamdet.hindsight.names import Names

FRAMES = 50
PERSON = Names.of([("person",)])


@pytest.fixture
def label(footage, teacher):
    def make(rows, rules=None, **of_footage):
        return label_clip(footage(rows, **of_footage), [teacher("person")], PERSON, rules)

    return make


def tracks(labels):
    """Frames and boxes of every sure object."""
    sure = labels[labels.sure]
    return [(sure.frames[sure.track_ids == t], sure.boxes[sure.track_ids == t]) for t in np.unique(sure.track_ids)]


def test_a_gap_is_filled_where_the_object_went(label, walker):
    ((frames, boxes),) = tracks(label(walker([f for f in range(FRAMES) if not 20 <= f < 30])))
    assert frames.tolist() == list(range(FRAMES))
    assert boxes[25] == pytest.approx([70, 50, 100, 130], abs=3)


def test_a_long_gap_is_ignored_not_labelled(label, walker):
    labels = label(walker([f for f in range(FRAMES) if f < 15 or f > 34], pace=0.0, score=0.8))
    ((frames, _),) = tracks(labels)
    assert set(range(15)) <= set(frames)
    assert set(range(40, 50)) <= set(frames)
    assert not set(range(21, 29)) & set(frames)
    assert 25 in labels.frames[~labels.sure]


def test_what_shows_for_a_moment_is_no_label(label, walker):
    labels = label(walker(range(10, 13), score=0.6))
    assert not labels.sure.any()
    assert len(labels)


def test_what_is_weak_is_dropped(label, walker):
    assert not len(label(walker(range(FRAMES), score=0.07)))


def test_what_is_unsure_is_ignored_and_worth_half(label, walker):
    labels = label(walker(range(FRAMES), score=0.2))
    assert len(labels) == FRAMES
    assert not labels.sure.any()
    assert labels.scores == pytest.approx(0.1, abs=0.01)


def test_a_lower_threshold_makes_it_sure(label, walker):
    assert label(walker(range(FRAMES), score=0.2), Rules(sure=0.15)).sure.all()


def test_a_badly_placed_box_is_doubted(label, walker):
    rows = walker(range(FRAMES))
    rows[25] = (*rows[25][:3], rows[25][3] + 30, *rows[25][4:])
    ((_, boxes),) = tracks(label(rows))
    assert boxes[25, 2] == pytest.approx(100, abs=6)


def test_two_who_cross_keep_their_ids(label, walker):
    rows = walker(range(FRAMES), 20.0, 4.0) + walker(range(FRAMES), 220.0, -4.0)
    ends = sorted((boxes[0, 0], boxes[-1, 0]) for _, boxes in tracks(label(rows)))
    assert ends == [pytest.approx((20, 216), abs=4), pytest.approx((220, 24), abs=4)]


def test_the_cameras_motion_is_taken_out(label, walker):
    camera = np.tile(np.eye(2, 3), (FRAMES, 1, 1))
    camera[1:, 0, 2] = 6.0
    seen = [f for f in range(FRAMES) if not 20 <= f < 30]
    ((frames, boxes),) = tracks(label(walker(seen, pace=6.0), camera=camera))
    assert frames.tolist() == list(range(FRAMES))
    assert boxes[25, 0] == pytest.approx(170, abs=3)


def test_of_two_sure_boxes_on_each_other_one_is_sure(label, walker):
    both = [(f, x1 - 8, y1, x2 + 8, y2, 0.5, c) for f, x1, y1, x2, y2, _, c in walker(range(FRAMES), pace=0)]
    labels = label(walker(range(FRAMES), pace=0) + both)
    assert len(tracks(labels)) == 1
    assert labels.boxes[labels.sure][:, 0] == pytest.approx(20, abs=1)


def test_what_leaves_the_frame_is_clipped(label, walker):
    labels = label(walker(range(FRAMES), x=350.0, pace=0.5))
    assert labels.boxes[:, 2].max() <= 400
    assert labels.sure[labels.frames == 45].all()


def test_slow_footage_keeps_the_boxes_of_single_frames(label, walker):
    seen = [f for f in range(FRAMES) if f % 3]
    rows = walker(seen, pace=7.0, score=0.4) + walker([10], x=300.0, score=0.6) + walker([20], x=300, score=0.2)
    rows += [*walker(seen, x=23.0, pace=7.0, score=0.25), (30, 0.0, 0.0, 200.0, 180.0, 0.2, 0)]
    labels = label(rows, fps=2.5)
    assert labels.frames.tolist() == sorted(row[0] for row in rows)
    assert sorted(labels.scores.round(3)) == pytest.approx(sorted(row[5] for row in rows))
    assert np.sort(labels.boxes[:, 0]) == pytest.approx(np.sort([row[1] for row in rows]), abs=1e-3)
    assert labels.sure.tolist() == (labels.scores >= 0.3).tolist()


def test_a_weak_box_over_most_of_the_frame_hides_nothing(label, walker):
    labels = label([*walker(range(FRAMES)), (30, 0.0, 0.0, 340.0, 190.0, 0.2, 0)])
    assert (labels.boxes[:, 2] - labels.boxes[:, 0]).max() < 40


def test_a_break_in_time_ends_a_track(footage, teacher, walker):
    made = footage(walker(range(FRAMES), pace=0.0))
    made.times_s[25:] += 60
    labels = label_clip(made, [teacher("person")], PERSON)
    assert len(tracks(labels)) == 2


def test_names_are_voted_over_the_whole_track(footage, teacher, walker):
    general = walker(range(FRAMES))
    naming = walker(range(30), score=0.3, class_id=1) + walker(range(30, 40), score=0.3, class_id=0)
    teachers = [teacher("vehicle"), teacher("car", "bus", weight=0.0)]
    names = names_of(teachers)
    labels = label_clip(footage(general, naming, classes=("car", "bus")), teachers, names)
    assert {names.classes[i] for i in labels.class_ids} == {"bus"}
    assert labels.named.all()


def test_votes_that_disagree_leave_the_general_name(footage, teacher, walker):
    naming = walker(range(20), score=0.3, class_id=1) + walker(range(20, 40), score=0.3, class_id=0)
    teachers = [teacher("vehicle"), teacher("car", "bus", weight=0.0)]
    names = names_of(teachers)
    labels = label_clip(footage(walker(range(FRAMES)), naming, classes=("car", "bus")), teachers, names)
    assert {names.classes[i] for i in labels.class_ids} == {"vehicle"}
    assert not labels.named.any()


def test_nothing_found_gives_no_labels(label):
    assert len(label([])) == 0
