"""`streamdet label` on a real clip: files, endings, resuming, failures."""

import json
import shutil
import signal
import time

import pytest

from streamdet.datasets.open_set import open_set


@pytest.fixture(scope="session")
def scene(tmp_path_factory):
    """A second of the synthetic street, with its own labels."""
    from streamdet.cli import main

    folder = tmp_path_factory.mktemp("scene")
    arguments = ["scene", "-o", folder / "street.mp4", "--seconds", 1, "--width", 480, "--height", 270]
    assert main([str(each) for each in arguments]) == 0
    return folder / "street.mp4"


@pytest.fixture
def street(scene, here):
    return shutil.copy(scene, here / "street.mp4")


def sure_boxes(path):
    return [sum(len(frame.boxes) for frame in video.labels if frame is not None) for video in open_set(path).videos]


def test_a_clip_becomes_labels_in_each_format(streamdet, street, here):
    done = streamdet("label", "street.mp4", "--keep-boxes")
    assert done.status == 0
    assert "street.mp4: " in done.stderr
    assert "objects" in done.stderr
    rows = json.loads((here / "labels.json").read_text())["annotations"]
    (boxes,) = sure_boxes(here / "labels.json")
    assert boxes == sum(not row["iscrowd"] for row in rows) > 25
    for name, more in (("labels.xml", ()), ("tasks.json", ("--format", "label-studio"))):
        assert streamdet("label", "street.mp4", "-o", name, *more).status == 0
        assert sure_boxes(here / name) == [boxes]


def test_labels_agree_with_the_scene(streamdet, street, scene, here):
    """Most of what is labelled is there: people in the synthetic street are small."""
    from streamdet.boxes import box_iou

    assert streamdet("label", "street.mp4", "--classes", "person,car").status == 0
    labelled, true = (open_set(path) for path in (here / "labels.json", scene.with_name("street.labels.json")))
    assert labelled.classes == ("person", "car")
    hits = found = 0
    for ours, theirs in zip(labelled.videos[0].labels, true.videos[0].labels, strict=True):
        overlap = box_iou(ours.boxes, theirs.boxes)
        hits += int((overlap.max(axis=1, initial=0.0) >= 0.5).sum())
        found += len(ours.boxes)
    assert hits >= 0.5 * found > 0


def test_kept_boxes_are_labelled_anew(streamdet, street, here):
    assert streamdet("label", "street.mp4", "--keep-boxes").status == 0
    assert sure_boxes(here / "labels.json")[0] > 25
    piece = next((here / "labels.json.boxes").rglob("*.npz"))
    written_ns = piece.stat().st_mtime_ns
    assert streamdet("label", "street.mp4", "--resume", "--keep-boxes", "--sure", "0.99").status == 0
    assert (sure_boxes(here / "labels.json"), piece.stat().st_mtime_ns) == ([0], written_ns)
    assert streamdet("label", "street.mp4", "--resume").status == 0
    assert not (here / "labels.json.boxes").exists()


def test_one_broken_video_does_not_stop_the_others(streamdet, street, clips, here):
    done = streamdet("label", clips / "text.mp4", "street.mp4")
    assert done.status == 1
    assert "text.mp4" in done.stderr
    assert [video.name for video in open_set(here / "labels.json").videos] == ["street"]


def test_models_are_fused_with_their_weights(streamdet, street, tiny_model, here):
    done = streamdet("label", "street.mp4", "--model", "street", "--model", tiny_model, "--weight", 1, "--weight", 0)
    assert done.status == 0
    assert sure_boxes(here / "labels.json")[0] > 25


def test_ctrl_c_keeps_what_was_found(start, clips, here):
    process = start("label", clips / "long.mp4", "--progress")
    boxes, until = here / "labels.json.boxes", time.monotonic() + 300
    while not list(boxes.rglob("0*.npz")):
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130
    assert "continue with --resume" in errors
    assert not (here / "labels.json").exists()
    assert list(boxes.rglob("0*.npz"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["street.mp4", "-o", "labels.txt"], "expected the ending"),
        (["missing.mp4"], "missing.mp4"),
        (["street.mp4", "street.mp4", "-o", "labels.xml"], "one video in a file, got 2"),
        (["street.mp4", "--model", "street", "--weight", "0"], "--weight: expected one for each of the 1 models"),
        (["street.mp4", "--imgsz", "10"], "--imgsz: expected 64 to 4096 pixels, got 10"),
        (["street.mp4", "--imgsz", "320", "--imgsz", "640"], "--imgsz: expected it once, or for each of the 1 models"),
        (["street.mp4", "--classes", "zebra"], "--classes: the models do not find zebra"),
        (["street.mp4", "--model", "nothing"], "nothing"),
        (["rtsp://host/cam"], "expected video files"),
        (["street.mp4", "--sure", "2"], "--sure"),
    ],
)
def test_a_wrong_command_writes_nothing(streamdet, street, here, arguments, says):
    done = streamdet("label", *arguments)
    assert (done.status, sorted(path.name for path in here.iterdir())) == (2, ["street.mp4"])
    assert says in done.stderr


def test_an_existing_output_stays(streamdet, street, here):
    (here / "labels.json").write_text("mine")
    done = streamdet("label", "street.mp4")
    assert (done.status, (here / "labels.json").read_text()) == (2, "mine")
    assert "--overwrite" in done.stderr


def test_boxes_of_a_run_that_was_stopped_are_not_lost_silently(streamdet, street, here):
    (here / "labels.json.boxes").mkdir()
    done = streamdet("label", "street.mp4")
    assert done.status == 2
    assert "continue it with --resume" in done.stderr
    assert streamdet("label", "street.mp4", "--resume").status == 0
