import json

import pytest

from streamdet.datasets.open_set import holds_labels, open_set
from streamdet.errors import ConfigError

CATEGORIES = [{"id": 1, "name": "car"}]
STILLS = {
    "images": [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}],
    "annotations": [],
    "categories": CATEGORIES,
}
CLIPS = {
    "videos": [{"id": 1, "file_name": "clip.mp4"}],
    "images": [{"id": 1, "video_id": 1, "frame_id": 0}],
    "annotations": [],
    "categories": CATEGORIES,
}
MASKS = {
    "videos": [{"id": 1, "width": 64, "height": 48, "file_names": ["a.jpg"]}],
    "annotations": [],
    "categories": CATEGORIES,
}
BDD_STILLS = [{"name": "a.jpg", "labels": []}]
BDD_TRACK = [{"name": "a.jpg", "videoName": "v", "frameIndex": 0, "labels": []}]
CVAT = "<annotations><meta><task><labels><label><name>car</name></label></labels></task></meta></annotations>"
XML = "<annotation><size><width>64</width><height>48</height></size></annotation>"


@pytest.fixture
def lay(tmp_path, draw, film):
    """Lay out files by their paths: JSON from objects, pictures and videos from None, text from text."""

    def lay_out(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if content is None and path.suffix == ".mp4":
                film(path, 3)
            elif content is None:
                draw(path)
            else:
                path.write_text(content if isinstance(content, str) else json.dumps(content))
        return tmp_path

    return lay_out


LAYOUTS = {
    "a COCO-VID folder": ({"labels.json": CLIPS, "clip.mp4": None}, "", None, [3]),
    "a COCO-VID file": ({"x.json": CLIPS, "clip.mp4": None}, "x.json", None, [3]),
    "COCO stills": ({"train.json": STILLS, "valid.json": STILLS, "a.jpg": None}, "", "valid", [1]),
    "COCO itself": (
        {"annotations/instances_val2017.json": STILLS, "annotations/b.json": STILLS, "val2017/a.jpg": None},
        "",
        "instances_val2017",
        [1],
    ),
    "YouTube-VIS": ({"train/instances.json": MASKS, "train/JPEGImages/a.jpg": None}, "", "train", [1]),
    "a YouTube-VIS file": ({"train.json": MASKS, "JPEGImages/a.jpg": None}, "train.json", None, [1]),
    "BDD100K stills": (
        {"labels/det_20/det_train.json": BDD_STILLS, "labels/det_20/det_val.json": 0, "images/100k/train/a.jpg": None},
        "",
        "det_train",
        [1],
    ),
    "BDD100K tracks": (
        {"labels/box_track_20/val/v.json": BDD_TRACK, "images/track/val/v/a.jpg": None},
        "",
        "val",
        [1],
    ),
    "BDD100K tracks of a split": ({"val/v.json": BDD_TRACK, "val/v/a.jpg": None}, "val", None, [1]),
    "a MOTChallenge sequence": ({"s/gt/gt.txt": "1,1,1,1,9,9,1,1,1", "s/img1/000001.jpg": None}, "s", None, [1]),
    "MOTChallenge sequences": ({"s/gt/gt.txt": "1,1,1,1,9,9,1,1,1", "s/img1/000001.jpg": None}, "", None, [1]),
    "MOTChallenge itself": (
        {"train/s/gt/gt.txt": "1,1,1,1,9,9,1,1,1", "train/s/img1/000001.jpg": None, "test/s/img1/000001.jpg": None},
        "",
        "train",
        [1],
    ),
    "KITTI": ({"training/label_02/0000.txt": "", "training/image_02/0000/000000.png": None}, "", None, [1]),
    "VisDrone": ({"annotations/s.txt": "", "sequences/s/0000001.jpg": None}, "", None, [1]),
    "ImageNet VID": (
        {
            "Annotations/VID/train/b/000000.xml": XML,
            "Annotations/VID/val/v/000000.xml": XML,
            "Data/VID/val/v/000000.JPEG": None,
        },
        "",
        "val",
        [1],
    ),
    "a CVAT folder": ({"annotations.xml": CVAT, "clip.mp4": None}, "", None, [3]),
    "a CVAT file": ({"annotations.xml": CVAT, "clip.mp4": None}, "annotations.xml", None, [3]),
    "a YOLO split": (
        {
            "data.yaml": "train: images/train\nval: images/val\nnames: [car]",
            "images/val/a.jpg": None,
            "labels/val/a.txt": "",
        },
        "",
        "val",
        [1],
    ),
    "a YOLO file": (
        {"my.yaml": "train: images\nnames: [car]", "images/a.jpg": None, "labels/a.txt": ""},
        "my.yaml",
        None,
        [1],
    ),
    "a YOLO folder of a set": ({"data.yaml": "names: [car]", "part/a.jpg": None, "part/a.txt": ""}, "part", None, [1]),
    "YOLO beside a video": ({"classes.txt": "car", "clip.mp4": None, "clip_1.txt": ""}, "", None, [3]),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_format_shows_in_the_files(lay, layout):
    files, path, split, lengths = LAYOUTS[layout]
    assert [len(video) for video in open_set(lay(files) / path, split).videos] == lengths


def test_a_format_may_be_said(lay):
    root = lay({"notes.json": {}, "gt/gt.txt": "", "img1/000001.jpg": None})
    assert len(open_set(root, format="motchallenge").videos) == 1
    with pytest.raises(ConfigError, match="expected label_02/"):
        open_set(root, format="kitti-tracking")
    with pytest.raises(ConfigError, match="format 'mot', expected one of bdd100k, coco"):
        open_set(root, format="mot")


@pytest.mark.parametrize(
    ("files", "path", "split", "message"),
    [
        ({}, "nowhere", None, r"nowhere: does not exist; expected a JSON \(COCO"),
        ({"a.jpg": None}, "", None, "no labels found; looked for .*gt/gt.txt"),
        ({"a.jpg": None}, "a.jpg", None, r"a\.jpg: is not a file of labels; expected"),
        ({"train.json": STILLS, "valid.json": STILLS}, "", None, "choose one of its splits: train, valid"),
        ({"train.json": STILLS, "valid.json": STILLS}, "", "test", "has no split 'test'; it has train, valid"),
        ({"labels.json": CLIPS}, "", "val", "has no split 'val'; it has none"),
        ({"a.json": {"images": []}}, "", None, r"a\.json: expected the keys images and annotations"),
        ({"a.json": "{"}, "", None, r"a\.json: expected the keys"),
        ({"a.json": '{"images": [], "annotations": ['}, "", None, r"a\.json: the file: Invalid JSON"),
        ({"a.json": "[" * 100_000}, "a.json", None, r"a\.json: the file: Invalid JSON"),
    ],
)
def test_what_cannot_be_opened_fails(lay, files, path, split, message):
    with pytest.raises(ConfigError, match=message):
        open_set(lay(files) / path, split)


def test_videos_of_one_name_fail(lay):
    videos = [{"id": i, "name": "gate", "file_name": "clip.mp4"} for i in (1, 2)]
    root = lay({"labels.json": CLIPS | {"videos": videos}, "clip.mp4": None})
    with pytest.raises(ConfigError, match="1 names belong to several videos, such as 'gate'"):
        open_set(root)


@pytest.mark.parametrize("name", LAYOUTS)
def test_labels_are_seen_to_be_there(lay, name):
    files, path, _, _ = LAYOUTS[name]
    assert holds_labels(lay(files) / path)


@pytest.mark.parametrize(
    ("files", "path", "expected"),
    [
        ({"a.jpg": None, "b.mp4": None}, "", False),
        ({"b.mp4": None}, "b.mp4", False),
        ({"b.mp4": None, "b.report.json": {"frames": 3}}, "", False),
        ({"b.mp4": None, "broken.json": "{"}, "", False),
        ({"b.report.json": {"frames": 3}}, "b.report.json", True),
        ({"a.jpg": None}, "nothing", False),
    ],
    ids=["pictures", "a video", "a report", "a broken file", "a JSON that was named", "nothing"],
)
def test_what_is_no_labelled_set(lay, files, path, expected):
    assert holds_labels(lay(files) / path) is expected
