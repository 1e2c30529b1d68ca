import io
import json

import numpy as np
import pytest
from rich.console import Console

from streamdet.datasets.coco_vid import read_coco_vid
from streamdet.datasets.describe import describe, description_table
from streamdet.datasets.frames import ImageFiles
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import Marks


@pytest.fixture
def labelled(tmp_path, draw):
    marks = Marks(400, 300)
    marks.box(0, (0, 0, 31, 31), 0, "a")
    marks.box(0, (0, 0, 32, 32), 0, "b")
    marks.box(0, (100, 100, 196, 196), 1, "c")
    marks.box(1, (0, 0, 95, 96), 1, "a")
    marks.ignore(1, (0, 0, 10, 10))
    marks.annotated(2)
    paths = [draw(tmp_path / f"{number}.png", (400, 300)) for number in range(5)]
    video = marks.video("gate", ImageFiles(paths, (400, 300)), np.array([0, 1, 2, 10, 11.5]), {1})
    return LabelledSet("yard", ("car", "bus"), (video,))


def findings(labelled):
    return {finding["what"]: (finding["times"], finding["first"]) for finding in describe(labelled)["wrong"]}


def test_counts(labelled):
    found = describe(labelled)
    assert found.pop("wrong") == [
        {"what": "objects with two boxes", "times": 1, "first": "gate frame 0"},
        {"what": "identities with more than one class", "times": 1, "first": "gate identity 0"},
    ]
    assert found == {
        "name": "yard",
        "videos": 1,
        "frames": 5,
        "annotated_frames": 3,
        "empty_frames": 1,
        "gaps": 1,
        "seconds": 11.5,
        "identities": 3,
        "ignore_regions": 1,
        "picture_sizes": {"400x300": 1},
        "classes": {
            "car": {"small": 1, "medium": 1, "large": 0, "boxes": 2, "labelled_in": 0},
            "bus": {"small": 0, "medium": 1, "large": 1, "boxes": 2, "labelled_in": 1},
        },
        "notes": [],
    }
    json.dumps(found)


def test_what_looks_wrong_in_boxes_and_classes():
    marks = Marks(100, 100)
    for frame in range(2):
        marks.box(frame, (0, 0, 50, 50), 0, 1)
        marks.box(frame, (60, 60, 80, 62), 0, 1)
        marks.box(frame, (90, 90, 140, 140), 0)
    marks.box(1, (5, 5, 5, 9), 0)
    video = marks.video("gate", ImageFiles([], (100, 100)), np.arange(2.0), {0})
    unseen = Marks(10, 10).still("still", ImageFiles([], (10, 10)), {0})
    wrong = findings(LabelledSet("yard", ("traffic light", "Traffic-Light", "0"), (video, unseen)))
    assert wrong == {
        "classes without a box": (2, "Traffic-Light"),
        "class names that differ only in case or spacing": (1, "'traffic light' and 'Traffic-Light'"),
        "class names without letters": (1, "'0'"),
        "boxes that reach outside the picture, clipped": (2, "gate"),
        "boxes without area, dropped": (1, "gate"),
        "boxes narrower than 3 pixels": (2, "gate frame 0"),
        "identities twice in a frame": (2, "gate frame 0"),
        "videos without an annotated frame": (1, "still"),
    }


def test_pictures_that_are_missing(tmp_path, labelled):
    (tmp_path / "3.png").unlink()
    assert findings(labelled)["frames without a picture"] == (1, str(tmp_path / "3.png"))


@pytest.mark.parametrize(
    ("frames", "what", "times"),
    [(4, "frames of a video that its labels do not reach", 2), (8, "frames without a picture", 2)],
)
def test_labels_that_do_not_fit_their_video(tmp_path, film, frames, what, times):
    film(tmp_path / "gate.mp4", 6)
    images = [{"id": i, "video_id": 1, "frame_id": i, "time_s": i / 25} for i in range(frames)]
    videos = [{"id": 1, "file_name": "gate.mp4", "width": 64, "height": 48, "frames": frames}]
    file = {"videos": videos, "images": images, "annotations": [], "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "labels.json").write_text(json.dumps(file))
    assert findings(read_coco_vid(tmp_path / "labels.json"))[what][0] == times


def test_the_table_says_it_all(labelled):
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(description_table(describe(labelled)))
    text = console.export_text()
    for word in ("yard", "annotated frames", "400x300", "bus", "objects with two boxes", "gate identity 0"):
        assert word in text
