import shutil

import numpy as np
import pytest

from streamdet.datasets.frames import ImageFiles
from streamdet.datasets.motchallenge import read_motchallenge
from streamdet.errors import ConfigError

INFO = """[Sequence]
name=MOT17-02
imDir=img1
frameRate=20
seqLength=3
imWidth=64
imHeight=48
imExt=.jpg
"""
GT = """1,7,10,20,30,10,1,1,0.86
1,9,0,0,8,8,0,1,0.1
3,7,12,20,30,10,1,1,1
3,8,1,1,4,4,1,7,1
3,4,40,4,9,9,0,3,1
"""


@pytest.fixture
def sequence(tmp_path, draw):
    folder = tmp_path / "train/MOT17-02"
    for number in (1, 2, 3):
        draw(folder / f"img1/{number:06}.jpg", colour=(number * 20,) * 3)
    (folder / "gt").mkdir()
    (folder / "gt/gt.txt").write_text(GT)
    (folder / "seqinfo.ini").write_text(INFO)
    return folder


def test_a_sequence(sequence):
    labelled = read_motchallenge(sequence)
    assert labelled.classes == ("pedestrian",)
    (video,) = labelled.videos
    assert (video.name, video.width, video.height) == ("MOT17-02", 64, 48)
    np.testing.assert_allclose(video.times_s, [0, 0.05, 0.1])
    first, second, third = video.labels
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 30]])
    np.testing.assert_array_equal(first.ignore, [[0, 0, 8, 8]])
    assert len(second.boxes) == 0
    np.testing.assert_array_equal(third.boxes, [[12, 20, 42, 30]])
    np.testing.assert_array_equal(third.ignore, [[1, 1, 5, 5], [40, 4, 49, 13]])
    assert first.track_ids.tolist() == third.track_ids.tolist() == [0]
    assert [int(image.mean().round()) for image in video.frames.read(1)] == [40, 60]


def test_a_folder_of_sequences(sequence):
    other = sequence.with_name("MOT17-04")
    shutil.copytree(sequence, other)
    assert [video.name for video in read_motchallenge(sequence.parent).videos] == ["MOT17-02", "MOT17-04"]


def test_a_missing_picture_does_not_move_the_labels(sequence):
    (sequence / "img1/000001.jpg").unlink()
    (video,) = read_motchallenge(sequence).videos
    assert int(next(video.frames.read(2)).mean().round()) == 60


@pytest.mark.parametrize(
    ("names", "info", "expected"),
    [
        (["frame_000001", "frame_000003"], INFO, ["frame_000001", "frame_000002", "frame_000003"]),
        (["frame_000000", "frame_000001"], INFO, ["frame_000000", "frame_000001", "frame_000002"]),
        (["7", "8", "9"], "", ["7", "8", "9"]),
        (["a9", "a10", "a11"], INFO, ["a9", "a10", "a11"]),
    ],
    ids=["as CVAT names them", "counted from 0", "counted from 7", "of one and two digits"],
)
def test_names_of_frames(sequence, draw, names, info, expected):
    for path in (sequence / "img1").iterdir():
        path.unlink()
    for name in names:
        draw(sequence / f"img1/{name}.jpg")
    (sequence / "seqinfo.ini").write_text(info or INFO)
    (video,) = read_motchallenge(sequence).videos
    assert isinstance(video.frames, ImageFiles)
    assert [path.stem for path in video.frames.paths] == expected


def test_rows_of_a_tracker(sequence):
    """Frame, track id, box, confidence, and -1 where it knows nothing."""
    (sequence / "gt/gt.txt").write_text(
        "1,7,10,20,30,10,0.83,-1,-1\n2,7,10,20,30,10,0.4\n3,-1,10,20,30,10,0.9,-1,-1,-1\n"
    )
    (video,) = read_motchallenge(sequence).videos
    assert [labels.track_ids.tolist() for labels in video.labels] == [[0], [0], [-1]]


def test_rows_of_ten_columns_have_no_class(sequence):
    (sequence / "gt/gt.txt").write_text("1,3,10,20,30,10,1,-1,-1,-1\n2,-1,10,20,30,10,0.5,3.5,2,0\n")
    labelled = read_motchallenge(sequence)
    assert labelled.classes == ("pedestrian",)
    assert [labels.track_ids.tolist() for labels in labelled.videos[0].labels] == [[0], [-1], []]


def test_classes_of_ones_own(sequence):
    (sequence / "gt/labels.txt").write_text("bus\nvan\n")
    (sequence / "gt/gt.txt").write_text("1,1,10,20,30,10,1,2,1\n1,2,10,20,30,10,1,1,1\n")
    labelled = read_motchallenge(sequence)
    assert labelled.classes == ("bus", "van")
    assert labelled.videos[0].labels[0].class_ids.tolist() == [1, 0]


def test_a_sequence_that_is_a_video(tmp_path, film):
    film(tmp_path / "clip.mp4", 4, [0, 40, 100, 500])
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt/gt.txt").write_text("4,1,10,20,30,10,1,1,1\n")
    (video,) = read_motchallenge(tmp_path).videos
    np.testing.assert_allclose(video.times_s, [0, 0.04, 0.1, 0.5])
    assert [len(labels.boxes) for labels in video.labels] == [0, 0, 0, 1]


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("gt/gt.txt", "4,1,10,20,30,10,1,1,1", "has frame 4, the sequence has 3 frames"),
        ("gt/gt.txt", "0,1,10,20,30,10,1,1,1", r"gt\.txt: line 1: frame 0, expected 1 or more"),
        ("gt/gt.txt", "1,1,10,20,30,10,1,14,1", r"gt\.txt: line 1: class 14"),
        ("gt/gt.txt", "1,1,10,20,30", r"gt\.txt: line 1: expected at least 6 finite numbers"),
        ("seqinfo.ini", "frameRate=20", r"seqinfo\.ini: expected a section \[Sequence\]"),
        ("seqinfo.ini", "[Sequence]\nframeRate=fast", r"seqinfo\.ini: expected a section \[Sequence\]"),
        ("seqinfo.ini", "[Sequence]\nseqLength=1e99", r"seqinfo\.ini: seqlength is 1e\+99"),
    ],
)
def test_a_malformed_sequence_fails(sequence, file, content, message):
    (sequence / file).write_text(content)
    with pytest.raises(ConfigError, match=message):
        read_motchallenge(sequence)


def test_a_folder_without_sequences_fails(tmp_path):
    with pytest.raises(ConfigError, match=r"expected gt/gt\.txt"):
        read_motchallenge(tmp_path)
