import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamdet.cli import main
from streamdet.errors import ConfigError
from streamdet.training.classify.augment import change_clip
from streamdet.training.classify.clips import read_clips
from streamdet.training.classify.config import AugmentConfig, ClassifyConfig


def _picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((40, 60, 3), value, np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Of each of two classes a folder of three pictures, and two pictures on their own."""
    for name, value in (("falls", 50), ("rises", 150)):
        for number in range(3):
            _picture(tmp_path / "clips" / name / "one" / f"{number}.png", value + number)
        for number in (10, 9):
            _picture(tmp_path / "clips" / name / f"{number}.png", value + number)
    return tmp_path / "clips"


def _read(data: Path, **keys):
    config = ClassifyConfig(**{"data": data, "size": (32, 48), "fps": 4.0, **keys})
    return read_clips(config, data.parent / "cache", lambda text: None)


def test_folders_and_pictures_are_clips_of_the_class_of_their_folder(data) -> None:
    clips = _read(data, hold_out=0.0)
    assert clips.classes == ("falls", "rises")
    assert [(clip.class_id, len(clip.frames), int(clip.frames[0, 0, 0, 0])) for clip in clips.train] == [
        (0, 3, 50),
        (0, 1, 59),
        (0, 1, 60),
        (1, 3, 150),
        (1, 1, 159),
        (1, 1, 160),
    ]
    assert clips.train[0].frames.shape == (3, 32, 48, 3)
    assert not clips.val


def test_a_video_is_looked_at_so_many_times_a_second(data) -> None:
    out = data / "falls" / "street.mp4"
    assert (
        main(["scene", "-o", str(out), "--seconds", "1", "--fps", "24", "--width", "64", "--height", "64", "-q"]) == 0
    )
    clips = _read(data, hold_out=0.0)
    [video] = [clip for clip in clips.train if clip.path == out]
    assert len(video.frames) == 4
    # What was decoded once is not decoded again, and what is another file is.
    kept = set((data.parent / "cache").iterdir())
    _read(data, hold_out=0.0)
    assert set((data.parent / "cache").iterdir()) == kept


def test_some_of_each_class_are_held_out_always_the_same(data) -> None:
    first, again = (_read(data, hold_out=0.34) for _ in range(2))
    assert sorted(clip.class_id for clip in first.val) == [0, 1]
    assert len(first.train) == 4
    assert [clip.path for clip in first.val] == [clip.path for clip in again.val]


def test_a_folder_val_is_validated_on(data, tmp_path) -> None:
    root = tmp_path / "split"
    shutil.copytree(data, root / "train")
    _picture(root / "val" / "rises" / "a.png", 7)
    clips = _read(root)
    assert len(clips.train) == 6
    assert [(clip.class_id, int(clip.frames[0, 0, 0, 0])) for clip in clips.val] == [(1, 7)]
    _picture(root / "val" / "jumps" / "a.png", 7)
    with pytest.raises(ConfigError, match="jumps: is no class to train on; expected falls, rises"):
        _read(root)


def test_what_is_no_data_set_is_refused(data) -> None:
    shutil.rmtree(data / "rises")
    with pytest.raises(ConfigError, match="holds 1 folders of classes; expected two at least"):
        _read(data)
    (data / "rises").mkdir()
    with pytest.raises(ConfigError, match="rises: holds no clip to train on"):
        _read(data)
    with pytest.raises(ConfigError, match="nowhere: no such folder; expected train/CLASS"):
        _read(data / "nowhere")


def test_a_window_of_a_short_clip_starts_with_its_first_frame(data) -> None:
    clip = _read(data, hold_out=0.0).train[0]
    assert clip.window(0, 5)[:, 0, 0, 0].tolist() == [50, 50, 50, 51, 52]
    assert clip.window(1, 2)[:, 0, 0, 0].tolist() == [51, 52]


def test_all_frames_of_a_clip_are_changed_alike() -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (32, 48, 3), np.uint8)
    clip = np.repeat(frame[None], 4, axis=0)
    changed = [change_clip(clip, AugmentConfig(), np.random.default_rng(seed)) for seed in range(4)]
    for each in changed:
        assert (each == each[0]).all()
        assert (each[0] != frame).any()
    assert (changed[0] != changed[1]).any()
    still = change_clip(clip, AugmentConfig(rotation_deg=0.0, shift=0.0, flip=1.0), rng)
    assert (still[0] == frame[:, ::-1]).all()
