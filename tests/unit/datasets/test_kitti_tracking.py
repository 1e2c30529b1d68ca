import numpy as np
import pytest

from streamdet.datasets.kitti_tracking import read_kitti_tracking
from streamdet.errors import ConfigError

SPACE = "-1000 -1000 -1000 -10 -1 -1 -1"
LABELS = f"""0 -1 DontCare -1 -1 -10 50 10 64 20 {SPACE}
0 0 Van 0 0 -1.79 10.5 20 40 30 {SPACE}
2 0 Van 0 0 -1.79 12 20 42 30 {SPACE}
2 3 Person 0 0 -1.79 1 1 5 9 {SPACE}
2 4 Misc 0 0 -1.79 20 1 25 9 {SPACE}
"""


@pytest.fixture
def root(tmp_path, draw):
    for number in range(3):
        draw(tmp_path / f"image_02/0004/{number:06}.png", colour=(number,) * 3)
    (tmp_path / "label_02").mkdir()
    (tmp_path / "label_02/0004.txt").write_text(LABELS)
    return tmp_path


def test_a_sequence(root):
    labelled = read_kitti_tracking(root)
    (video,) = labelled.videos
    assert (video.name, video.width, video.height) == ("0004", 64, 48)
    np.testing.assert_allclose(video.times_s, [0, 0.1, 0.2])
    first, second, third = video.labels
    np.testing.assert_array_equal(first.boxes, [[10.5, 20, 40, 30]])
    np.testing.assert_array_equal(first.ignore, [[50, 10, 64, 20]])
    assert len(second.boxes) == 0
    assert [labelled.classes[i] for i in third.class_ids] == ["van", "sitting person"]
    assert third.track_ids.tolist() == [0, 1]
    np.testing.assert_array_equal(third.ignore, [[20, 1, 25, 9]])
    assert [int(image[0, 0, 0]) for image in video.frames.read(1)] == [1, 2]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 0 Car 0 0 0 1 2 3 4", "frame 3, expected 0 to 2"),
        ("1 0 Plane 0 0 0 1 2 3 4", "type 'Plane', expected one of"),
        ("1 0", "type '', expected one of"),
        ("1 0 Car 0 0 0 1 2 3", "expected at least 6 finite numbers"),
        ("x 0 Car 0 0 0 1 2 3 4", "expected numbers"),
    ],
)
def test_a_malformed_line_fails(root, line, message):
    (root / "label_02/0004.txt").write_text(f"\n{line}\n")
    with pytest.raises(ConfigError, match=rf"0004\.txt: line 2: {message}"):
        read_kitti_tracking(root)


def test_a_sequence_without_pictures_fails(root):
    (root / "label_02/0005.txt").write_text(LABELS)
    with pytest.raises(ConfigError, match=r"0005\.txt: expected its pictures in .*image_02/0005"):
        read_kitti_tracking(root)


def test_a_folder_without_labels_fails(tmp_path):
    with pytest.raises(ConfigError, match="expected label_02/"):
        read_kitti_tracking(tmp_path)
