import cv2
import numpy as np
import pytest

from streamdet.datasets.contact_sheet import contact_sheet
from streamdet.datasets.frames import ImageFiles
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import Marks
from streamdet.errors import ConfigError, SinkError

TILE = (320, 480)


@pytest.fixture
def yard(tmp_path, draw):
    def build(frames, annotated):
        marks = Marks(480, 298)
        for number in annotated:
            marks.box(number, (100, 100, 200, 200), 0, 4)
            marks.ignore(number, (300, 100, 340, 140))
        paths = [draw(tmp_path / f"{n}.png", (480, 298), (20 + 10 * n,) * 3) for n in range(frames)]
        video = marks.video("gäte", ImageFiles(paths, (480, 298)), np.arange(frames, dtype=np.float64), {0})
        return LabelledSet("yard", ("car",), (video,))

    return build


def shades(sheet):
    """The picture's brightness in every tile, by a spot without boxes and text."""
    rows, columns = sheet.shape[0] // TILE[0], sheet.shape[1] // TILE[1]
    return [int(sheet[row * 320 + 270, column * 480 + 240, 0]) for row in range(rows) for column in range(columns)]


def test_frames_are_spread_over_the_set(tmp_path, yard):
    contact_sheet(yard(23, range(23)), tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (4 * 320, 3 * 480, 3)
    assert shades(sheet) == [20 + 10 * n for n in range(0, 23, 2)]


def test_only_annotated_frames_are_drawn_with_their_boxes(tmp_path, yard):
    contact_sheet(yard(4, [1, 3]), tmp_path / "sheet.png")
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet.shape == (320, 3 * 480, 3)
    assert shades(sheet) == [30, 50, 0]
    assert sheet[150 + 22, 100].tolist() == [25, 25, 255]  # left side of the box: red, as BGR
    assert sheet[150 + 22, 150].tolist() == [30, 30, 30]
    assert sheet[120 + 22, 320].tolist() == [150, 150, 150]  # where the ignore region is crossed out


def test_a_frame_that_cannot_be_read_is_left_black(tmp_path, yard):
    labelled = yard(3, range(3))
    (tmp_path / "1.png").unlink()
    contact_sheet(labelled, tmp_path / "sheet.png")
    assert shades(cv2.imread(str(tmp_path / "sheet.png"))) == [20, 0, 40]


def test_a_set_without_annotated_frames_fails(tmp_path, yard):
    with pytest.raises(ConfigError, match="yard: no frame is labelled"):
        contact_sheet(yard(2, []), tmp_path / "sheet.png")


def test_a_folder_that_is_not_there_fails(tmp_path, yard):
    with pytest.raises(SinkError, match=r"sheet\.png: the contact sheet cannot be written"):
        contact_sheet(yard(2, [0]), tmp_path / "nowhere" / "sheet.png")
