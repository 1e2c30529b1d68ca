"""Pixels that are not square (DVDs, DV tapes) stay so: the annotated video is not squeezed."""

from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.frames import RgbPicture
from streamdet.media.read.source import open_source
from streamdet.media.write.writer import VideoWriter


def _wide_clip(path, aspect):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 72, 64, "yuv420p"
        stream.codec_context.sample_aspect_ratio = aspect
        for _ in range(3):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 72, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("name", ["out.mp4", "out.mkv"])
@pytest.mark.parametrize("aspect", [Fraction(16, 11), Fraction(1)])
def test_pixel_aspect_is_kept(tmp_path, name, aspect):
    _wide_clip(tmp_path / "in.mp4", aspect)
    with open_source(tmp_path / "in.mp4") as source:
        assert source.info.pixel_aspect == aspect
        with VideoWriter(tmp_path / name, source.info) as writer:
            for frame in source:
                writer.write(RgbPicture(frame.image), frame.pts, frame.time_base, frame.duration)
    with av.open(str(tmp_path / name)) as written:
        assert (written.streams.video[0].sample_aspect_ratio or 1) == aspect
