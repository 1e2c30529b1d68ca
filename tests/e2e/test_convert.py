"""`streamdet convert` and `streamdet stats`: every format, and back where there is a reader."""

import csv
import json
import re
from fractions import Fraction

import cv2
import numpy as np
import pytest
import yaml
from pycocotools import mask as coco_masks

import streamdet as package
from streamdet.convert.statistics import Statistics, Timeline
from streamdet.datasets.open_set import open_set
from streamdet.detections import Detections
from streamdet.frames import Frame, RgbPicture, StreamEnded
from streamdet.result import Result
from streamdet.sinks.detection_files import open_detection_file
from streamdet.sinks.jsonl import RunHeader
from streamdet.skeleton import Skeleton

CLASSES = ("person", "car")
FRAMES = 30  # as walk.mp4 has
PICTURE = RgbPicture(np.zeros((96, 160, 3), np.uint8))


def boxes_of(index):
    """A person who walks in a straight line, a car that turns round, and in one frame a box without a track."""
    boxes = [[5 + 2 * index, 10, 25 + 2 * index, 60], [100 - abs(15 - index), 30, 130 - abs(15 - index), 70]]
    scores, classes, tracks = [0.9, 0.5], [0, 1], [3, 4]
    if index == 7:
        boxes, scores, classes, tracks = [*boxes, [1, 1, 9, 9]], [*scores, 0.4], [*classes, 0], [*tracks, -1]
    return Detections.of(boxes, scores, classes, CLASSES, tracks)


def write_lines(path, sources=("walk",), frames=FRAMES):
    file = open_detection_file(path, "jsonl", RunHeader("1", "street", "ab", CLASSES), list(sources))
    for source in sources:
        for index in range(frames):
            frame = Frame(source, 0, index, 512 * index, Fraction(1, 12800), PICTURE)
            file.write(Result(frame, boxes_of(index)))
        file.write(StreamEnded(source, frames))
    file.close()
    return path


@pytest.fixture
def found(here, clips):
    """A folder with the clip and what was found in it."""
    (here / "walk.mp4").write_bytes((clips / "walk.mp4").read_bytes())
    return write_lines(here / "walk.jsonl")


def frames_of(path, split=None):
    """(boxes, class names, track ids) of every annotated frame of a labelled set."""
    labelled = open_set(path, split)
    [video] = labelled.videos
    return [
        (each.boxes, [labelled.classes[number] for number in each.class_ids], each.track_ids.tolist())
        for each in video.labels
        if each is not None
    ]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("walk.json", ()),
        ("walk.xml", ("--video", "walk.mp4")),
        ("studio.json", ("--to", "label-studio", "--video", "walk.mp4")),
    ],
)
def test_labelling_tools_get_the_tracks_and_give_them_back(streamdet, found, here, name, options):
    done = streamdet("convert", found, "-o", name, *options)
    assert done.status == 0, done.stderr
    again = frames_of(here / name)
    assert len(again) == FRAMES
    for index, (boxes, names, tracks) in enumerate(again):
        expected = boxes_of(index)
        order = np.argsort(tracks)
        np.testing.assert_allclose(boxes[order][:2], expected.boxes[:2], atol=0.51)
        assert [names[place] for place in order[:2]] == ["person", "car"]
        assert len(boxes) == len(expected)
    assert [len(tracks) for _, _, tracks in again].count(3) == 1
    assert streamdet("convert", here / name, "-o", "back.jsonl").status == 0
    back = list(package.read(here / "back.jsonl"))
    assert len(back) == FRAMES
    assert sorted(back[7].detections.class_names.tolist()) == ["car", "person", "person"]


def test_thinned_out_to_keyframes(streamdet, found, here):
    counts = []
    for tolerance in ("0.5", "100"):
        options = ("--tolerance", tolerance, "--min-frames", "2", "--overwrite")
        assert streamdet("convert", found, "-o", "walk.xml", *options).status == 0
        counts.append((here / "walk.xml").read_text().count('outside="0"'))
    assert counts == [5, 4]  # two ends each, and the turn; the single box is left out


def test_tables(streamdet, found, here):
    assert streamdet("convert", found, "-o", "walk.csv").status == 0
    assert streamdet("convert", found, "-o", "walk.txt").status == 0
    assert streamdet("convert", found, "-o", "results.json", "--to", "coco").status == 0
    with (here / "walk.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len((here / "walk.txt").read_text().splitlines()) == 2 * FRAMES + 1
    assert (rows[0]["class"], float(rows[0]["score"]), float(rows[0]["x2"])) == ("person", 0.9, 25)
    assert len(json.loads((here / "results.json").read_text())) == 2 * FRAMES + 1


def test_parquet(streamdet, found, here):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert streamdet("convert", found, "-o", "walk.parquet").status == 0
    table = parquet.read_table(here / "walk.parquet")
    assert table.num_rows == 2 * FRAMES + 1
    row = {name: column[0] for name, column in table.slice(16, 1).to_pydict().items()}
    assert (row["source"], row["frame"], row["track"], row["class"]) == ("walk", 7, None, "person")
    assert (row["x2"], row["time_s"]) == (9, 0.28)


def test_a_yolo_folder_with_pictures_can_be_trained_on(streamdet, found, here):
    done = streamdet("convert", found, "-o", "yolo", "--video", "walk.mp4")
    assert done.status == 0, done.stderr
    labelled = open_set(here / "yolo", "train")
    boxes = [each.boxes for video in labelled.videos for each in video.labels if each is not None]
    assert labelled.classes == CLASSES
    assert sum(map(len, boxes)) == 2 * FRAMES + 1
    assert len(list((here / "yolo" / "images").iterdir())) == FRAMES
    assert streamdet("convert", found, "-o", "yolo").status == 2  # it is not empty


def disc():
    y, x = np.mgrid[:28, :28]
    return np.clip(128 + 400 * (0.9 - np.hypot(x - 13.5, y - 13.5) / 14), 0, 255)


@pytest.fixture
def shaped(here, clips):
    """Lines whose objects have masks and keypoints, or one of both."""
    (here / "walk.mp4").write_bytes((clips / "walk.mp4").read_bytes())

    def write(name, *, masks=True, keypoints=True):
        skeleton = Skeleton(("head", "foot"), ((0, 1),)) if keypoints else None
        header = RunHeader("1", "m", None, CLASSES, skeleton)
        file = open_detection_file(here / name, "jsonl", header, ["walk"], masks=True)
        for index in range(FRAMES):
            found = boxes_of(index)
            points = np.stack([found.boxes[:, :2] + 2, found.boxes[:, 2:] - 2], axis=1)
            points = np.concatenate([points, np.tile([[0.9], [0.1]], (len(found), 1, 1))], axis=2)
            more = {"masks": np.repeat(disc()[None], len(found), axis=0)} if masks else {}
            more |= {"keypoints": points} if keypoints else {}
            frame = Frame("walk", 0, index, 512 * index, Fraction(1, 12800), PICTURE)
            columns = found.boxes, found.scores, found.class_ids, CLASSES, found.track_ids
            file.write(Result(frame, Detections.of(*columns, skeleton, **more)))
        file.write(StreamEnded("walk", FRAMES))
        file.close()
        return here / name

    return write


def mask_iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_coco_gets_masks_and_keypoints_and_gives_them_back(streamdet, shaped, here):
    lines = shaped("walk.jsonl")
    assert streamdet("convert", lines, "-o", "labels.json").status == 0
    content = json.loads((here / "labels.json").read_text())
    assert content["categories"][0]["keypoints"] == ["head", "foot"]
    assert content["categories"][0]["skeleton"] == [[1, 2]]
    results = list(package.read(lines))
    rows = [row for row in content["annotations"] if row["image_id"] == 6]
    assert len(rows) == 2
    for row, number in zip(rows, range(2), strict=True):
        plane = results[5].detections.mask(number, 160, 96)
        np.testing.assert_array_equal(coco_masks.decode(row["segmentation"]).astype(bool), plane)
        assert row["area"] == plane.sum()
        x1, y1, *_ = results[5].detections.boxes[number].tolist()
        assert row["keypoints"] == [x1 + 2, y1 + 2, 2, 0, 0, 0]
        assert row["num_keypoints"] == 1
    assert streamdet("convert", "labels.json", "-o", "back.jsonl").status == 0
    for before, after in zip(results, package.read(here / "back.jsonl"), strict=True):
        assert after.detections.keypoints[..., 2].tolist() == [[1, 0]] * len(before.detections)
        for row in range(len(before.detections)):
            found = (each.detections.mask(row, 160, 96) for each in (before, after))
            assert mask_iou(*found) > 0.9


def test_cvat_gets_outlines_of_masks(streamdet, shaped, here):
    lines = shaped("walk.jsonl", keypoints=False)
    assert streamdet("convert", lines, "-o", "walk.xml", "--video", "walk.mp4").status == 0
    text = (here / "walk.xml").read_text()
    assert "<type>polygon</type>" in text
    assert "<box" not in text
    points = re.search(r'<polygon frame="0" [^>]*points="([^"]+)"', text)
    outline = np.array([pair.split(",") for pair in points[1].split(";")], float)
    drawn = np.zeros((96, 160), np.uint8)
    cv2.fillPoly(drawn, [np.floor(outline).astype(np.int32)], 1)
    assert mask_iou(drawn.astype(bool), next(package.read(lines)).detections.mask(0, 160, 96)) > 0.9
    for index, (boxes, _, tracks) in enumerate(frames_of(here / "walk.xml")):
        expected = boxes_of(index)
        np.testing.assert_allclose(boxes[np.argsort(tracks)][:2], expected.boxes[:2], atol=4)  # the mask is smaller
    assert "<polygon" not in _without_masks(streamdet, shaped, here)


def _without_masks(streamdet, shaped, here):
    lines = shaped("bare.jsonl", masks=False, keypoints=False)
    assert streamdet("convert", lines, "-o", "bare.xml", "--video", "walk.mp4").status == 0
    return (here / "bare.xml").read_text()


def test_a_yolo_folder_has_outlines_of_masks(streamdet, shaped, here):
    lines = shaped("walk.jsonl", keypoints=False)
    assert streamdet("convert", lines, "-o", "yolo", "--video", "walk.mp4").status == 0
    [first, second] = (here / "yolo" / "labels" / "walk_000005.txt").read_text().splitlines()
    plane = next(each for each in package.read(lines) if each.index == 5).detections.mask(0, 160, 96)
    class_id, *values = first.split()
    outline = np.array(values, float).reshape(-1, 2) * [160, 96]
    drawn = np.zeros((96, 160), np.uint8)
    cv2.fillPoly(drawn, [np.floor(outline).astype(np.int32)], 1)
    assert class_id == "0"
    assert len(second.split()) > 5
    assert mask_iou(drawn.astype(bool), plane) > 0.95
    labelled = open_set(here / "yolo", "train")
    boxes = [len(each.boxes) for video in labelled.videos for each in video.labels if each is not None]
    assert sum(boxes) == 2 * FRAMES + 1


def test_a_yolo_folder_has_keypoints(streamdet, shaped, here):
    lines = shaped("walk.jsonl", masks=False)
    assert streamdet("convert", lines, "-o", "yolo", "--video", "walk.mp4").status == 0
    assert yaml.safe_load((here / "yolo" / "data.yaml").read_text())["kpt_shape"] == [2, 3]
    first = (here / "yolo" / "labels" / "walk_000000.txt").read_text().splitlines()[0].split()
    assert [float(value) for value in first[5:]] == pytest.approx([7 / 160, 12 / 96, 2, 0, 0, 0], abs=1e-6)
    labelled = open_set(here / "yolo", "train")
    boxes = [len(each.boxes) for video in labelled.videos for each in video.labels if each is not None]
    assert sum(boxes) == 2 * FRAMES + 1


def test_fiftyone(streamdet, found, here):
    done = streamdet("convert", found, "-o", "fifty", "--to", "fiftyone", "--video", "walk.mp4")
    assert done.status == 0, done.stderr
    manifest = json.loads((here / "fifty" / "manifest.json").read_text())
    [entry] = manifest["index"]
    assert (here / "fifty" / entry["data"]).read_bytes() == (here / "walk.mp4").read_bytes()
    frames = json.loads((here / "fifty" / entry["labels"]).read_text())["frames"]
    assert list(frames) == [str(number) for number in range(1, FRAMES + 1)]
    assert frames["1"]["objects"]["objects"][0] == {
        "label": "person",
        "confidence": 0.9,
        "bounding_box": {"top_left": {"x": 0.03125, "y": 0.104167}, "bottom_right": {"x": 0.15625, "y": 0.625}},
        "index": 3,
    }


def test_one_of_several_sources(streamdet, here):
    lines = write_lines(here / "both.jsonl", ("a", "b"), 4)
    done = streamdet("convert", lines, "-o", "both.xml")
    assert done.status == 2
    assert "cvat holds one video, got 2 sources; choose one by --source: a, b" in done.stderr
    assert streamdet("convert", lines, "-o", "b.txt", "--source", "b").status == 0
    assert len((here / "b.txt").read_text().splitlines()) == 8
    assert streamdet("convert", lines, "-o", "both.json").status == 0
    assert len(json.loads((here / "both.json").read_text())["videos"]) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("none.jsonl", "-o", "a.csv"), "none.jsonl: cannot be read: No such file"),
        (("walk.mp4", "-o", "a.csv"), "walk.mp4: holds no labels; expected JSON Lines"),
        (("walk.jsonl", "-o", "a.doc"), "output a.doc: expected the ending .jsonl .csv"),
        (("walk.jsonl", "-o", "a.csv", "--to", "word"), "--to word: expected one of jsonl, csv"),
        (("walk.jsonl", "-o", "walk.jsonl"), "output walk.jsonl already exists"),
        (("walk.jsonl", "-o", "a.csv", "--source", "x"), "--source x: expected one of walk"),
        (("walk.jsonl", "-o", "a.xml", "--video", "none.mp4"), "--video none.mp4: no such file"),
    ],
)
def test_what_cannot_be_converted(streamdet, found, here, arguments, said):
    before = sorted(here.iterdir())
    done = streamdet("convert", *arguments)
    assert done.status == 2
    assert said in done.stderr
    assert sorted(here.iterdir()) == before


def test_stats(streamdet, found, here):
    done = streamdet("stats", found, "-o", "out")
    assert done.status == 0, done.stderr
    assert done.stdout.splitlines()[0] == f"{FRAMES} frames of walk"
    row = next(line.split() for line in done.stdout.splitlines() if line.startswith("person"))
    assert row[:3] == ["person", str(FRAMES + 1), str(FRAMES)]
    figures = json.loads((here / "out" / "stats.json").read_text())
    assert figures["classes"]["car"] == {
        "boxes": FRAMES,
        "frames": FRAMES,
        "most_in_a_frame": 1,
        "mean_score": 0.5,
        "tracks": 1,
        "track_frames": {"median": FRAMES, "longest": FRAMES},
        "track_s": {"longest": 1.16},
    }
    heat, chart = (cv2.imread(str(here / "out" / f"{name}.png")) for name in ("heatmap", "timeline"))
    assert heat is not None
    assert chart is not None
    assert heat.shape == (576, 960, 3)
    assert heat[200:300, 600:700].mean() > 2 * heat[500:, :100].mean() + 10  # the car, and where nobody was
    assert json.loads(streamdet("stats", found, "--json").stdout) == figures


def test_a_track_counts_as_what_most_of_its_boxes_are():
    statistics = Statistics()
    for index, name in enumerate(["car", "person", "person"]):
        frame = Frame("a", 0, index, index, Fraction(1, 25), PICTURE)
        found = Detections.of([[1, 1, 9, 9]], [0.9], [CLASSES.index(name)], CLASSES, [7])
        statistics.add(Result(frame, found))
    counted = statistics.to_dict()["classes"]
    assert {name: (row["boxes"], row["tracks"]) for name, row in counted.items()} == {"car": (1, 0), "person": (2, 1)}


def test_a_long_timeline_has_longer_bins():
    timeline = Timeline()
    for second in range(5000):
        timeline.add(float(second), {"car": 2} if second < 2500 else {})
    assert timeline.bin_s == 16
    means = timeline.means()["car"]
    assert len(means) == 313
    np.testing.assert_allclose(means[:156], 2)
    np.testing.assert_allclose(means[157:], 0)
