"""Columns of equal length, and what they become elsewhere."""

import json
import sys

import numpy as np
import pytest
import supervision

from streamdet.boxes import Letterbox
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
    assert (len(empty), empty.boxes.shape, empty.class_names.tolist(), list(empty)) == (0, (0, 4), [], [])
    assert (empty.to_coco(1), empty.to_mot(1), len(empty.to_supervision())) == ([], [], 0)


def test_without_identities_all_are_minus_one():
    assert Detections.of([[0, 0, 1, 1]] * 2, [0.9, 0.8], [0, 1], CLASSES).track_ids.tolist() == [-1, -1]


def test_names_of_classes(found):
    assert found.class_names.tolist() == ["person", "truck", "car"]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (np.array([2, 0]), [12, 7]),
        (np.array([True, False, True]), [7, 12]),
        (slice(1, 3), [-1, 12]),
        (np.zeros(3, bool), []),
        ([True, False, True], [7, 12]),
        ([2, 0], [12, 7]),
        ([], []),
        (-1, [12]),
    ],
)
def test_rows(found, rows, expected):
    part = found[rows]
    assert part.track_ids.tolist() == expected
    assert len(part.boxes) == len(part.scores) == len(part.class_ids) == len(expected)
    assert part.classes == CLASSES


def test_rows_by_the_name_of_their_class(found):
    assert found[found.class_names == "person"].track_ids.tolist() == [7]
    assert found[np.array(found.class_names) == "car"].track_ids.tolist() == [12]
    assert found[found.class_names == "tram"].track_ids.tolist() == []
    assert found.of_class("car", "person").track_ids.tolist() == [7, 12]


@pytest.mark.parametrize(
    ("name", "hint"), [("persons", "did you mean person"), ("tram", "there are person, car, truck")]
)
def test_a_class_that_the_model_does_not_have_fails(found, name, hint):
    with pytest.raises(ValueError, match=f"no class is called {name}; {hint}"):
        found.of_class(name)


@pytest.mark.parametrize(
    ("rows", "error", "message"),
    [
        (("person", "truck", "car") == "person", ValueError, "one bool for each of the 3 boxes"),
        ([True, False], ValueError, "one bool for each of the 3 boxes"),
        ("person", TypeError, "expected an index, a mask or a slice"),
        ([0.5, 1.0], TypeError, "expected an index, a mask or a slice"),
        ([[0, 1]], TypeError, "expected an index, a mask or a slice"),
    ],
)
def test_what_picks_no_rows_fails(found, rows, error, message):
    with pytest.raises(error, match=message):
        found[rows]


def test_each_row_alone(found):
    assert [row.class_name for row in found] == ["person", "truck", "car"]
    first = next(iter(found))
    assert first.box == pytest.approx((10.126, 20, 31, 40.5))
    assert (first.score, first.class_id, first.track_id) == (pytest.approx(0.91349), 0, 7)


@pytest.fixture
def full(found):
    rng = np.random.default_rng(0)
    return Detections.of(
        found.boxes,
        found.scores,
        found.class_ids,
        CLASSES,
        found.track_ids,
        class_scores=rng.random((3, 3)),
        masks=rng.integers(0, 256, (3, 28, 28)),
        keypoints=rng.random((3, 17, 3)),
        embeddings=rng.random((3, 8)),
        support=[0.1, 0.2, 0.9],
        carried=[False, False, True],
    )


def test_optional_columns_go_with_their_rows(full):
    part = full[[2, 0]]
    assert part.carried.tolist() == [True, False]
    assert part.support.tolist() == pytest.approx([0.9, 0.1])
    for name in ("class_scores", "masks", "keypoints", "embeddings"):
        np.testing.assert_array_equal(getattr(part, name), getattr(full, name)[[2, 0]])
    assert full.with_track_ids([1, 2, 3]).masks is full.masks


def test_optional_columns_survive_supervision(full):
    back = Detections.from_supervision(full.to_supervision()[np.array([0, 2])], CLASSES)
    for name, column in back.columns().items():
        assert column.dtype == full.columns()[name].dtype, name
        np.testing.assert_array_equal(column, full.columns()[name][[0, 2]])
    assert set(back.columns()) == set(full.columns())


def test_concatenated_rows_keep_their_columns(full):
    both = Detections.concatenate([full[:1], Detections.empty(CLASSES), full[1:]])
    assert set(both.columns()) == set(full.columns())
    for name, column in both.columns().items():
        np.testing.assert_array_equal(column, full.columns()[name])
    assert len(Detections.concatenate([Detections.empty(CLASSES)] * 2)) == 0


def test_what_differs_is_not_concatenated(found, full):
    with pytest.raises(ValueError, match=r"carried, class_scores, .*: only some of the detections"):
        Detections.concatenate([found, full])
    with pytest.raises(ValueError, match="of the same classes"):
        Detections.concatenate([found, Detections.empty(("cat",))])
    with pytest.raises(ValueError, match="at least one"):
        Detections.concatenate([])


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
        {"masks": np.zeros((3, 28, 27), np.uint8)},
        {"carried": np.zeros(2, bool)},
    ],
)
def test_columns_of_other_lengths_fail(found, column):
    columns = {name: getattr(found, name) for name in ("boxes", "scores", "class_ids", "track_ids")}
    with pytest.raises(ValueError, match=r"must have the shape \(\d"):
        Detections(**(columns | column), classes=CLASSES)


def test_a_column_that_nobody_knows_fails():
    with pytest.raises(TypeError, match="no column is called speed; there are class_scores, masks"):
        Detections.of([[0, 0, 1, 1]], [0.9], [0], CLASSES, speed=[1.0])


@pytest.mark.parametrize("class_id", [-1, 3])
def test_a_class_without_a_name_fails(class_id):
    with pytest.raises(ValueError, match="class_ids must be 0 to 2"):
        Detections.of([[0, 0, 1, 1]], [0.9], [class_id], CLASSES)


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


def test_what_coco_and_mot_hold_comes_back(found):
    back = Detections.from_coco(found.to_coco(1, (1, 3, 8)), CLASSES, (1, 3, 8))
    np.testing.assert_allclose(back.boxes, found.boxes, atol=0.011)
    assert back.class_ids.tolist() == found.class_ids.tolist()
    assert back.scores == pytest.approx(found.scores, abs=1e-5)
    tracks = Detections.from_mot(found.to_mot(1), ("object",))
    np.testing.assert_allclose(tracks.boxes, found.boxes, atol=0.011)
    assert tracks.track_ids.tolist() == found.track_ids.tolist()
    assert len(Detections.from_mot([], CLASSES)) == len(Detections.from_coco([], CLASSES)) == 0


def test_a_category_that_has_no_class_fails(found):
    with pytest.raises(ValueError, match="category_id 3 is not one of 1, 2"):
        Detections.from_coco(found.to_coco(1), ("person", "car"))


def test_without_supervision_the_error_says_what_to_install(found, monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ModuleNotFoundError, match="pip install supervision"):
        found.to_supervision()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_finite_leaves_out_what_is_no_number(found, bad):
    boxes, scores = found.boxes.copy(), found.scores.copy()
    boxes[0, 2], scores[2] = bad, bad
    assert Detections.of(boxes, scores, found.class_ids, CLASSES, found.track_ids).finite().track_ids.tolist() == [-1]
    assert found.finite() is found


def test_boxes_and_keypoints_of_a_model_image_are_restored_to_the_frame():
    box = Letterbox.fit(1280, 720, 320)
    found = Detections.of([[10, 20, 30, 40]], [0.5], [0], ("person",), keypoints=[[[10, 20, 0.7]]])
    restored = found.restored(box)
    assert restored.boxes.tolist() == [[40, 80, 120, 160]]
    np.testing.assert_allclose(restored.keypoints, [[[40, 80, 0.7]]])
    assert Detections.of([[10, 20, 30, 40]], [0.5], [0], ("person",)).restored(box).keypoints is None
