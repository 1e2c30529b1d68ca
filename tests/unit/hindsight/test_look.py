"""Detectors over a real clip: every frame once, in order, kept in pieces that a later run continues."""

import numpy as np
import pytest

from streamdet.datasets.frames import VideoFile
from streamdet.detections import Detections
from streamdet.errors import SinkError
from streamdet.hindsight import look as module
from streamdet.hindsight.look import Pieces, Teacher, look
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.per_frame import PerFrameDetector

FRAMES, SIZE = 30, (160, 96)


@pytest.fixture
def seen():
    return []


@pytest.fixture
def teacher(seen):
    """Finds one box, as bright as the frame is: its score tells which frame it saw."""

    def make(name="bright", stop_at=None, padding=114):
        def find(images):
            brightness = images.mean(axis=(1, 2, 3))
            seen.extend(brightness)
            if stop_at is not None and len(seen) > stop_at:
                raise KeyboardInterrupt
            return [Detections.of([[10, 20, 30, 60]], [value / 255], [0], ("person",)) for value in brightness]

        spec = DetectorSpec(name, ("person",), "", InputSpec(size=80, padding=padding))
        return Teacher(PerFrameDetector(spec, "numpy", find))

    return make


@pytest.fixture
def video(tmp_path, write_clip):
    return VideoFile(write_clip(tmp_path / "walk.mp4", FRAMES, SIZE))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(module, "PIECE_FRAMES", 12)


def test_every_frame_is_looked_at_once_in_order(tmp_path, video, teacher, seen):
    teachers = [teacher()]
    pieces = Pieces.of(tmp_path / "boxes", video.path, teachers)
    assert list(look(video, teachers, (), pieces)) == list(range(FRAMES))
    footage = pieces.footage(video)
    assert len(seen) == FRAMES
    assert (np.diff(footage.found[0].scores) > 0).all()
    assert footage.found[0].boxes[0] == pytest.approx([20, 40, 60, 96], abs=0.01)
    assert footage.camera.shape == (FRAMES, 2, 3)
    assert footage.times_s == pytest.approx(np.arange(FRAMES) / 25)


def test_a_run_that_was_stopped_continues_after_its_last_piece(tmp_path, video, teacher, seen):
    whole = Pieces(tmp_path / "whole", 1)
    list(look(video, [teacher()], (), whole))
    seen.clear()
    folder = tmp_path / "boxes"
    stopped = [teacher(stop_at=20)]
    with pytest.raises(KeyboardInterrupt):
        list(look(video, stopped, (), Pieces.of(folder, video.path, stopped)))
    seen.clear()
    pieces = Pieces.of(folder, video.path, [teacher()])
    assert pieces.frames == 12
    assert list(look(video, [teacher()], (), pieces)) == list(range(12, FRAMES))
    assert len(seen) == FRAMES - 12
    for name in ("boxes", "scores", "starts"):
        ours, theirs = (getattr(each.footage(video).found[0], name) for each in (pieces, whole))
        assert np.array_equal(ours, theirs)
    assert np.array_equal(pieces.footage(video).camera, whole.footage(video).camera)


def test_a_finished_video_is_not_looked_at_again(tmp_path, video, teacher, seen):
    teachers = [teacher()]
    list(look(video, teachers, (), Pieces.of(tmp_path, video.path, teachers)))
    seen.clear()
    pieces = Pieces.of(tmp_path, video.path, teachers)
    assert list(look(video, teachers, (), pieces)) == []
    assert (pieces.frames, len(pieces.footage(video).times_s), seen) == (FRAMES, FRAMES, [])


def test_a_damaged_piece_is_made_again(tmp_path, video, teacher, seen):
    teachers = [teacher()]
    list(look(video, teachers, (), Pieces.of(tmp_path, video.path, teachers)))
    second = sorted(tmp_path.rglob("*.npz"))[1]
    second.write_bytes(second.read_bytes()[:100])
    assert Pieces.of(tmp_path, video.path, teachers).frames == 12


def test_other_detectors_and_another_video_have_pieces_of_their_own(tmp_path, video, teacher, write_clip):
    list(look(video, [teacher()], (), Pieces.of(tmp_path / "boxes", video.path, [teacher()])))
    assert Pieces.of(tmp_path / "boxes", video.path, [teacher("other")]).frames == 0
    assert Pieces.of(tmp_path / "boxes", video.path, [teacher(padding=0)]).frames == 0
    assert Pieces.of(tmp_path / "boxes", video.path, [teacher(), teacher()]).frames == 0
    write_clip(video.path, FRAMES + 1, SIZE)
    assert Pieces.of(tmp_path / "boxes", video.path, [teacher()]).frames == 0


def test_a_folder_that_cannot_be_written_is_named(tmp_path, video, teacher):
    (tmp_path / "boxes").write_text("a file")
    with pytest.raises(SinkError, match=r"boxes.*cannot be written"):
        list(look(video, [teacher()], (), Pieces.of(tmp_path / "boxes", video.path, [teacher()])))
