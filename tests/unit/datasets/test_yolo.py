import numpy as np
import pytest

from streamdet.datasets.numbering import Order
from streamdet.datasets.yolo import read_yolo
from streamdet.errors import ConfigError

ROW = "1 0.5 0.5 0.25 0.5\n"  # of 64 x 48: 24 12 40 36
NAMES = "names: [person, car]\n"


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def by_name(labelled):
    return {video.name: video for video in labelled.videos}


def test_splits_of_data_yaml(tmp_path, draw):
    write(tmp_path / "data.yaml", "path: .\ntrain: images/train\nval: images/val\nnames: {0: person, 1: car}\nnc: 2\n")
    for name in ("train/a", "train/b", "train/c", "val/d"):
        draw(tmp_path / f"images/{name}.jpg")
    write(tmp_path / "labels/train/a.txt", ROW)
    write(tmp_path / "labels/train/b.txt")
    write(tmp_path / "labels/val/d.txt", "0 0.5 0.5 1 1\n")
    labelled = read_yolo(tmp_path / "data.yaml", Order(), "train")
    assert labelled.name == f"{tmp_path.name}/train"
    assert labelled.classes == ("person", "car")
    a, b, c = (by_name(labelled)[f"images/train/{name}.jpg"] for name in "abc")
    np.testing.assert_array_equal(a.labels[0].boxes, [[24, 12, 40, 36]])
    assert a.labels[0].class_ids.tolist() == [1]
    assert len(b.labels[0].boxes) == 0
    assert c.labels == (None,)
    (d,) = read_yolo(tmp_path, Order(), "val").videos
    np.testing.assert_array_equal(d.labels[0].boxes, [[0, 0, 64, 48]])
    for split in (None, "test"):
        with pytest.raises(ConfigError, match="choose one of its splits: train, val"):
            read_yolo(tmp_path, Order(), split)


def test_numbered_pictures_are_frames_of_a_video(tmp_path, draw):
    write(tmp_path / "data.yaml", NAMES + "fps: 10\n")
    for name in ("gate_8", "gate_9", "gate_10", "gate_30", "yard_1"):
        draw(tmp_path / f"{name}.png", colour=(int(name[5:]),) * 3)
    write(tmp_path / "gate_9.txt", "1 0.5 0.5 0.25 0.5 33\n")
    write(tmp_path / "gate_30.txt")
    gate, yard = read_yolo(tmp_path, Order()).videos
    assert (gate.name, yard.name) == ("gate", "yard")
    np.testing.assert_allclose(gate.times_s, [0.8, 0.9, 1.0, 3.0])
    assert gate.segments == ((0, 3), (3, 4))
    assert [None if labels is None else labels.track_ids.tolist() for labels in gate.labels] == [None, [0], None, []]
    assert [int(image[0, 0, 0]) for image in gate.frames.read()] == [8, 9, 10, 30]
    assert len(yard) == 1


def test_numbered_pictures_may_be_stills(tmp_path, draw):
    write(tmp_path / "data.yaml", NAMES + "stills: true\n")
    for number in (1, 2):
        draw(tmp_path / f"gate_{number}.png")
        write(tmp_path / f"gate_{number}.txt", ROW)
    assert [len(video) for video in read_yolo(tmp_path, Order()).videos] == [1, 1]


@pytest.mark.parametrize(("folder", "first"), [("", 1), ("labels/", 0)])
def test_text_files_beside_a_video(tmp_path, film, number_in, folder, first):
    film(tmp_path / "gate.mp4", 5, [0, 40, 80, 400, 440])
    write(tmp_path / "classes.txt", "person\ncar\n")
    write(tmp_path / f"{folder}gate_{first}.txt", ROW)
    write(tmp_path / f"{folder}gate_{first + 4}.txt")
    write(tmp_path / f"{folder}other_gate_3.txt", ROW)
    (video,) = read_yolo(tmp_path, Order()).videos
    assert (video.name, video.width, video.height) == ("gate", 64, 48)
    assert [None if labels is None else len(labels.boxes) for labels in video.labels] == [1, None, None, None, 0]
    np.testing.assert_allclose(video.times_s, [0, 0.04, 0.08, 0.4, 0.44])
    assert video.segments == ((0, 3), (3, 5))
    assert [number_in(image) for image in video.frames.read(4)] == [4]


def test_outlines_and_ignore_regions(tmp_path, draw):
    write(tmp_path / "data.yaml", "names: [ignore, car]\n")
    draw(tmp_path / "images/a.jpg")
    write(tmp_path / "labels/a.txt", "1 0.25 0.5 0.5 0.25 0.75 1.0\n0 0.5 0.5 1 0.5\n")
    labelled = read_yolo(tmp_path, Order())
    assert labelled.classes == ("car",)
    labels = labelled.videos[0].labels[0]
    np.testing.assert_array_equal(labels.boxes, [[16, 12, 48, 48]])
    np.testing.assert_array_equal(labels.ignore, [[0, 12, 64, 36]])


def _boxes(tmp_path, draw, rows, more=""):
    """The labels of a 64 x 48 picture with these rows, and what is said of them."""
    write(tmp_path / "data.yaml", NAMES + more)
    draw(tmp_path / "a.jpg")
    write(tmp_path / "a.txt", rows)
    labelled = read_yolo(tmp_path, Order())
    return labelled.videos[0].labels[0], labelled.notes


def test_rows_of_a_tracker_have_confidence_and_track_id(tmp_path, draw):
    labels, notes = _boxes(
        tmp_path, draw, "1 0.5 0.5 0.25 0.5 0.91 7\n0 0.25 0.5 0.25 0.5 0.4 12\n0 0.5 0.5 1 1 0.33\n"
    )
    np.testing.assert_array_equal(labels.boxes, [[24, 12, 40, 36], [8, 12, 24, 36], [0, 0, 64, 48]])
    assert labels.track_ids.tolist() == [0, 1, -1]
    assert "confidences" in notes[0]


def test_rows_of_a_detector_have_a_confidence(tmp_path, draw):
    labels, notes = _boxes(tmp_path, draw, "1 0.5 0.5 0.25 0.5 0.91\n0 0.25 0.5 0.25 0.5 1\n")
    np.testing.assert_array_equal(labels.boxes, [[24, 12, 40, 36], [8, 12, 24, 36]])
    assert labels.track_ids.tolist() == [-1, -1]
    assert "confidences" in notes[0]


@pytest.mark.parametrize(
    ("row", "more"),
    [
        ("1 0.5 0.5 0.25 0.5 0.1 0.2 2 0 0 0 0.6 0.9 1", ""),
        ("1 0.5 0.5 0.25 0.5 0.1 0.2 2 0.3 0.3 1", ""),
        ("1 0.5 0.5 0.25 0.5 0.1 0.2 0.6 0.9", "kpt_shape: [2, 2]\n"),
    ],
)
def test_keypoints_are_not_an_outline(tmp_path, draw, row, more):
    labels, _ = _boxes(tmp_path, draw, row, more)
    np.testing.assert_array_equal(labels.boxes, [[24, 12, 40, 36]])


def test_a_turned_box_becomes_the_upright_one_around_it(tmp_path, draw):
    labels, _ = _boxes(tmp_path, draw, "1 0.25 0.5 0.5 0.25 0.75 0.5 0.5 0.75")
    np.testing.assert_array_equal(labels.boxes, [[16, 12, 48, 36]])


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("Car 0.00 0 -1.57 10 10 20 20 1 1 1 1 1 1 1", "a row of KITTI"),
        ("10 10 20 10 20 20 10 20 car 0", "a row of DOTA"),
        ("1 320 240 100 80", "expected fractions of the picture from 0 to 1, found 320"),
    ],
)
def test_rows_of_another_format_are_named(tmp_path, draw, row, message):
    with pytest.raises(ConfigError, match=message):
        _boxes(tmp_path, draw, row)


def test_a_data_yaml_of_another_machine(tmp_path, draw):
    write(
        tmp_path / "data.yaml", "path: /content/set\ntrain: /content/set/images/train\nval: list.txt\nnames: {0: car}\n"
    )
    draw(tmp_path / "images/train/a.jpg")
    write(tmp_path / "labels/train/a.txt", "0 0.5 0.5 1 1")
    write(tmp_path / "list.txt", "/content/set/images/train/a.jpg\n")
    for split in ("train", "val"):
        (video,) = read_yolo(tmp_path / "data.yaml", Order(), split).videos
        assert len(video.labels[0].boxes) == 1


def test_darknet_names_its_classes_in_obj_names(tmp_path, draw):
    write(tmp_path / "obj.names", "person\ncar\n")
    write(tmp_path / "obj.data", "classes = 2\n")
    draw(tmp_path / "obj_train_data/frame_000000.png")
    write(tmp_path / "obj_train_data/frame_000000.txt", ROW)
    labelled = read_yolo(tmp_path, Order())
    assert labelled.classes == ("person", "car")
    assert len(labelled.videos[0].labels[0].boxes) == 1


def test_a_list_of_pictures_and_the_layout_of_roboflow(tmp_path, draw):
    write(tmp_path / "data.yaml", "train: list.txt\nval: ../valid/images\n" + NAMES)
    draw(tmp_path / "images/a.jpg")
    write(tmp_path / "labels/a.txt", ROW)
    write(tmp_path / "list.txt", "./images/a.jpg\n")
    draw(tmp_path / "valid/images/b.jpg")
    write(tmp_path / "valid/labels/b.txt", ROW + ROW)
    for split, boxes in (("train", 1), ("val", 2)):
        (video,) = read_yolo(tmp_path / "data.yaml", Order(), split).videos
        assert len(video.labels[0].boxes) == boxes


def test_a_part_of_a_set_takes_the_names_of_the_whole(tmp_path, draw):
    write(tmp_path / "data.yaml", "train: elsewhere\n" + NAMES)
    draw(tmp_path / "part/a.jpg")
    write(tmp_path / "part/a.txt", ROW)
    assert read_yolo(tmp_path / "part", Order()).classes == ("person", "car")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2 0.5 0.5 0.1 0.1", "class 2, expected a number of data.yaml"),
        ("1 0.5 0.5 0.1", "expected at least 5 finite numbers"),
        ("1 0.5 0.5 0.1 nan", "expected at least 5 finite numbers"),
        ("car 0.5 0.5 0.1 0.1", "expected numbers"),
        ("1 0.5 0.5 0.1 0.1 0.87", r"6 numbers, expected 5 \(a box\), 6 \(and a track id\)"),
        ("1 0.5 0.5 0.1 0.1 0.5 0.5 0.4", "8 numbers, expected .* the corners of an outline"),
    ],
)
def test_a_malformed_row_fails(tmp_path, draw, row, message):
    write(tmp_path / "data.yaml", NAMES)
    draw(tmp_path / "a.jpg")
    write(tmp_path / "a.txt", f"{ROW}{row}\n")
    with pytest.raises(ConfigError, match=rf"a\.txt: line 2: {message}"):
        read_yolo(tmp_path, Order())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: images", "names: "),
        ("names: [person]\ntrain: nowhere", "nowhere does not exist"),
        ("names: [person]\nfps: -3", "fps: Input should be greater than 0"),
        ("names: [person]", "1 pictures and videos, but no text file belongs to any of them"),
    ],
)
def test_a_malformed_description_fails(tmp_path, draw, text, message):
    draw(tmp_path / "a.jpg")
    write(tmp_path / "data.yaml", text)
    with pytest.raises(ConfigError, match=message):
        read_yolo(tmp_path, Order())


def test_a_folder_without_names_fails(tmp_path, draw):
    draw(tmp_path / "set/a.jpg")
    write(tmp_path / "set/a.txt", ROW)
    with pytest.raises(ConfigError, match=r"expected data\.yaml with the names of its classes"):
        read_yolo(tmp_path / "set", Order())


def test_a_text_file_beyond_the_end_of_its_video_fails(tmp_path, film):
    film(tmp_path / "gate.mp4", 3)
    write(tmp_path / "classes.txt", "person\ncar\n")
    write(tmp_path / "gate_4.txt", ROW)
    with pytest.raises(ConfigError, match=r"gate_4\.txt: gate\.mp4 has 3 frames, numbered from 1"):
        read_yolo(tmp_path, Order())
