"""`streamdet probe` on labelled sets."""

import json

import cv2
import numpy as np
import pytest


@pytest.fixture
def street(streamdet, here):
    """A folder with a clip of the synthetic street and its labels."""
    (here / "set").mkdir()
    words = ("--seconds", "0.8", "--fps", "10", "--width", "160", "--height", "96")
    assert streamdet("scene", "-o", "set/street.mp4", "--labels", "set/labels.json", *words).status == 0
    return here / "set"


def test_a_labelled_set_is_described(streamdet, street, here):
    done = streamdet("probe", "set")
    assert done.status == 0, done.stderr
    for word in ("frames", "identities", "Boxes by size", "person", "160x96 (1)"):
        assert word in done.stdout
    assert done.stderr == "set: described by its labels; to describe one of its videos or images, name it\n"


def test_as_json_and_with_a_sheet(streamdet, street, here):
    done = streamdet("probe", "set/labels.json", "--json", "--sheet", "sheet.png")
    assert (done.status, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert (report["frames"], report["videos"]) == (8, 1)
    assert set(report["classes"]) == {"person", "car", "motorcycle", "bus", "truck"}
    assert np.any(cv2.imread(str(here / "sheet.png")))
    again = streamdet("probe", "set/labels.json", "--sheet", "sheet.png")
    assert again.status == 2
    assert "sheet.png already exists" in again.stderr
    assert streamdet("probe", "set/labels.json", "--sheet", "sheet.png", "--overwrite").status == 0


def test_a_video_beside_its_labels_is_still_a_video(streamdet, street):
    done = streamdet("probe", "set/street.mp4")
    assert done.status == 0
    assert "h264" in done.stdout
    assert "Boxes by size" not in done.stdout


def test_a_folder_of_results_is_no_labelled_set(streamdet, street, here):
    """A run report beside its video: JSON, but no labels."""
    (street / "labels.json").unlink()
    (street / "run.report.json").write_text('{"frames_per_second": 12}')
    done = streamdet("probe", "set")
    assert done.status == 0, done.stderr
    assert "h264" in done.stdout


def test_one_of_several_splits(streamdet, street, here):
    for name in ("train", "valid"):
        (street / f"{name}.json").write_bytes((street / "labels.json").read_bytes())
    (street / "labels.json").unlink()
    done = streamdet("probe", "set")
    assert done.status == 2
    assert "choose one of its splits: train, valid" in done.stderr
    assert streamdet("probe", "set", "--split", "valid").status == 0


def test_mistakes(streamdet, street, here):
    (here / "other.json").write_text("[1, 2")
    wrong = streamdet("probe", "other.json")
    assert wrong.status == 2
    assert "other.json" in wrong.stderr
    sheet = streamdet("probe", "set/street.mp4", "--sheet", "sheet.png")
    assert sheet.status == 2
    assert "for labelled sets" in sheet.stderr
    assert not (here / "sheet.png").exists()


def test_what_numbered_pictures_are_taken_for_is_said_and_can_be_changed(streamdet, here):
    (here / "set").mkdir()
    (here / "set/classes.txt").write_text("person\n")
    for number in range(4):
        cv2.imwrite(str(here / f"set/{number:04}.jpg"), np.zeros((48, 64, 3), np.uint8))
        (here / f"set/{number:04}.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    found = json.loads(streamdet("probe", "set", "--json").stdout)
    assert (found["videos"], found["frames"]) == (1, 4)
    assert "4 pictures are read as frames of 1 video at 25 frames/s (assumed)" in found["notes"][0]
    assert "note: 4 pictures are read as frames" in streamdet("probe", "set").stdout
    found = json.loads(streamdet("probe", "set", "--json", "--stills").stdout)
    assert (found["videos"], found["notes"]) == (4, [])
    found = json.loads(streamdet("probe", "set", "--json", "--fps", "10").stdout)
    assert found["seconds"] == 0.3


def test_labels_that_are_not_there(streamdet):
    done = streamdet("probe", "labels.json", "--sheet", "sheet.png")
    assert (done.status, done.stderr) == (
        2,
        "error: labels.json: no such file or folder; expected a labelled set\n",
    )
