import copy
import json

import numpy as np
import pytest

from streamdet.datasets.coco_vid import read_coco_vid
from streamdet.errors import ConfigError

FILE = {
    "videos": [
        {
            "id": 7,
            "name": "north",
            "file_name": "north.mp4",
            "width": 64,
            "height": 48,
            "frames": 6,
            "labelled": ["car"],
            "segments": [[0, 2], [2, 6]],
        }
    ],
    "images": [
        {"id": 2, "video_id": 7, "frame_id": 3, "time_s": 0.12},
        {"id": 1, "video_id": 7, "frame_id": 0, "time_s": 0.0},
        {"id": 3, "video_id": 7, "frame_id": 4, "time_s": 0.16},
    ],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 5, "bbox": [10, 20, 30.5, 10], "area": 305, "iscrowd": 0},
        {"id": 2, "image_id": 1, "category_id": 9, "bbox": [60, 40, 10, 10], "iscrowd": 0, "instance_id": 41},
        {"id": 3, "image_id": 2, "category_id": 9, "bbox": [0, 0, 20, 20], "iscrowd": 1},
    ],
    "categories": [{"id": 9, "name": "car"}, {"id": 5, "name": "person"}],
}


@pytest.fixture
def write(tmp_path, film):
    film(tmp_path / "north.mp4", 6)

    def write(change=lambda file: None):
        file = copy.deepcopy(FILE)
        change(file)
        path = tmp_path / "labels.json"
        path.write_text(json.dumps(file))
        return path

    return write


def test_a_video_file_with_some_frames_annotated(write, number_in):
    labelled = read_coco_vid(write())
    assert labelled.classes == ("car", "person")
    (video,) = labelled.videos
    assert (video.name, video.width, video.height, len(video)) == ("north", 64, 48, 6)
    assert video.labelled == {0}
    assert video.segments == ((0, 2), (2, 6))
    assert [labels is not None for labels in video.labels] == [True, False, False, True, True, False]
    first, crowd, empty = (video.labels[i] for i in (0, 3, 4))
    np.testing.assert_array_equal(first.boxes, np.array([[10, 20, 40.5, 30], [60, 40, 64, 48]], np.float32))
    np.testing.assert_array_equal(first.class_ids, [1, 0])
    np.testing.assert_array_equal(first.track_ids, [-1, 0])
    assert len(crowd.boxes) == 0
    np.testing.assert_array_equal(crowd.ignore, [[0, 0, 20, 20]])
    assert len(empty.boxes) == len(empty.ignore) == 0
    assert [number_in(image) for image in video.frames.read(2, 4)] == [2, 3]


def test_times_are_those_of_the_images_where_every_frame_has_one(write):
    def change(file):
        file["images"] = [{"id": i, "video_id": 7, "frame_id": i, "time_s": i + i // 3} for i in range(6)]
        file["videos"][0].pop("segments")

    (video,) = read_coco_vid(write(change)).videos
    np.testing.assert_array_equal(video.times_s, [0, 1, 2, 4, 5, 6])
    assert video.segments == ((0, 6),)


def test_times_and_length_are_those_of_the_video_file_otherwise(tmp_path, write, film):
    film(tmp_path / "north.mp4", 6, [0, 40, 80, 400, 440, 500])

    def change(file):
        for key in ("segments", "frames", "width", "height", "labelled"):
            file["videos"][0].pop(key)

    (video,) = read_coco_vid(write(change)).videos
    np.testing.assert_allclose(video.times_s, [0, 0.04, 0.08, 0.4, 0.44, 0.5])
    assert video.segments == ((0, 3), (3, 6))
    assert video.labelled == {0, 1}
    assert (video.width, video.height) == (64, 48)


def test_a_video_of_pictures(tmp_path, draw):
    for number in (0, 10, 20, 90):
        draw(tmp_path / f"v/{number:03}.jpg", colour=(number, number, number))
    images = [
        {"id": n, "video_id": 1, "frame_id": n, "file_name": f"v/{n:03}.jpg", "width": 64, "height": 48}
        for n in (20, 0, 10, 90)
    ]
    file = FILE | {"videos": [{"id": 1, "name": "v", "fps": 10}], "images": images, "annotations": []}
    (tmp_path / "a.json").write_text(json.dumps(file))
    (video,) = read_coco_vid(tmp_path / "a.json").videos
    np.testing.assert_allclose(video.times_s, [0, 1, 2, 9])
    assert video.segments == ((0, 3), (3, 4))
    assert [int(image.mean().round()) for image in video.frames.read()] == [0, 10, 20, 90]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["annotations"][1].update(category_id=4), "annotation 2: no category has id 4"),
        (lambda f: f["annotations"][1].update(image_id=8), "annotation 2: no image has id 8"),
        (lambda f: f["annotations"][1].update(bbox=[1, 2, 3]), r"annotations\.1\.bbox\.3: Field required"),
        (lambda f: f["annotations"][1].update(bbox=[1, 2, 3, "x"]), r"annotations\.1\.bbox\.3: "),
        (lambda f: f["images"][0].update(video_id=8), "images refer to video 8"),
        (lambda f: f["images"][0].update(frame_id=-1), r"images\.0\.frame_id: "),
        (lambda f: f["images"][0].update(frame_id=10**12), r"images\.0\.frame_id: "),
        (lambda f: f["images"][0].update(frame_id=6), "frame_id 6, the video has 6 frames"),
        (lambda f: f["images"][0].update(frame_id=0), "several images have the same frame_id"),
        (lambda f: f["videos"][0].update(frames=7), "has 7 frames, but .*north.mp4 has 6"),
        (lambda f: f["videos"][0].update(width=640), "labels are for 640x48 pixels"),
        (lambda f: f["videos"][0].update(labelled=["dog"]), r"video north: labelled names \['dog'\]"),
        (lambda f: f["videos"][0].update(segments=[[0, 2], [3, 6]]), "segments must cover frames 0 to 6"),
        (lambda f: f["videos"][0].update(segments=[[0, 6], [6, 6]]), "segments must cover frames 0 to 6"),
        (lambda f: f["videos"][0].update(file_name="south.mp4"), "south.mp4: the video .* does not exist"),
        (lambda f: f["videos"][0].pop("file_name"), "expected file_name of the video, or of each of its images"),
        (lambda f: f.pop("categories"), "categories: Field required"),
    ],
)
def test_a_malformed_file_fails(write, change, message):
    with pytest.raises(ConfigError, match=message):
        read_coco_vid(write(change))
