from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.errors import SourceOpenError
from streamdet.media.read.frame_times import frame_times
from streamdet.media.read.source import open_source

TIMES_MS = [0, 40, 80, 200, 240, 300, 420, 500, 900, 940, 1000, 1040, 1100, 1300]


def encode(path, codec, times_ms, options):
    """A clip with the given times; the first packets' times may be negative, then mp4 hides them by an edit list."""
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = options
        for number, time in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 10 * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("b_frames", [0, 2])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "ts"])
def test_times_are_those_of_the_decoded_frames(tmp_path, suffix, b_frames):
    options = {"g": "5", "bf": str(b_frames)}
    path = encode(tmp_path / f"clip.{suffix}", "libx264", TIMES_MS, options)
    pts, time_base = frame_times(path)
    with open_source(path) as source:
        assert pts == [frame.pts for frame in source]
        assert time_base == source.info.time_base
    assert [round(float((value - pts[0]) * time_base) * 1000) for value in pts] == TIMES_MS


@pytest.mark.parametrize(("suffix", "codec"), [("avi", "mpeg4"), ("h264", "libx264")])
def test_times_of_containers_without_any_are_those_of_the_decoded_frames(tmp_path, suffix, codec):
    path = encode(tmp_path / f"clip.{suffix}", codec, range(0, 400, 40), {"g": "5", "bf": "2"})
    pts, _ = frame_times(path)
    with open_source(path) as source:
        assert pts == [frame.pts for frame in source]
    assert len(pts) == 10


def test_frames_that_an_edit_list_hides_are_not_counted(tmp_path):
    path = encode(tmp_path / "clip.mp4", "libx264", range(-120, 400, 40), {"g": "30", "bf": "0"})
    pts, time_base = frame_times(path)
    with open_source(path) as source:
        assert pts == [frame.pts for frame in source]
    assert [round(float(value * time_base) * 1000) for value in pts] == list(range(0, 400, 40))


def test_a_file_that_is_no_video_fails(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"not a video" * 100)
    with pytest.raises(SourceOpenError, match=r"clip\.mp4"):
        frame_times(path)
