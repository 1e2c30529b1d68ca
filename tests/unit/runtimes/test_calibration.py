from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.errors import ConfigError, SourceError
from streamdet.models.contract import InputSpec
from streamdet.runtimes.calibration import calibrate_on, clips, unseen


@pytest.fixture
def video(tmp_path):
    """Writes a video whose frames are as bright as their number says, from 16 on."""

    def write(frames, width=64, height=48):
        path = tmp_path / f"{frames}.mkv"
        with av.open(str(path), "w") as container:
            stream = container.add_stream("ffv1", rate=Fraction(10))
            stream.width, stream.height, stream.pix_fmt = width, height, "gray"
            for number in range(frames):
                image = np.full((height, width), 16 + number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="gray")))
            container.mux(stream.encode())
        return path

    return write


def numbers(clip):
    """Which frames of a video these are."""
    return [round(float(image[:40, :60].mean())) - 16 for image in clip]


def test_clips_are_spread_over_a_video_and_their_frames_follow_one_another(video):
    parts = [numbers(clip) for clip in clips(video(200), InputSpec(64))]
    assert len(parts) == 25
    assert parts[0] == [0, 1, 2, 3, 4, 5, 6, 7]
    assert [part[0] for part in parts] == sorted({part[0] for part in parts})
    assert all(np.diff(part).tolist() == [1] * 7 for part in parts)
    assert parts[-1][-1] >= 192
    assert len(clips(video(1), InputSpec(64))) == 1


@pytest.mark.parametrize(
    ("side", "size", "shape"), [(64, None, (64, 64)), (128, None, (96, 128)), (64, (96, 160), (96, 160))]
)
def test_model_images_are_as_a_run_makes_them_or_of_the_size_that_is_asked_for(video, side, size, shape):
    clip = clips(video(3), InputSpec(side), size)[0]
    assert clip.shape == (3, *shape, 3)
    assert numbers(clip) == [0, 1, 2]
    if shape == (96, 160):
        assert (clip[:, :, 128:] == 114).all()


def test_what_is_tried_was_not_calibrated_on(video, make_model, monkeypatch):
    path, looked_at = video(160), []
    monkeypatch.setattr(
        "streamdet.runtimes.calibration.calibrate",
        lambda model, clips: looked_at.extend(
            n for clip in clips for n in numbers(clip[0].permute(0, 2, 3, 1).numpy())
        ),
    )
    calibrate_on(make_model(image_size=64), [path])
    tried = numbers(unseen([path], InputSpec(64), (64, 64), least=16))
    assert len(looked_at) == len(tried) == 80
    assert set(looked_at).isdisjoint(tried)
    assert numbers(unseen([video(5)], InputSpec(64), (64, 64), least=12)) == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_what_is_no_video_fails(tmp_path, make_model):
    with pytest.raises(ConfigError, match=r"none\.mp4: no such file"):
        calibrate_on(make_model(), [tmp_path / "none.mp4"])
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(SourceError, match=r"text\.mp4: not a video"):
        calibrate_on(make_model(), [tmp_path / "text.mp4"])
