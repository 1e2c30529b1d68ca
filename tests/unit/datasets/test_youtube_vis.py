import copy
import json

import numpy as np
import pytest

from streamdet.datasets.youtube_vis import read_youtube_vis
from streamdet.errors import ConfigError

NAMES = ["0043f0/00000.jpg", "0043f0/00005.jpg", "0043f0/00010.jpg"]
FILE = {
    "videos": [{"id": 3, "width": 64, "height": 48, "length": 3, "file_names": NAMES}],
    "annotations": [
        {"id": 8, "video_id": 3, "category_id": 26, "iscrowd": 0, "bboxes": [[10, 20, 30, 10], None, [12, 20, 30, 10]]},
        {"id": 9, "video_id": 3, "category_id": 1, "iscrowd": 1, "bboxes": [None, [1, 1, 4, 4], None]},
    ],
    "categories": [{"id": 1, "name": "person"}, {"id": 26, "name": "sedan"}],
}


@pytest.fixture
def write(tmp_path, draw):
    for name in NAMES:
        draw(tmp_path / "train/JPEGImages" / name)

    def write(change=lambda file: None):
        file = copy.deepcopy(FILE)
        change(file)
        path = tmp_path / "train/instances.json"
        path.write_text(json.dumps(file))
        return path

    return write


def test_a_video(write):
    labelled = read_youtube_vis(write())
    assert labelled.classes == ("person", "sedan")
    (video,) = labelled.videos
    assert (video.name, video.width, video.height) == ("0043f0", 64, 48)
    np.testing.assert_allclose(video.times_s, [0, 1 / 6, 2 / 6])
    first, second, third = video.labels
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 30]])
    np.testing.assert_array_equal(third.boxes, [[12, 20, 42, 30]])
    assert first.class_ids.tolist() == [1]
    assert [labels.track_ids.tolist() for labels in video.labels] == [[0], [], [0]]
    np.testing.assert_array_equal(second.ignore, [[1, 1, 5, 5]])
    assert len(list(video.frames.read())) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f["annotations"][0].pop("bboxes"), r"annotations\.0\.bboxes: Field required"),
        (lambda f: f["annotations"][0]["bboxes"].pop(), "annotation 8: 2 bboxes, expected 3"),
        (lambda f: f["annotations"][0].update(category_id=7), "annotation 8: no category has id 7"),
        (lambda f: f["annotations"][0].update(video_id=7), "annotations refer to video 7"),
        (lambda f: f["videos"][0].update(file_names=[]), r"videos\.0\.file_names"),
        (lambda f: f["videos"][0].update(file_names=["x/1.jpg"]), r"its picture x/1\.jpg is neither"),
        (lambda f: f.update(annotations=None), "annotations: "),
    ],
)
def test_a_malformed_file_fails(write, change, message):
    with pytest.raises(ConfigError, match=message):
        read_youtube_vis(write(change))
