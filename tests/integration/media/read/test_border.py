"""Whatever a library raises of one source: that source alone fails, and is named."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.errors import DecodeError
from streamdet.flow import Run
from streamdet.frames import Frame, StreamEnded
from streamdet.media.locations import expand_sources
from streamdet.media.read.decoder import Decoder
from streamdet.media.read.probe import probe
from streamdet.media.read.source import open_source
from streamdet.stages.decode import Input, decode


def _exif(orientation):
    """An APP1 segment as cameras write it: TIFF, little-endian, with one entry (0x0112, orientation)."""
    tiff = struct.pack("<2sHIHHHIHHI", b"II", 42, 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    return b"\xff\xe1" + struct.pack(">H", 2 + 6 + len(tiff)) + b"Exif\0\0" + tiff


def _photos(path, orientation=1, frames=5):
    """What `ffmpeg -i IMG_%04d.JPG -c copy` makes of photos: MJPEG with EXIF in every picture. The left half is red."""
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 48, "yuvj420p", Fraction(1, 10)
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = (220, 20, 20)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuvj420p")
            frame.pts = number
            for packet in encoder.encode(frame):
                jpeg = bytes(packet)
                photo = av.Packet(jpeg[:2] + _exif(orientation) + jpeg[2:])
                photo.stream, photo.time_base, photo.is_keyframe = stream, Fraction(1, 10), True
                photo.pts = photo.dts = number
                container.mux(photo)
    return path


@pytest.mark.parametrize("name", ["a.avi", "a.mov", "a.mkv"])
def test_side_data_that_has_no_name_costs_nothing(tmp_path, name):
    path = _photos(tmp_path / name)
    with open_source(path) as source:
        frames = list(source)
    assert [frame.pts_s for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert (source.info.width, source.info.height) == (64, 48)
    assert probe(path).video[0].frames == 5


def test_orientation_beside_side_data_that_has_no_name_is_read(tmp_path):
    with open_source(_photos(tmp_path / "a.avi", orientation=6)) as source:  # turn by 90 degrees clockwise
        [first, *_] = list(source)
    assert (first.width, first.height) == (48, 64)
    red = first.image[:, :, 0]
    assert red[:32].mean() > 150
    assert red[32:].mean() < 50


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("31 is not a valid Type"), OverflowError(), AttributeError()]
)
def test_source_of_which_a_library_raises_anything_fails_alone(make_clip, monkeypatch, error):
    broken, good = make_clip("broken.mp4", 5), make_clip("good.mp4", 5)
    whole = Decoder.packets

    def packets(decoder):
        for number, packet in enumerate(whole(decoder)):
            if number == 3 and "broken" in decoder.container.name:
                raise error
            yield packet

    monkeypatch.setattr(Decoder, "packets", packets)
    inputs = [Input(spec) for spec in expand_sources([str(broken), str(good)])]
    with Run([decode(inputs)], [], "inline") as run:
        items = list(run)
    ended = {item.source: item for item in items if isinstance(item, StreamEnded)}
    assert "broken.mp4: cannot be read" in ended["broken"].error
    assert type(error).__name__ in ended["broken"].error
    assert ended["good"].error is None
    assert sum(isinstance(item, Frame) and item.source == "good" for item in items) == 5
    with pytest.raises(DecodeError, match=r"broken\.mp4"):
        list(open_source(broken))
