"""How the demo compares what was found with what is there."""

import json

from streamdet.cli.demo import found_objects, recall, true_objects


def test_recall_counts_objects_of_the_class_in_the_frame():
    true = {0: [("car", (0, 0, 10, 10)), ("person", (20, 0, 30, 20))], 1: [("car", (0, 0, 10, 10))], 2: []}
    found = {0: [("car", (0, 0, 10, 9)), ("car", (20, 0, 30, 20))], 2: [("car", (0, 0, 10, 10))]}
    assert recall(true, found) == (1, 3)
    assert recall({}, found) == (0, 0)


def test_objects_that_are_hidden_or_specks_do_not_count():
    row = {"image_id": 5, "category_id": 2, "bbox": [10, 20, 30, 40], "visible_fraction": 0.9}
    labels = {
        "categories": [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}],
        "images": [{"id": 5, "frame_id": 0}],
        "annotations": [row, row | {"visible_fraction": 0.4}, row | {"bbox": [0, 0, 10, 40]}],
    }
    assert true_objects(labels) == {0: [("car", (10, 20, 40, 60))]}


def test_objects_of_json_lines():
    lines = [
        {"type": "run"},
        {"type": "frame", "frame": 3, "detections": [{"class": "car", "box": [1, 2, 3, 4], "score": 0.5}]},
        {"type": "end"},
    ]
    assert found_objects([json.dumps(line) for line in lines]) == {3: [("car", [1, 2, 3, 4])]}
