import numpy as np
import pytest

from streamdet.datasets.visdrone_vid import read_visdrone_vid
from streamdet.errors import ConfigError

ROWS = """1,0,10,20,30,10,1,4,0,0
1,1,0,0,8,8,0,0,0,0
3,0,12,20,30,10,1,4,0,1
3,5,1,1,4,4,1,11,0,0
3,6,1,9,4,4,1,10,0,0
3,7,20,1,4,4,0,4,0,0
"""


@pytest.fixture
def root(tmp_path, draw):
    for number in (1, 2, 3):
        draw(tmp_path / f"sequences/uav01/{number:07}.jpg", colour=(20 * number,) * 3)
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations/uav01.txt").write_text(ROWS)
    return tmp_path


def test_a_sequence(root):
    labelled = read_visdrone_vid(root, frames_per_second=30)
    (video,) = labelled.videos
    assert (video.name, video.width, video.height) == ("uav01", 64, 48)
    np.testing.assert_allclose(video.times_s, [0, 1 / 30, 2 / 30])
    first, second, third = video.labels
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 30]])
    np.testing.assert_array_equal(first.ignore, [[0, 0, 8, 8]])
    assert len(second.boxes) == 0
    assert [labelled.classes[i] for i in third.class_ids] == ["car", "motor"]
    assert third.track_ids.tolist() == [0, 1]
    np.testing.assert_array_equal(third.ignore, [[1, 1, 5, 5], [20, 1, 24, 5]])
    assert [int(image.mean().round()) for image in video.frames.read(1)] == [40, 60]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("4,0,1,2,3,4,1,4,0,0", "expected a frame of 1 to 3 and a class of 0 to 11"),
        ("1,0,1,2,3,4,1,12,0,0", "expected a frame of 1 to 3 and a class of 0 to 11"),
        ("1,0,1,2,3,4,1", "expected at least 8 finite numbers"),
    ],
)
def test_a_malformed_line_fails(root, line, message):
    (root / "annotations/uav01.txt").write_text(line)
    with pytest.raises(ConfigError, match=rf"uav01\.txt: line 1: {message}"):
        read_visdrone_vid(root)


def test_a_sequence_without_pictures_fails(root):
    (root / "annotations/uav02.txt").write_text(ROWS)
    with pytest.raises(ConfigError, match=r"uav02\.txt: expected its pictures in .*sequences/uav02"):
        read_visdrone_vid(root)


def test_a_folder_without_annotations_fails(tmp_path):
    with pytest.raises(ConfigError, match="expected annotations/"):
        read_visdrone_vid(tmp_path)
