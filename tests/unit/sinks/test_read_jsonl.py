"""What JSON Lines hold is read back."""

import json

import numpy as np
import pytest

import streamdet
from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.frames import StreamEnded
from streamdet.sinks.detection_files import open_detection_file
from streamdet.sinks.jsonl import RunHeader
from streamdet.skeleton import Skeleton

CLASSES = ("person", "car", "truck")


@pytest.fixture
def write(tmp_path, make_result):
    """A file of results whose boxes are given."""

    def write(*boxes):
        path = tmp_path / "a.jsonl"
        file = open_detection_file(path, "jsonl", RunHeader("1", "m", None, CLASSES), ["a"])
        results = [make_result(rows, index=index) for index, rows in enumerate(boxes)]
        for result in results:
            file.write(result)
        file.write(StreamEnded("a", len(results)))
        file.close()
        return path, results

    return write


def test_results_come_back(write):
    path, results = write([(1.25, 2, 30, 40, 0.9, 0, 7), (3, 4, 9, 9.5, 0.8, 2, -1)], [])
    again = list(streamdet.read(path))
    assert len(again) == 2
    for result, read in zip(results, again, strict=True):
        assert read.to_dict() == result.to_dict()
        assert (read.frame.pts, read.frame.time_base, read.width) == (result.frame.pts, result.frame.time_base, 64)
        np.testing.assert_array_equal(read.detections.track_ids, result.detections.track_ids)
    assert again[1].detections.classes == CLASSES


def disc(far_from):
    y, x = np.mgrid[:28, :28]
    return np.clip(128 + 400 * (0.9 - np.hypot(x - 13.5, y - 13.5) / far_from), 0, 255)


def test_masks_and_keypoints_come_back(tmp_path, make_result):
    path = tmp_path / "a.jsonl"
    result = make_result([(1.25, 2, 30, 40, 0.9, 0, 7), (33, 4, 63, 47.5, 0.8, 2, -1)])
    found = result.detections
    given = Detections.of(
        found.boxes,
        found.scores,
        found.class_ids,
        CLASSES,
        found.track_ids,
        masks=[disc(14), disc(10)],
        keypoints=[[[2, 3, 0.5], [10, 20, 0.25]], [[40, 8, 1], [50, 9, 0]]],
        skeleton=Skeleton(("head", "foot"), ((0, 1),)),
    )
    file = open_detection_file(path, "jsonl", RunHeader("1", "m", None, CLASSES, given.skeleton), ["a"], masks=True)
    file.write(result.with_detections(given))
    file.close()
    [again] = streamdet.read(path)
    assert again.detections.skeleton == given.skeleton
    np.testing.assert_array_equal(again.detections.keypoints, given.keypoints)
    for row in range(2):
        first, second = (each.mask(row, 64, 48) for each in (given, again.detections))
        assert (first & second).sum() / (first | second).sum() > 0.96
    assert again.to_rows(masks=True)[0]["mask"]["size"] == [48, 64]
    short = path.read_text().replace('"size":[48,64]', '"size":[48,65]')
    path.write_text(short)
    with pytest.raises(ConfigError, match=r"a\.jsonl:2: is no line of streamdet .*do not fill 65x48 pixels"):
        list(streamdet.read(path))


def test_without_its_video_there_is_no_picture(write):
    path, _ = write([(1, 2, 30, 40, 0.9, 0, 7)])
    [result] = streamdet.read(path)
    with pytest.raises(ValueError, match=r"holds no pictures; read\(path, video\) takes them from the video"):
        result.plot()
    assert result._repr_html_() == "<p>a, frame 0, 0.000 s: 1 person</p>"


def test_it_is_read_as_it_is_iterated_over(write):
    path, _ = write(*[[(1, 2, 30, 40, 0.9, 0, 7)]] * 3)
    with path.open("a") as file:
        file.write("nonsense\n")
    results = streamdet.read(path)
    assert next(results).index == 0
    with pytest.raises(ConfigError, match=r"a\.jsonl:6: expected a line of JSON"):
        list(results)


def test_a_line_that_was_not_finished_is_left_out(write):
    path, _ = write([], [])
    path.write_text(path.read_text() + '{"type":"frame","sou')
    assert len(list(streamdet.read(path))) == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"time_base": "1/0"}, "ZeroDivisionError"),
        ({"detections": [{"box": [1, 2, 3]}]}, "is no line of streamdet"),
        ({"detections": [{"box": [1, 2, 3, 4], "class_id": 9, "score": 1, "track": None}]}, "class_ids must be 0 to 2"),
        ({"source": None, "type": None}, None),
    ],
)
def test_lines_of_others_are_refused_by_number(write, change, said):
    path, _ = write([])
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], json.dumps(json.loads(lines[1]) | change), ""]))
    if said is None:
        assert list(streamdet.read(path)) == []
        return
    with pytest.raises(ConfigError, match=rf"a\.jsonl:2: .*{said}"):
        list(streamdet.read(path))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        next(streamdet.read(tmp_path / "none.jsonl"))
