"""From a recipe to footage, on a set of its own: COCO stills and video as files."""

import json

import cv2
import numpy as np
import pytest

from streamdet.errors import ConfigError
from streamdet.training.config import TrainingConfig
from streamdet.training.prepare import open_footage, open_validation

PHASE = {"name": "only", "steps": 4, "frames": 1, "lanes": 2, "canvases": [[64, 96]], "learning_rate": 1e-3}


@pytest.fixture
def data(tmp_path):
    """A video `yard` of ten frames with a dog in each, as COCO-VID beside its pictures."""
    images, annotations = [], []
    for number in range(10):
        name = f"yard-{number}.png"
        cv2.imwrite(str(tmp_path / name), np.full((60, 80, 3), 10 * number, np.uint8))
        images.append(
            {"id": number + 1, "video_id": 1, "frame_id": number, "file_name": name, "width": 80, "height": 60}
        )
        annotations.append(
            {"id": number + 1, "image_id": number + 1, "video_id": 1, "category_id": 1, "track_id": 0}
            | {"instance_id": 1, "bbox": [10, 10, 20 + number, 20], "area": 400, "iscrowd": 0}
        )
    labels = {
        "videos": [{"id": 1, "name": "yard", "width": 80, "height": 60, "fps": 10}],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": 1, "name": "dog"}],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    return tmp_path


def _config(data, classes=("dog",), **options):
    part = {"name": "yard", "path": "labels.json"} | options
    recipe = {"model": {"name": "m", "classes": list(classes)}, "data": str(data), "sets": [part], "phases": [PHASE]}
    return TrainingConfig.model_validate(recipe)


def _open(config, data):
    return open_footage(config, data / "cache", lambda _: None)


def test_what_is_held_out_is_judged_and_never_trained_on(data):
    config = _config(data, hold_out={"yard": [6, 10]})
    (footage,) = _open(config, data)
    assert [len(video) for video in footage.videos] == [6]
    assert [int(footage.frame(0, i)[0, 0, 0]) for i in range(6)] == [0, 10, 20, 30, 40, 50]
    judged = open_validation(config)["yard"].videos[0]
    assert [int(image[0, 0, 0]) for image in judged.frames.read()] == [60, 70, 80, 90]


def test_middle_that_is_held_out_leaves_two_videos(data):
    (footage,) = _open(_config(data, hold_out={"yard": [4, 6]}), data)
    assert [len(video) for video in footage.videos] == [4, 4]
    assert int(footage.frame(1, 0)[0, 0, 0]) == 60


def test_class_names_say_which_class_each_label_is(data):
    config = _config(data, classes=("animal", "plant"), class_names={"dog": "animal"})
    (footage,) = _open(config, data)
    marks = footage.marks(0, 2)
    assert marks.class_ids.tolist() == [0]
    assert marks.labelled.tolist() == [True, False]


def test_untrusted_marks_are_ignored_when_judging(data):
    config = _config(data, hold_out={"yard": [0, 4]}, ignore_below_px=50, ignore_areas=[[0, 0, 1, 0.5]])
    labels = open_validation(config)["yard"].videos[0].labels[0]
    assert len(labels.boxes) == 0
    assert labels.ignore.tolist() == [[10, 10, 30, 30], [0, 0, 80, 30]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classes": ("cat",)}, "labels dog, none of which is a class of the model; class_names says"),
        ({"hold_out": {"garden": [0, 5]}}, "hold_out names garden; its videos are yard"),
        ({"hold_out": {"yard": [0, 10]}}, "has no labelled frame to train on"),
        ({"role": "validate"}, "nothing to train on"),
        ({"path": "none.json"}, "does not exist"),
    ],
)
def test_mistake_is_named(data, options, message):
    config = _config(data, **options)
    with pytest.raises(ConfigError, match=message):
        _open(config, data)
