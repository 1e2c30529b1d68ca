import numpy as np
import pytest

from streamdet.datasets.labels import LabelledVideo, Labels
from streamdet.detections import Detections
from streamdet.training.teacher import add_teacher_labels

CLASSES = ("person", "car")


def _video(labelled, labels=True):
    own = Labels(np.array([[0, 0, 10, 10]], np.float32), np.array([1]), np.array([4])) if labels else None
    return LabelledVideo("a", 100, 100, np.zeros(1), (own,), frozenset(labelled), ((0, 1),), frames=None)


def _found(*rows):
    """Rows of box corner, score and class name; boxes are 10 x 10."""
    boxes = [[x, y, x + 10, y + 10] for (x, y), _, _ in rows]
    names = ("car", "person", "boat")
    return Detections.of(
        np.array(boxes), np.array([r[1] for r in rows]), np.array([names.index(r[2]) for r in rows]), names
    )


def _taught(video, *rows):
    return add_teacher_labels(video, [_found(*rows)], CLASSES).labels[0]


def test_class_that_nobody_marked_gets_the_teachers_labels():
    labels = _taught(_video({1}), ((50, 50), 0.9, "person"))
    assert labels.class_ids.tolist() == [1, 0]
    assert labels.track_ids.tolist() == [4, -1]
    assert labels.boxes[1].tolist() == [50, 50, 60, 60]
    assert len(labels.ignore) == 0


def test_unmarked_object_of_a_marked_class_is_ignored():
    labels = _taught(_video({0, 1}), ((50, 50), 0.9, "car"))
    assert len(labels.boxes) == 1
    assert labels.ignore.tolist() == [[50, 50, 60, 60]]


def test_doubtful_object_is_ignored_and_an_unlikely_one_left_out():
    labels = _taught(_video({1}), ((50, 50), 0.4, "person"), ((70, 70), 0.2, "person"))
    assert len(labels.boxes) == 1
    assert labels.ignore.tolist() == [[50, 50, 60, 60]]


def test_marked_object_is_left_as_it_is_whatever_the_teacher_calls_it():
    labels = _taught(_video({1}), ((1, 1), 0.9, "person"), ((0, 0), 0.9, "car"))
    assert len(labels.boxes) == 1
    assert len(labels.ignore) == 0


def test_class_that_the_set_does_not_know_is_left_out():
    labels = _taught(_video({1}), ((50, 50), 0.9, "boat"))
    assert len(labels.boxes) == 1
    assert len(labels.ignore) == 0


def test_frame_that_nobody_annotated_stays_so():
    assert _taught(_video({1}, labels=False), ((50, 50), 0.9, "car")) is None


def test_other_number_of_frames_fails():
    with pytest.raises(ValueError, match="has 1 frames, the teacher ran on 2"):
        add_teacher_labels(_video({1}), [_found(((0, 0), 0.9, "car"))] * 2, CLASSES)
