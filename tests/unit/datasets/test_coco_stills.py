import json

import numpy as np
import pytest

from streamdet.datasets.coco_stills import read_coco_stills
from streamdet.datasets.numbering import Order
from streamdet.datasets.open_set import open_set
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
    labelled = read_coco_stills(path, Order())
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
    assert read_coco_stills(path, Order()).videos[0].labelled == {0, 1}


def _boxes(path, *rows):
    annotations = [{"id": n, "image_id": "two", "category_id": 3, **row} for n, row in enumerate(rows)]
    path.write_text(json.dumps(FILE | {"annotations": annotations}))
    labels = read_coco_stills(path, Order()).videos[1].labels[0]
    return labels.boxes.tolist(), labels.ignore.tolist()


def test_a_crowd_of_null_is_none(path):
    assert _boxes(path, {"bbox": [4, 6, 10, 20], "iscrowd": None}) == ([[4, 6, 14, 26]], [])


@pytest.mark.parametrize(
    "segmentation",
    [
        [[4, 6, 14, 6, 14, 26], [4, 20, 5, 25, 6, 26]],
        # Of 32 x 40: columns 4 to 13, rows 6 to 25 of each.
        {"size": [40, 32], "counts": [4 * 40 + 6, 20, *[20, 20] * 9, 18 * 40 - 26 + 40]},
        {"size": [40, 32], "counts": "V5d0d000000000000000000Zf0"},
    ],
)
def test_outlines_and_masks_become_the_boxes_around_them(path, segmentation):
    for bbox in ({}, {"bbox": None}, {"bbox": []}):
        assert _boxes(path, {"segmentation": segmentation, **bbox}) == ([[4, 6, 14, 26]], [])


def test_keypoints_need_their_box(path):
    assert _boxes(path, {"bbox": [4, 6, 10, 20], "keypoints": [5, 7, 2], "num_keypoints": 1}) == ([[4, 6, 14, 26]], [])
    with pytest.raises(ConfigError, match=r"annotations\.0\.bbox: Field required"):
        _boxes(path, {"keypoints": [5, 7, 2], "num_keypoints": 1})


def test_ids_may_be_numbers_in_one_place_and_text_in_another(path):
    images = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]
    row = {"id": 1, "image_id": "1", "category_id": "3", "bbox": [4, 6, 10, 20]}
    (path.parent / "a.jpg").write_bytes((path.parent / "train/a.jpg").read_bytes())
    path.write_text(json.dumps(FILE | {"images": images, "annotations": [row]}))
    labelled = read_coco_stills(path, Order())
    assert labelled.videos[0].labels[0].boxes.tolist() == [[4, 6, 14, 26]]
    assert "numbers in one place and text in another" in labelled.notes[0]


@pytest.mark.parametrize("key", ["track_id", "attributes"])
def test_track_ids_tell_that_pictures_are_frames_of_a_video(tmp_path, draw, key):
    """As CVAT exports a task of a video."""
    images = [{"id": n, "file_name": f"IMG_{n:06}.PNG", "width": 64, "height": 48} for n in (3, 8, 9)]
    rows = [
        {
            "id": n,
            "image_id": n,
            "category_id": 3,
            "bbox": [4, 6, 10, 20],
            key: {"track_id": 5} if key != "track_id" else 5,
        }
        for n in (3, 8)
    ]
    for image in images:
        draw(tmp_path / "images" / image["file_name"])
    (tmp_path / "labels.json").write_text(json.dumps(FILE | {"images": images, "annotations": rows}))
    (video,) = read_coco_stills(tmp_path / "labels.json", Order(fps=10)).videos
    assert [labels.track_ids.tolist() for labels in video.labels] == [[0], [0], []]
    np.testing.assert_allclose(video.times_s, [0.3, 0.8, 0.9])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": []}, "images: "),
        ({"info": {"labelled": ["dog"]}}, "info: labelled names"),
        (
            {"images": [{"id": 1, "file_name": "c.jpg", "width": 64, "height": 48}], "annotations": []},
            r"pictures is found, such as c\.jpg",
        ),
        ({"images": [{"id": 1, "file_name": "a.jpg", "width": 0, "height": 48}]}, r"images\.0\.width"),
        ({"images": FILE["images"][:1]}, "annotation 1: no image has id two"),
    ],
)
def test_a_malformed_file_fails(path, change, message):
    path.write_text(json.dumps(FILE | change))
    with pytest.raises(ConfigError, match=message):
        read_coco_stills(path, Order())


def _of_a_video(crowd, as_text):
    """As CVAT exports a video of 12 frames with one object."""
    return {
        "categories": [{"id": 1, "name": "person", "supercategory": ""}],
        "images": [
            {"id": number, "width": 64, "height": 48, "file_name": f"frame_{number - 1:06}.PNG"}
            for number in range(1, 13)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": str(number) if as_text else number,
                "category_id": 1,
                "segmentation": [],
                "bbox": [number, 6, 10, 20],
                "iscrowd": crowd,
                "attributes": {"track_id": 0},
            }
            for number in range(1, 13)
        ],
    }


@pytest.mark.parametrize(("crowd", "as_text"), [(None, False), (0, True), (None, True)])
def test_crowds_that_are_null_and_ids_that_are_text_here_and_numbers_there(tmp_path, draw, crowd, as_text):
    for number in range(12):
        draw(tmp_path / f"frame_{number:06}.PNG")
    (tmp_path / "labels.json").write_text(json.dumps(_of_a_video(crowd, as_text)))
    labelled = read_coco_stills(tmp_path / "labels.json", Order())
    (video,) = labelled.videos
    assert [labels.boxes.tolist() for labels in video.labels] == [[[n, 6, n + 10, 26]] for n in range(1, 13)]
    assert {int(labels.track_ids[0]) for labels in video.labels} == {0}
    assert [len(labels.ignore) for labels in video.labels] == [0] * 12
    assert bool([note for note in labelled.notes if "text" in note]) is as_text


def test_pictures_that_are_not_there_are_asked_for_where_they_are_looked_for(tmp_path):
    (tmp_path / "labels.json").write_text(json.dumps(_of_a_video(0, False)))
    with pytest.raises(ConfigError) as caught:
        read_coco_stills(tmp_path / "labels.json", Order())
    assert str(caught.value).endswith(
        f"none of its pictures is found, such as frame_000000.PNG; put them into {tmp_path}, or into a folder called "
        "images in it or beside it"
    )


def test_lvis_says_of_each_picture_which_classes_it_knows(tmp_path, draw):
    for name in ("000000000001", "000000000002"):
        draw(tmp_path / f"{name}.jpg")
    file = {
        "categories": [{"id": n, "name": name} for n, name in enumerate(("person", "bus", "car", "dog"), 1)],
        "images": [
            {
                "id": number,
                "coco_url": f"http://images.cocodataset.org/train2017/{number:012}.jpg",
                "width": 64,
                "height": 48,
                "neg_category_ids": [2],
                "not_exhaustive_category_ids": partly,
            }
            for number, partly in ((1, []), (2, [3]))
        ],
        "annotations": [
            {"id": n, "image_id": n, "category_id": category, "bbox": [1, 2, 3, 4]} for n, category in ((1, 1), (2, 3))
        ],
    }
    (tmp_path / "lvis.json").write_text(json.dumps(file))
    labelled = open_set(tmp_path / "lvis.json", order=Order(stills=True))
    known = {video.name: {labelled.classes[index] for index in video.labelled} for video in labelled.videos}
    assert list(known.values()) == [{"person", "bus"}, {"bus"}]
