"""Decoding on a real GPU; run by `pytest -m gpu`, and a failure where there is none."""

import logging

import av
import numpy as np
import pytest

from streamdet.frames import Frame
from streamdet.media.locations import SourceSpec
from streamdet.media.read.hwaccel import why_not
from streamdet.media.read.source import open_source
from streamdet.scenes.scene import SceneSpec, render

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize(
    ("codec", "format_"), [("libx264", "yuv420p"), ("libx265", "yuv420p"), ("libx265", "yuv420p10le")]
)
def test_gives_the_frames_that_software_gives(tmp_path, caplog, codec, format_):
    """The standards say to the bit what comes out of a decoder."""
    assert why_not("cuda") is None
    path = tmp_path / "street.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 192, format_
        for frame in render(SceneSpec(width=320, height=192, frames=50)):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, format="rgb24")))
        container.mux(stream.encode())
    caplog.set_level(logging.DEBUG, "streamdet")
    read = {}
    for kind in (None, "cuda"):
        with open_source(SourceSpec(str(path), "street", "file", hwaccel=kind)) as source:
            read[kind] = [frame for frame in source if isinstance(frame, Frame)]
    assert f"{path}: decoded by cuda" in caplog.messages
    assert [frame.pts for frame in read["cuda"]] == [frame.pts for frame in read[None]]
    assert len(read[None]) == 50
    for given, expected in zip(read["cuda"], read[None], strict=True):
        assert np.array_equal(given.image, expected.image)
