"""`streamdet run` on still pictures: pictures with boxes."""

import cv2
import numpy as np
import pytest
from heif_file import write_heif

LOW = ("--conf", "0.001")  # the model is untrained: this gives boxes


@pytest.fixture
def photos(here):
    """A folder of pictures of several kinds and sizes."""
    folder = here / "photos"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, size in (("a1.jpg", (60, 80)), ("a2.jpg", (60, 80)), ("a10.PNG", (70, 50)), ("b.bmp", (64, 64))):
        cv2.imencode(name[-4:].lower(), random.integers(0, 255, (*size, 3), np.uint8))[1].tofile(folder / name)
    return folder


def test_folder_of_pictures(streamdet, here, photos, tiny_model):
    done = streamdet("run", "photos", "-o", "out/", "--model", tiny_model, *LOW, "--detections", "found.jsonl")
    assert done.status == 0
    assert "out/: 4 pictures delivered" in done.stderr
    assert sorted(path.name for path in (here / "out").iterdir()) == ["a1.jpg", "a10.PNG", "a2.jpg", "b.bmp"]
    for path in photos.iterdir():
        before, after = cv2.imread(str(path)), cv2.imread(str(here / "out" / path.name))
        assert before.shape == after.shape
        assert np.abs(before.astype(int) - after).max() > 60  # something is drawn
    again = streamdet("run", "photos", "-o", "out/", "--model", tiny_model)
    assert (again.status, "out/a1.jpg already exists" in again.stderr) == (2, True)


def test_single_pictures(streamdet, here, photos, tiny_model):
    write_heif(here / "phone.heic", 3, 2)
    done = streamdet("run", "photos/a2.jpg", "photos/b.bmp", "phone.heic", "-o", "out", "--model", tiny_model)
    assert done.status == 0
    assert sorted(path.name for path in (here / "out").iterdir()) == ["a2.jpg", "b.bmp", "phone.jpg"]
    assert cv2.imread(str(here / "out/phone.jpg")).shape == (128, 192, 3)
    done = streamdet("run", "photos/a2.jpg", "-o", "x.webp", "--model", tiny_model)
    assert done.status == 0
    assert "wrote x.webp" in done.stderr
    assert cv2.imread(str(here / "x.webp")).shape == (60, 80, 3)


def test_part_of_a_folder_keeps_its_names(streamdet, here, photos, tiny_model):
    assert streamdet("run", "photos", "-o", "out", "--stride", "2", "--model", tiny_model).status == 0
    assert sorted(path.name for path in (here / "out").iterdir()) == ["a1.jpg", "a10.PNG"]


def test_picture_that_cannot_be_written_is_said(streamdet, here, photos, tiny_model):
    (here / "out/a2.jpg").mkdir(parents=True)
    done = streamdet("run", "photos", "-o", "out", "--overwrite", "--model", tiny_model)
    assert done.status == 1
    assert "error: out/a2.jpg: " in done.stderr
    assert cv2.imread(str(here / "out/a1.jpg")).shape == (60, 80, 3)
