"""A clean aperture: what its edges hide is neither looked at nor written."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest

from streamdet.media.read.aperture import Aperture, _of_matroska
from streamdet.media.read.probe import probe
from streamdet.media.read.source import open_source
from streamdet.media.write.writer import VideoWriter

PATH = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")


def _with_clap(data, width, height, x=0, y=0):
    """An mp4 whose index stands behind its pictures, with a `clap` in its first track's sample description."""
    clap = struct.pack(">I4sIIIIiIiI", 40, b"clap", width, 1, height, 1, x, 1, y, 1)
    place, sizes = 0, []
    for kind in PATH:
        place = data.index(kind, place) - 4
        sizes.append(place)
        place += 8
    entry = place + 8
    sizes.append(entry)
    end = entry + struct.unpack_from(">I", data, entry)[0]
    grown = bytearray(data[:end] + clap + data[end:])
    for size in sizes:
        struct.pack_into(">I", grown, size, struct.unpack_from(">I", data, size)[0] + len(clap))
    return bytes(grown)


def _framed(number, width, height):
    """A bright picture within black edges of 16 pixels above and below."""
    image = np.zeros((height, width, 3), np.uint8)
    image[16:-16] = 200
    return image


@pytest.fixture
def clip(make_clip):
    path = make_clip("a.mp4", 5, picture=_framed)
    path.write_bytes(_with_clap(path.read_bytes(), 160, 64))
    return path


def test_edges_are_cut_off(clip, tmp_path):
    with open_source(clip) as source:
        assert (source.info.width, source.info.height) == (160, 64)
        frames = list(source)
        assert [frame.image.shape for frame in frames] == [(64, 160, 3)] * 5
        assert min(frame.image.min() for frame in frames) > 150
        with VideoWriter(tmp_path / "out.mp4", source.info) as writer:
            for frame in frames:
                writer.write(frame.picture, frame.pts, frame.time_base)
    with av.open(str(tmp_path / "out.mp4")) as written:
        assert [(frame.width, frame.height) for frame in written.decode(video=0)] == [(160, 64)] * 5
    [track] = probe(clip).video
    assert (track.width, track.height) == (160, 64)


def test_an_aperture_off_the_centre(make_clip):
    path = make_clip("a.mp4", 2, picture=lambda number, width, height: _framed(number, width, height)[::-1] // 2)
    path.write_bytes(_with_clap(path.read_bytes(), 100, 32, x=-30, y=16))
    with open_source(path) as source:
        assert next(iter(source)).image.shape == (32, 100, 3)


@pytest.mark.parametrize("size", [(0, 64), (200, 64), (160, 96)])
def test_an_aperture_that_is_none_is_passed_over(make_clip, size):
    path = make_clip("a.mp4", 2)
    path.write_bytes(_with_clap(path.read_bytes(), *size))
    with open_source(path) as source:
        assert (source.info.width, source.info.height) == (160, 96)


def _element(kind, body):
    return bytes.fromhex(kind) + bytes([0x80 | len(body)]) + body


def test_crop_of_matroska(tmp_path):
    video = _element("54AA", b"\x10") + _element("54BB", b"\x08") + _element("54DD", b"\x02")
    tracks = _element("AE", _element("83", b"\x02")) + _element("AE", _element("E0", video))
    (tmp_path / "a.mkv").write_bytes(
        _element("1A45DFA3", b"") + _element("18538067", _element("EC", b"\0") + _element("1654AE6B", tracks))
    )
    assert _of_matroska(tmp_path / "a.mkv", 1) == Aperture(left=0, top=8, right=2, bottom=16)


def test_pixels_that_are_not_square_are_told_of_every_frame(make_clip):
    def prepare(stream):
        stream.codec_context.sample_aspect_ratio = Fraction(2)

    with open_source(make_clip(frames=3, prepare=prepare)) as source:
        assert source.info.pixel_aspect == 2
        assert {frame.pixel_aspect for frame in source} == {Fraction(2)}
