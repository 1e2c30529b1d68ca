"""Files of labels: what the project's own readers read back, and what the tools themselves ask for."""

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from streamdet.datasets.labels import LabelledVideo
from streamdet.datasets.open_set import open_set
from streamdet.errors import ConfigError, SinkError
from streamdet.hindsight.labels import ClipLabels
from streamdet.hindsight.write.formats import label_format, write_labels
from streamdet.hindsight.write.labelled_file import TOLERANCE_PX, LabelledFile

CLASSES = ("person", "car")
FRAMES, SIZE = 25, (160, 96)


@pytest.fixture
def video(tmp_path, write_clip):
    return write_clip(tmp_path / "walk.mp4", FRAMES, SIZE)


@pytest.fixture
def file(video):
    """A person who is unsure for a while in between, a car for some frames, a loose box."""
    rows = []
    for frame in range(FRAMES):
        turn = 2.0 * min(frame, 12)
        rows.append((frame, 10 + turn, 20.25, 30 + turn, 70.5 + frame / 2, 0.8, 0, 3, not 8 <= frame < 11))
        if 5 <= frame < 15:
            rows.append((frame, 90, 40 - frame, 150, 80 - frame, 0.6, 1, 7, True))
        if frame == 20:
            rows.append((frame, 100, 10, 120, 30, 0.2, 1, -1, False))
    frames, x1, y1, x2, y2, scores, class_ids, track_ids, sure = np.array(rows, float).T
    labels = ClipLabels(
        frames.astype(int),
        np.stack([x1, y1, x2, y2], axis=1),
        scores,
        class_ids.astype(int),
        track_ids.astype(int),
        sure.astype(bool),
        np.ones(len(rows), bool),
    )
    return LabelledFile(video, SIZE, np.arange(FRAMES) / 25, labels)


def count(video: LabelledVideo) -> int:
    """All its boxes."""
    return sum(len(labels.boxes) for labels in video.labels if labels is not None)


def assert_reads_back(path: Path, file: LabelledFile, tolerance: float):
    read = open_set(path)
    (found,) = read.videos
    assert (found.width, found.height, len(found)) == (*SIZE, FRAMES)
    identities = {}
    for frame, labels in enumerate(found.labels):
        rows = np.flatnonzero(file.labels.frames == frame)
        sure = file.labels[rows[file.labels.sure[rows]]]
        ignored = file.labels[rows[~file.labels.sure[rows]]]
        ours = np.argsort([CLASSES[i] for i in sure.class_ids])
        theirs = np.argsort([read.classes[i] for i in labels.class_ids])
        assert labels.boxes[theirs] == pytest.approx(sure.boxes[ours], abs=tolerance)
        assert [read.classes[labels.class_ids[i]] for i in theirs] == [CLASSES[sure.class_ids[i]] for i in ours]
        assert labels.ignore == pytest.approx(ignored.boxes, abs=tolerance)
        for ours_id, theirs_id in zip(sure.track_ids[ours], labels.track_ids[theirs], strict=True):
            assert identities.setdefault(ours_id, theirs_id) == theirs_id
    assert len(set(identities.values())) == 2


@pytest.mark.parametrize(
    ("name", "chosen", "tolerance"),
    [
        ("labels.json", "coco-vid", 0.01),
        ("labels.xml", "cvat", TOLERANCE_PX + 0.01),
        ("tasks.json", "label-studio", TOLERANCE_PX + 0.01),
    ],
)
def test_our_readers_read_the_same(tmp_path, file, name, chosen, tolerance):
    write_labels([file], CLASSES, tmp_path / name, chosen)
    assert_reads_back(tmp_path / name, file, tolerance)
    assert not list(tmp_path.glob(".*"))


def test_coco_vid_says_how_sure_it_is(tmp_path, file):
    write_labels([file], CLASSES, tmp_path / "labels.json", "coco-vid")
    rows = json.loads((tmp_path / "labels.json").read_text())["annotations"]
    assert {(row["track_id"], row["iscrowd"], row["score"], row["named"]) for row in rows} == {
        (3, 0, 0.8, 1),
        (3, 1, 0.8, 1),
        (7, 0, 0.6, 1),
        (-1, 1, 0.2, 1),
    }


def test_several_videos_share_a_coco_vid_file(tmp_path, file, write_clip):
    other = LabelledFile(write_clip(tmp_path / "b.mp4", FRAMES, SIZE), SIZE, file.times_s, file.labels[:3])
    write_labels([file, other], CLASSES, tmp_path / "labels.json", "coco-vid")
    read = open_set(tmp_path / "labels.json").videos
    assert [video.name for video in read] == ["walk", "b"]
    assert [count(video) for video in read] == [32, 3]


def test_videos_are_named_relative_to_the_file(tmp_path, file):
    (tmp_path / "out").mkdir()
    write_labels([file], CLASSES, tmp_path / "out" / "labels.json", "coco-vid")
    assert len(open_set(tmp_path / "out" / "labels.json").videos) == 1


def test_cvat_has_what_its_import_asks_for(tmp_path, file):
    """CVAT's load_anno reads these attributes of every box; a track's keyframes ascend, and it must be closed."""
    write_labels([file], CLASSES, tmp_path / "labels.xml", "cvat")
    root = ElementTree.parse(tmp_path / "labels.xml").getroot()
    assert root.findtext("version") == "1.1"
    assert [each.text for each in root.iterfind("meta/task/labels/label/name")] == [*CLASSES, "ignore"]
    tracks = root.findall("track")
    assert [track.get("label") for track in tracks] == ["person", "car", "ignore", "ignore"]
    assert len({track.get("id") for track in tracks}) == 4
    for track in tracks:
        numbers = [int(box.get("frame")) for box in track]
        assert numbers == sorted(set(numbers))
        assert track[-1].get("outside") == "1" or numbers[-1] == FRAMES - 1
        for box in track:
            assert {"keyframe", "outside", "occluded", "xtl", "ytl", "xbr", "ybr"} <= set(box.attrib)


def test_label_studio_has_what_a_video_region_has(tmp_path, file):
    write_labels([file], CLASSES, tmp_path / "tasks.json", "label-studio")
    (task,) = json.loads((tmp_path / "tasks.json").read_text())
    assert task["data"] == {"video": "walk.mp4"}
    regions = task["annotations"][0]["result"]
    assert [region["value"]["labels"] for region in regions] == [["person"], ["car"], ["ignore"], ["ignore"]]
    assert len({region["id"] for region in regions}) == 4
    for region in regions:
        assert (region["type"], region["from_name"], region["to_name"]) == ("videorectangle", "box", "video")
        assert (region["value"]["framesCount"], region["value"]["duration"]) == (FRAMES, 1.0)
        assert not region["value"]["sequence"][-1]["enabled"]
        for key in region["value"]["sequence"]:
            assert 1 <= key["frame"] <= FRAMES
            assert 0 <= key["x"] <= key["x"] + key["width"] <= 100.001


def test_a_name_that_xml_has_to_escape(tmp_path, file):
    write_labels([file], ("<man> & co", "car"), tmp_path / "labels.xml", "cvat")
    assert open_set(tmp_path / "labels.xml").classes == ("<man> & co", "car")


def test_only_some_classes(tmp_path, file):
    write_labels([file.of_classes([1])], ["car"], tmp_path / "labels.json", "coco-vid")
    read = open_set(tmp_path / "labels.json")
    assert read.classes == ("car",)
    assert count(read.videos[0]) == 10


@pytest.mark.parametrize(
    ("name", "wanted", "videos", "says"),
    [
        ("a.txt", None, 1, r"expected the ending \.json \(COCO-VID, Label Studio\) or \.xml \(CVAT\)"),
        ("a.json", "cvat", 1, r"expected the ending \.xml for cvat"),
        ("a.json", "yolo", 1, "expected one of coco-vid, cvat, label-studio, got yolo"),
        ("a.xml", None, 2, "one video in a file, got 2"),
    ],
)
def test_a_wrong_format_is_named(name, wanted, videos, says):
    with pytest.raises(ConfigError, match=says):
        label_format(Path(name), wanted, videos)


def test_the_ending_tells_the_format():
    assert label_format(Path("a.json"), None, 3) == "coco-vid"
    assert label_format(Path("a.XML"), None, 1) == "cvat"
    assert label_format(Path("a.json"), "label-studio", 3) == "label-studio"


def test_a_file_that_cannot_be_written_is_named(tmp_path, file):
    with pytest.raises(SinkError, match="cannot be written"):
        write_labels([file], CLASSES, tmp_path / "missing" / "labels.json", "coco-vid")
