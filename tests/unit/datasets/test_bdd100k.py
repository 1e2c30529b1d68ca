import json

import numpy as np
import pytest

from streamdet.datasets.bdd100k import read_bdd100k
from streamdet.errors import ConfigError


def label(category, x1, track="00122078", **attributes):
    box = {"x1": x1, "y1": 20.0, "x2": x1 + 10, "y2": 30.5}
    return {"id": track, "category": category, "attributes": {"occluded": False, **attributes}, "box2d": box}


def frame(index, labels):
    return {"name": f"b1c6-{index + 1:07}.jpg", "videoName": "b1c6", "frameIndex": index, "labels": labels}


TRACKS = [
    frame(0, [label("car", 10), label("pedestrian", 30, "7"), label("other vehicle", 50, "8")]),
    frame(1, []),
    frame(2, [label("car", 12), label("pedestrian", 30, "9", crowd=True)]),
]
STILLS = [
    {
        "name": "0000f77c.jpg",
        "attributes": {"weather": "clear", "timeofday": "night"},
        "timestamp": 10000,
        "labels": [
            label("traffic light", 5, "0", trafficLightColor="red"),
            label("motor", 20, "1"),
            {"id": "2", "category": "lane", "attributes": {"laneDirection": "parallel"}, "poly2d": [[1, 2]]},
        ],
    },
    {"name": "0000f77d.jpg", "labels": None},
]


@pytest.fixture
def root(tmp_path, draw):
    for row in TRACKS:
        draw(tmp_path / "images/track/train/b1c6" / row["name"])
    for row in STILLS:
        draw(tmp_path / "images/100k/val" / row["name"])
    return tmp_path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("content", [TRACKS, {"frames": TRACKS, "config": {"categories": []}}])
def test_box_tracks(root, content):
    path = write(root / "labels/box_track_20/train/b1c6.json", content)
    for labelled in (read_bdd100k(path), read_bdd100k(path.parent)):
        (video,) = labelled.videos
        assert (video.name, video.width, video.height) == ("b1c6", 64, 48)
        np.testing.assert_allclose(video.times_s, [0, 0.2, 0.4])
        assert [labelled.classes[i] for i in sorted(video.labelled)][-2:] == ["motorcycle", "bicycle"]
        first, second, third = video.labels
        np.testing.assert_array_equal(first.boxes, [[10, 20, 20, 30.5], [30, 20, 40, 30.5]])
        assert [labelled.classes[i] for i in first.class_ids] == ["car", "pedestrian"]
        assert [labels.track_ids.tolist() for labels in video.labels] == [[0, 1], [], [0]]
        np.testing.assert_array_equal(first.ignore, [[50, 20, 60, 30.5]])
        assert len(second.boxes) == len(second.ignore) == 0
        np.testing.assert_array_equal(third.ignore, [[30, 20, 40, 30.5]])
        assert len(list(video.frames.read())) == 3


def test_stills(root):
    labelled = read_bdd100k(write(root / "labels/det_20/det_val.json", STILLS))
    assert labelled.name == "det_val"
    first, second = labelled.videos
    assert [labelled.classes[i] for i in first.labels[0].class_ids] == ["traffic light", "motorcycle"]
    assert first.labels[0].track_ids.tolist() == [-1, -1]
    assert len(first.labelled) == 10
    assert len(second.labels[0].boxes) == 0
    assert len(list(first.frames.read())) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "expected at least one frame"),
        ([frame(1, []), frame(0, [])], "expected frameIndex in every frame, ascending"),
        ([frame(0, []), {"name": "b1c6-0000002.jpg"}], "expected frameIndex in every frame, ascending"),
        ([frame(0, [label("horse", 1)])], "b1c6-0000001.jpg: category 'horse', expected one of"),
        ([{"frameIndex": 0}], r"name: Field required"),
        ([frame(9, [])], r"its picture b1c6-0000010\.jpg is neither beside it nor in images/track/train/b1c6"),
    ],
)
def test_a_malformed_file_fails(root, content, message):
    path = write(root / "labels/box_track_20/train/b1c6.json", content)
    with pytest.raises(ConfigError, match=rf"b1c6\.json: .*{message}"):
        read_bdd100k(path)


def test_an_empty_folder_fails(tmp_path):
    with pytest.raises(ConfigError, match=r"expected <video>\.json"):
        read_bdd100k(tmp_path)
