import json

import numpy as np
import pytest

from streamdet.datasets.coco_stills import read_coco_stills
from streamdet.errors import ConfigError

FILE = {
    "info": {"description": "a set", "labelled": ["bus"]},
    "images": [
        {"id": 1, "file_name": "train/a.jpg", "width": 64, "height": 48, "license": 3},
        {"id": "two", "file_name": "train/b.jpg", "width": 32, "height": 40},
    ],
    "annotations": [
        {"id": 1, "image_id": "two", "category_id": 2, "bbox": [4, 6, 10, 20], "iscrowd": 0, "segmentation": [[1, 2]]},
        {
            "id": 2,
            "image_id": "two",
            "category_id": 1,
            "bbox": [0, 0, 8, 8],
            "iscrowd": 1,
            "segmentation": {"counts": "x"},
        },
    ],
    "categories": [
        {"id": 1, "name": "person", "supercategory": ""},
        {"id": 2, "name": "bus"},
        {"id": 3, "name": "bus"},
    ],
}


@pytest.fixture
def path(tmp_path, draw):
    draw(tmp_path / "town/train/a.jpg")
    draw(tmp_path / "town/train/b.jpg", (32, 40))
    return tmp_path / "town/train.json"


def test_stills_are_videos_of_one_frame(path):
    path.write_text(json.dumps(FILE))
    labelled = read_coco_stills(path)
    assert labelled.name == "town/train"
    assert labelled.classes == ("person", "bus")
    first, second = labelled.videos
    assert [video.name for video in labelled.videos] == ["train/a.jpg", "train/b.jpg"]
    assert first.labelled == second.labelled == {1}
    assert first.times_s.tolist() == [0.0]
    assert first.segments == ((0, 1),)
    assert len(first.labels[0].boxes) == 0
    np.testing.assert_array_equal(second.labels[0].boxes, [[4, 6, 14, 26]])
    np.testing.assert_array_equal(second.labels[0].class_ids, [1])
    np.testing.assert_array_equal(second.labels[0].ignore, [[0, 0, 8, 8]])
    assert [image.shape for image in second.frames.read()] == [(40, 32, 3)]


def test_all_classes_are_labelled_where_the_file_does_not_say(path):
    path.write_text(json.dumps({key: value for key, value in FILE.items() if key != "info"}))
    assert read_coco_stills(path).videos[0].labelled == {0, 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "images: "),
        ({"info": {"labelled": ["dog"]}}, "info: labelled names"),
        ({"images": [{"id": 1, "file_name": "c.jpg", "width": 64, "height": 48}], "annotations": []}, "picture c.jpg"),
        ({"images": [{"id": 1, "file_name": "a.jpg", "width": 0, "height": 48}]}, r"images\.0\.width"),
        ({"images": FILE["images"][:1]}, "annotation 1: no image has id two"),
    ],
)
def test_a_malformed_file_fails(path, change, message):
    path.write_text(json.dumps(FILE | change))
    with pytest.raises(ConfigError, match=message):
        read_coco_stills(path)
