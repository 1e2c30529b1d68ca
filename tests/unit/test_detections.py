"""Columns of equal length, and what they become elsewhere."""

import json

import numpy as np
import pytest
import supervision

from streamdet.detections import Detections

CLASSES = ("person", "car", "truck")


@pytest.fixture
def found():
    return Detections.of(
        boxes=[[10.126, 20, 31, 40.5], [0, 0, 640, 360], [5, 5, 6, 7]],
        scores=[0.91349, 0.5, 0.25],
        class_ids=[0, 2, 1],
        classes=CLASSES,
        track_ids=[7, -1, 12],
    )


def test_columns_have_the_documented_types(found):
    assert (found.boxes.dtype, found.boxes.shape) == (np.float32, (3, 4))
    assert (found.scores.dtype, found.class_ids.dtype, found.track_ids.dtype) == (np.float32, np.int64, np.int64)
    assert len(found) == 3


def test_nothing_found():
    empty = Detections.empty(CLASSES)
    assert (len(empty), empty.boxes.shape, empty.class_names) == (0, (0, 4), ())
    assert (empty.to_coco(1), empty.to_mot(1), len(empty.to_supervision())) == ([], [], 0)


def test_without_identities_all_are_minus_one():
    assert Detections.of([[0, 0, 1, 1]] * 2, [0.9, 0.8], [0, 1], CLASSES).track_ids.tolist() == [-1, -1]


def test_names_of_classes(found):
    assert found.class_names == ("person", "truck", "car")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.array([2, 0]), [12, 7]),
        (np.array([True, False, True]), [7, 12]),
        (slice(1, 3), [-1, 12]),
        (np.zeros(3, bool), []),
    ],
)
def test_rows(found, rows, expected):
    part = found[rows]
    assert part.track_ids.tolist() == expected
    assert len(part.boxes) == len(part.scores) == len(part.class_ids) == len(expected)
    assert part.classes == CLASSES


def test_other_identities_leave_the_boxes(found):
    other = found.with_track_ids(np.array([1, 2, 3]))
    assert other.track_ids.tolist() == [1, 2, 3]
    assert other.boxes is found.boxes
    assert found.track_ids.tolist() == [7, -1, 12]


@pytest.mark.parametrize(
    "column",
    [
        {"boxes": np.zeros((2, 4), np.float32)},
        {"boxes": np.zeros((3, 5), np.float32)},
        {"class_ids": np.zeros(2, np.int64)},
        {"track_ids": np.zeros((3, 1), np.int64)},
        {"scores": np.zeros(4, np.float32)},
    ],
)
def test_columns_of_other_lengths_fail(found, column):
    columns = {name: getattr(found, name) for name in ("boxes", "scores", "class_ids", "track_ids")}
    with pytest.raises(ValueError, match="columns differ in length"):
        Detections(**(columns | column), classes=CLASSES)


def test_identities_of_another_length_fail(found):
    with pytest.raises(ValueError, match="track_ids"):
        found.with_track_ids(np.array([1]))


def test_supervision_has_the_same_columns(found):
    other = found.to_supervision()
    assert isinstance(other, supervision.Detections)
    np.testing.assert_array_equal(other.xyxy, found.boxes)
    np.testing.assert_array_equal(other.confidence, found.scores)
    assert other.class_id.tolist() == [0, 2, 1]
    assert other.tracker_id.tolist() == [7, -1, 12]
    assert other["class_name"].tolist() == ["person", "truck", "car"]


def test_supervision_works_on_with_them(found):
    other = found.to_supervision()
    assert other[other.confidence > 0.3].class_id.tolist() == [0, 2]
    assert len(supervision.Detections.merge([other, other])) == 6
    drawn = supervision.BoxAnnotator().annotate(np.zeros((360, 640, 3), np.uint8), other)
    assert drawn.any()


def test_supervision_gets_copies(found):
    found.to_supervision().xyxy[:] = 0
    assert found.boxes[1, 2] == 640


def test_supervision_has_no_identities_where_none_is_known(found):
    assert found.with_track_ids(np.full(3, -1)).to_supervision().tracker_id is None


@pytest.mark.parametrize(
    ("category_ids", "expected"),
    [(None, [1, 3, 2]), ((1, 3, 8), [1, 8, 3])],
)
def test_coco_results(found, category_ids, expected):
    rows = found.to_coco(42, category_ids)
    assert [row["category_id"] for row in rows] == expected
    assert {row["image_id"] for row in rows} == {42}
    assert rows[0]["bbox"] == pytest.approx([10.13, 20.0, 20.87, 20.5])
    assert rows[1]["bbox"] == [0.0, 0.0, 640.0, 360.0]
    assert rows[0]["score"] == pytest.approx(0.91349, abs=1e-5)
    assert json.loads(json.dumps(rows)) == rows


def test_mot_lines(found):
    assert found.to_mot(1) == [
        "1,7,10.13,20.00,20.87,20.50,0.9135,-1,-1,-1",
        "1,-1,0.00,0.00,640.00,360.00,0.5000,-1,-1,-1",
        "1,12,5.00,5.00,1.00,2.00,0.2500,-1,-1,-1",
    ]
