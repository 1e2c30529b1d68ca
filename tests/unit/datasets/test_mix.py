import numpy as np
import pytest

from streamdet.datasets.frames import ImageFiles
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import Marks
from streamdet.datasets.mix import map_classes, mix
from streamdet.errors import ConfigError

STREET = ("person", "car", "bus")


def labelled_set(classes, rows, labelled=None, frames=1):
    """One video with one box a row of class ids; boxes tell their number by their left edge."""
    marks = Marks(100, 100)
    for number, class_id in enumerate(rows):
        marks.box(0, (number, 0, number + 5, 5), class_id, number)
    marks.annotated(0)
    for frame in range(frames):
        marks.annotated(frame)
    ids = range(len(classes)) if labelled is None else labelled
    video = marks.video("v", ImageFiles([], (100, 100)), np.arange(max(frames, 2), dtype=np.float64), ids)
    return LabelledSet(name="set", classes=tuple(classes), videos=(video,))


def test_classes_are_mapped_by_name():
    old = labelled_set(["van", "dog", "rider", "bus", "car"], [0, 1, 2, 3, 4])
    new = map_classes(old, STREET, {"van": "car", "rider": "ignore"})
    assert new.classes == STREET
    first, second = new.videos[0].labels
    np.testing.assert_array_equal(first.boxes[:, 0], [0, 3, 4])
    assert first.class_ids.tolist() == [1, 2, 1]
    assert first.track_ids.tolist() == [0, 3, 4]
    np.testing.assert_array_equal(first.ignore, [[2, 0, 7, 5]])
    assert second is None


def test_a_class_is_labelled_where_all_that_it_came_from_are():
    classes = ["van", "car", "bus"]
    names = {"van": "car"}
    assert map_classes(labelled_set(classes, []), STREET, names).videos[0].labelled == {1, 2}
    assert map_classes(labelled_set(classes, [], labelled=[1, 2]), STREET, names).videos[0].labelled == {2}


def test_public_names_are_known_whatever_their_case():
    old = labelled_set(["Pedestrian", "van", "Car", "cyclist", "tram"], [0, 1, 2, 3, 4])
    labels = map_classes(old, STREET).videos[0].labels[0]
    assert labels.class_ids.tolist() == [0, 1, 1]
    assert len(labels.ignore) == 1
    same = map_classes(old, old.classes).videos[0].labels[0]
    assert same.class_ids.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("names", [{"lorry": "bus"}, {"van": "lorry"}])
def test_a_name_that_is_nowhere_fails(names):
    with pytest.raises(ConfigError, match=r"set: cannot map .* it has van, car; they can become person, car, bus"):
        map_classes(labelled_set(["van", "car"], []), STREET, names)


def test_weights_are_shared_by_annotated_frames():
    one = labelled_set(STREET, [0], frames=2)
    two = LabelledSet("two", STREET, (*labelled_set(STREET, [0], frames=6).videos, *one.videos))
    mixed = mix([one, two], [1, 3])
    assert mixed.classes == STREET
    assert [len(video) for video in mixed.videos] == [2, 6, 2]
    np.testing.assert_allclose(mixed.probabilities, [0.25, 0.75 * 6 / 8, 0.75 * 2 / 8])


@pytest.mark.parametrize("weight", [0, -1, float("nan"), float("inf")])
def test_a_weight_that_is_none_fails(weight):
    with pytest.raises(ConfigError, match="set: weight"):
        mix([labelled_set(STREET, [0])], [weight])


def test_a_set_without_an_annotated_frame_fails():
    with pytest.raises(ConfigError, match="empty: has no labelled frame"):
        mix([LabelledSet("empty", STREET, ())], [1])


def test_sets_of_different_classes_cannot_be_mixed():
    with pytest.raises(ValueError, match="equal classes"):
        mix([labelled_set(STREET, []), labelled_set(STREET[:2], [])], [1, 1])
