"""The formats as documented, and files that are valid whatever happens to the disk."""

import errno
import io
import json
import os
import resource
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO

from streamdet.detections import Detections
from streamdet.errors import SinkError
from streamdet.frames import StreamEnded, StreamGap
from streamdet.media.write.delivery import Delivery
from streamdet.sinks.detection_files import open_detection_file
from streamdet.sinks.jsonl import RunHeader
from streamdet.skeleton import Skeleton

HEADER = RunHeader("0.1.0", "street", "ab12", ("person", "car", "truck"))
HEAD_AND_FOOT = Skeleton(("head", "foot"), ((0, 1),))
ROW = (10.123, 20.0, 30.987, 40.5, 0.91349, 0, 7)
NAN = float("nan")


@contextmanager
def file_size_limit(size):
    """A disk that is full after so many bytes: the write that crosses it is cut short, the next one fails.

    It holds for every file of the process, also for one that the tests' own output goes to: inside a test only.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_all(path, form, items, sources=("a",)):
    file = open_detection_file(path, form, HEADER, list(sources))
    for item in items:
        file.write(item)
    file.close()


def test_json_lines_are_as_documented(tmp_path, make_result, started):
    path = tmp_path / "out.jsonl"
    gap = StreamGap("a", 1, "reconnected", 2.1)
    write_all(path, "jsonl", [started("a"), make_result([ROW], index=12), gap, StreamEnded("a", 1394)])
    assert path.read_text().splitlines() == [
        '{"type":"run","format":1,"streamdet":"0.1.0","model":"street","model_sha256":"ab12",'
        '"classes":["person","car","truck"],"sources":["a"]}',
        '{"type":"frame","source":"a","session":0,"frame":12,"pts":6144,"time_base":"1/12800","time_s":0.48,'
        '"width":64,"height":48,"detections":[{"box":[10.12,20.0,30.99,40.5],"class":"person","class_id":0,'
        '"score":0.9135,"track":7}]}',
        '{"type":"gap","source":"a","session":1,"reason":"reconnected","lost_s":2.1}',
        '{"type":"end","source":"a","frames":1394,"dropped":0}',
    ]


def test_pixels_that_are_not_square_are_told(tmp_path, make_result):
    path = tmp_path / "out.jsonl"
    square = make_result([ROW])
    wide = replace(square, frame=replace(square.frame, pixel_aspect=Fraction(64, 45)))
    write_all(path, "jsonl", [square, wide])
    assert [line.get("pixel_aspect") for line in lines(path)[1:]] == [None, "64/45"]


def test_a_box_without_identity_has_none(tmp_path, make_result):
    path = tmp_path / "out.jsonl"
    write_all(path, "jsonl", [make_result([(*ROW[:6], -1)])])
    assert lines(path)[1]["detections"][0]["track"] is None


def test_optional_columns_are_written_where_there_are_any(tmp_path, make_result):
    path = tmp_path / "out.jsonl"
    result = make_result([ROW, ROW])
    columns = {"support": [0.25, 0.1239], "carried": [False, True], "keypoints": np.full((2, 1, 3), 0.5)}
    found = result.detections
    more = Detections.of(found.boxes, found.scores, found.class_ids, found.classes, found.track_ids, **columns)
    write_all(path, "jsonl", [result, result.with_detections(more)])
    _, plain, rich = lines(path)
    assert list(plain["detections"][0]) == ["box", "class", "class_id", "score", "track"]
    first, second = rich["detections"]
    assert (first["support"], second["support"]) == (0.25, 0.124)
    assert "carried" not in first
    assert second["carried"] is True
    assert first["keypoints"] == [[0.5, 0.5, 0.5]]


@pytest.fixture
def with_shapes(make_result):
    """A result with a mask and keypoints, one of which is not known."""
    result = make_result([ROW])
    found = result.detections
    masks, points = np.zeros((1, 28, 28)), np.full((1, 2, 3), 0.5)
    masks[0, :, :14], points[0, 1, 0] = 255, NAN
    columns = {"masks": masks, "keypoints": points}
    more = Detections.of(found.boxes, found.scores, found.class_ids, found.classes, found.track_ids, **columns)
    return result.with_detections(more)


def test_masks_are_written_where_they_are_asked_for(tmp_path, with_shapes):
    path = tmp_path / "out.jsonl"
    for masks in (False, True):
        file = open_detection_file(path, "jsonl", replace(HEADER, skeleton=HEAD_AND_FOOT), ["a"], masks=masks)
        file.write(with_shapes)
        file.close()
        first, frame = lines(path)
        assert (first["keypoints"], first["skeleton"]) == (["head", "foot"], [[0, 1]])
        [row] = frame["detections"]
        assert row["keypoints"] == [[0.5, 0.5, 0.5], [0, 0, 0]]
        assert ("mask" in row) == masks
    assert row["mask"]["size"] == [48, 64]
    plane = with_shapes.detections.mask(0, 64, 48)
    assert coco_masks.area(row["mask"]) == plane.sum() > 0
    assert coco_masks.toBbox(row["mask"]).tolist() == [10, 20, 11, 20]  # the left half of the box


def test_coco_results_have_masks_and_keypoints(tmp_path, with_shapes):
    path = tmp_path / "out.json"
    for masks in (False, True):
        file = open_detection_file(path, "coco", HEADER, ["a"], masks=masks)
        file.write(with_shapes)
        file.close()
        [row] = json.loads(path.read_text())
        assert row["keypoints"] == [0.5, 0.5, 0.5, 0, 0.5, 0.5]
        assert ("segmentation" in row) == masks
    assert coco_masks.area(row["segmentation"]) == with_shapes.detections.mask(0, 64, 48).sum()


def test_only_live_frames_say_when(tmp_path, make_result):
    path = tmp_path / "out.jsonl"
    at = datetime(2026, 3, 1, 14, 30, 5, 250_000, timezone(timedelta(hours=2)))
    live = make_result(index=3, wall_time=at, dropped_before=2, latency_s=0.07912345)
    write_all(path, "jsonl", [make_result(), live])
    _, file, camera = lines(path)
    assert not {"wall_time", "latency_s", "dropped_before"} & set(file)
    assert camera["wall_time"] == "2026-03-01T12:30:05.250Z"
    assert datetime.fromisoformat(camera["wall_time"]) == at.astimezone(UTC)
    assert (camera["latency_s"], camera["dropped_before"]) == (0.0791, 2)


def test_an_end_says_why_when_it_is_an_early_one(tmp_path):
    path = tmp_path / "out.jsonl"
    write_all(path, "jsonl", [StreamEnded("a", 5, 1, error="it broke")])
    assert lines(path)[1] == {"type": "end", "source": "a", "frames": 5, "dropped": 1, "error": "it broke"}


def test_names_outside_ascii_are_readable(tmp_path):
    path = tmp_path / "out.jsonl"
    write_all(path, "jsonl", [StreamEnded("überwachung", 5)], ["überwachung"])
    assert "überwachung" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["jsonl", "mot", "coco"])
def test_nan_never_reaches_a_file(tmp_path, make_result, form):
    path = tmp_path / "out"
    rows = [(NAN, 0, 1, 1, 0.9, 0, 1), (0, 0, 1, 1, NAN, 0, 1), (0, 0, float("inf"), 1, 0.9, 0, 1), ROW]
    gap = StreamGap("a", 1, "stalled", NAN)
    live = make_result(wall_time=datetime.now(UTC), latency_s=NAN)
    write_all(path, form, [make_result(rows), gap, live, StreamEnded("a", 2)])
    text = path.read_text()
    assert "nan" not in text.lower()
    assert "inf" not in text.lower()
    assert text.count("10.12") == 1


def test_json_lines_are_whole_at_every_moment(tmp_path, make_result):
    path = tmp_path / "out.jsonl"
    file = open_detection_file(path, "jsonl", HEADER, ["a"])
    for index in range(50):
        file.write(make_result([ROW] * index, index=index))
        seen = lines(path)
        assert seen[-1]["frame"] == index
        assert len(seen) == index + 2
    file.close()


def test_mot_counts_from_one(tmp_path, make_result):
    path = tmp_path / "out.txt"
    items = [make_result([ROW], index=0), make_result(index=1), make_result([ROW, (*ROW[:6], -1)], index=2)]
    write_all(path, "mot", [*items, StreamEnded("a", 3)])
    assert path.read_text().splitlines() == [
        "1,7,10.12,20.00,20.86,20.50,0.9135,-1,-1,-1",
        "3,7,10.12,20.00,20.86,20.50,0.9135,-1,-1,-1",
        "3,-1,10.12,20.00,20.86,20.50,0.9135,-1,-1,-1",
    ]


def test_coco_is_an_array_of_results(tmp_path, make_result):
    path = tmp_path / "out.json"
    write_all(path, "coco", [make_result([ROW], index=0), make_result(index=1), make_result([ROW, ROW], index=2)])
    rows = json.loads(path.read_text())
    assert [row["image_id"] for row in rows] == [1, 3, 3]
    assert rows[0]["category_id"] == 1
    assert rows[0]["bbox"] == pytest.approx([10.12, 20.0, 20.86, 20.5])
    assert list(tmp_path.iterdir()) == [path]


def test_the_coco_tools_read_it(tmp_path, make_result, capsys):
    path = tmp_path / "out.json"
    write_all(path, "coco", [make_result([ROW, (*ROW[:5], 2, 8)], index=0)])
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 1, "width": 64, "height": 48}],
        "categories": [{"id": n + 1, "name": name} for n, name in enumerate(HEADER.classes)],
        "annotations": [],
    }
    truth.createIndex()
    found = truth.loadRes(str(path))
    assert [found.cats[row["category_id"]]["name"] for row in found.anns.values()] == ["person", "truck"]


def test_coco_without_a_box_is_an_empty_array(tmp_path, make_result):
    path = tmp_path / "out.json"
    write_all(path, "coco", [make_result()])
    assert json.loads(path.read_text()) == []


def test_coco_appears_only_when_complete_and_is_valid_before(tmp_path, make_result):
    path = tmp_path / "out.json"
    path.write_text("the old one")
    file = open_detection_file(path, "coco", HEADER, ["a"])
    part = tmp_path / ".out.json.part"
    for index in range(20):
        file.write(make_result([ROW] * (index % 3), index=index))
        assert path.read_text() == "the old one"
        assert len(json.loads(part.read_text())) == sum(n % 3 for n in range(index + 1))
    file.close()
    assert len(json.loads(path.read_text())) == 19
    assert not part.exists()


@pytest.mark.parametrize("limit", range(400, 800, 37))
@pytest.mark.parametrize("form", ["jsonl", "mot", "coco"])
def test_a_full_disk_leaves_whole_entries(tmp_path, make_result, form, limit):
    path = tmp_path / "out"
    written = 0
    with file_size_limit(limit):
        file = open_detection_file(path, form, HEADER, ["a"])
        with pytest.raises(SinkError, match=r"out: .*File too large"):  # noqa: PT012 (how many fit is the question)
            for index in range(100):
                file.write(make_result([ROW], index=index))
                written += 1
        file.close()
    text = path.read_text()
    if form == "coco":
        assert [row["image_id"] for row in json.loads(text)] == list(range(1, written + 1))
    elif form == "mot":
        assert text.endswith("\n") or written == 0
        assert len(text.splitlines()) == written
    else:
        assert text.endswith("\n")
        assert [line["frame"] for line in lines(path)[1:]] == list(range(written))


@pytest.mark.parametrize("form", ["jsonl", "mot", "coco"])
def test_a_folder_that_is_not_there_fails(tmp_path, form):
    with pytest.raises(SinkError, match="out"):
        open_detection_file(tmp_path / "nowhere" / "out", form, HEADER, ["a"])


def test_a_live_file_goes_on_when_there_is_room_again(tmp_path, make_result):
    path, delivery = tmp_path / "out.jsonl", Delivery("out.jsonl", "lines")
    file = open_detection_file(path, "jsonl", HEADER, ["a"], lambda target, unit: delivery, live=True)
    with file_size_limit(path.stat().st_size + 10):
        for index in range(3):
            file.write(make_result([ROW], index=index))
    file.write(make_result([ROW], index=3))
    with pytest.raises(SinkError, match="could not be written for a time; 3 lines are missing"):
        file.close()
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line.get("frame") for line in lines] == [None, 3]
    assert (delivery.sent, delivery.dropped, delivery.failing) == (2, {"failed": 3}, None)


def test_a_coco_file_that_fails_at_once_leaves_nothing(tmp_path):
    with file_size_limit(0), pytest.raises(SinkError):
        open_detection_file(tmp_path / "out.json", "coco", HEADER, ["a"])
    assert list(tmp_path.iterdir()) == []


def test_standard_output_takes_json_lines(capsysbinary, make_result):
    write_all("-", "jsonl", [make_result([ROW]), StreamEnded("a", 1)])
    out = capsysbinary.readouterr().out.splitlines()
    assert [json.loads(line)["type"] for line in out] == ["run", "frame", "end"]


def test_what_was_printed_before_comes_before(tmp_path):
    """Python buffers a pipe; the lines of detections must not overtake."""
    code = (
        "from streamdet.sinks.jsonl import RunHeader\n"
        "from streamdet.sinks.detection_files import open_detection_file as f\n"
        "print('first'); f('-', 'jsonl', RunHeader('0', 'm', None, ()), []).close(); print('last')"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert [out[0], out[1][:13], out[2]] == ["first", '{"type":"run"', "last"]


def test_a_reader_that_has_gone_is_an_error_of_the_output(tmp_path):
    """And Python has nothing left to complain about when it exits."""
    code = (
        "import sys\n"
        "from streamdet.errors import SinkError\n"
        "from streamdet.sinks.jsonl import RunHeader\n"
        "from streamdet.sinks.detection_files import open_detection_file as f\n"
        "sys.stdin.read()\n"
        "try: f('-', 'jsonl', RunHeader('0', 'm', None, ()), [])\n"
        "except SinkError as error: print(error, file=sys.stderr)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    child.stdout.close()
    child.stdin.close()
    said = child.stderr.read()
    child.stderr.close()
    assert child.wait() == 0
    assert said == "standard output: its reader has closed it\n"


def test_standard_output_that_takes_a_little_at_a_time(monkeypatch, make_result):
    class Slow(io.RawIOBase):
        taken = b""

        def writable(self):
            return True

        def write(self, data):
            self.taken += bytes(data[:7])
            return min(len(data), 7)

    slow = Slow()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BufferedWriter(slow)))
    write_all("-", "jsonl", [make_result([ROW])])
    assert [json.loads(line)["type"] for line in slow.taken.splitlines()] == ["run", "frame"]


def test_a_full_standard_output_says_so(monkeypatch):
    message = f"standard output: cannot be written: {os.strerror(errno.ENOSPC)}"
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SinkError, match=message):
            open_detection_file("-", "jsonl", HEADER, ["a"])


@pytest.mark.parametrize("form", ["jsonl", "mot", "coco"])
def test_a_file_that_is_removed_meanwhile_is_said(tmp_path, make_result, form):
    path = tmp_path / "out" / "found"
    path.parent.mkdir()
    file = open_detection_file(path, form, HEADER, ["a"])
    file.write(make_result([(1, 2, 3, 4, 0.9, 0, 1)]))
    shutil.rmtree(path.parent)
    file.write(make_result([(1, 2, 3, 4, 0.9, 0, 1)], index=1))
    with pytest.raises(SinkError, match="found: was removed while it was being written"):
        file.close()
