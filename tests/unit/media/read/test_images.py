import resource
from fractions import Fraction

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from streamdet.errors import SourceOpenError
from streamdet.media.read.images import read_image
from streamdet.media.read.source import open_source

RED, BLUE = (255, 0, 0), (0, 0, 255)


def flat(path, rgb, size=(32, 24)):
    Pillow.new("RGB", size, rgb).save(path)


@pytest.fixture
def folder(tmp_path):
    for number in (1, 2, 10):
        flat(tmp_path / f"f{number}.png", (number, 0, 0))
    return tmp_path


def test_a_folder_is_a_stream_in_natural_order(folder):
    with open_source(folder) as source:
        frames = list(source)
    assert [int(frame.image[0, 0, 0]) for frame in frames] == [1, 2, 10]
    assert [(frame.index, frame.pts, frame.duration) for frame in frames] == [(0, 0, 1), (1, 1, 1), (2, 2, 1)]
    assert {frame.time_base for frame in frames} == {Fraction(1, 25)}
    info = source.info
    assert (info.width, info.height, info.frames, info.duration_s) == (32, 24, 3, 0.12)
    assert not info.live
    assert info.path is None


def test_an_unreadable_image_is_counted_and_leaves_a_hole(folder):
    (folder / "f2.png").write_bytes(b"\x89PNG but not really")
    (folder / "f3.png").touch()
    with open_source(folder) as source:
        assert [frame.index for frame in source] == [0, 3]
        assert source.undecodable == 2


def test_part_of_a_sequence(folder):
    assert [frame.index for frame in open_source(folder, start_s=0.04)] == [1, 2]
    assert [frame.index for frame in open_source(folder, end_s=0.08)] == [0, 1]
    assert [frame.index for frame in open_source(folder, stride=2)] == [0, 2]
    assert [frame.index for frame in open_source(folder, max_frames=2)] == [0, 1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path, orientation):
    picture = np.zeros((24, 32, 3), np.uint8)
    picture[:8, :8] = RED
    stored = Pillow.fromarray(picture)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.jpg", exif=exif, quality=95)
    upright = {
        1: picture, 2: picture[:, ::-1], 3: np.rot90(picture, 2), 4: picture[::-1],
        5: picture.transpose(1, 0, 2), 6: np.rot90(picture, -1), 7: np.rot90(picture, 2).transpose(1, 0, 2),
        8: np.rot90(picture),
    }[orientation]  # fmt: skip
    [frame] = open_source(tmp_path / "a.jpg")
    assert frame.image.shape == upright.shape
    assert np.abs(frame.image.astype(int) - upright).mean() < 4


def test_all_kinds_of_pixels_become_rgb(tmp_path):
    cv2.imwrite(str(tmp_path / "1.png"), np.full((4, 4), 40_000, np.uint16))
    Pillow.new("RGBA", (4, 4), (*BLUE, 9)).save(tmp_path / "2.png")
    Pillow.new("L", (4, 4), 77).save(tmp_path / "3.bmp")
    flat(tmp_path / "4.webp", RED, (6, 5))
    frames = list(open_source(tmp_path))
    assert [frame.image.shape for frame in frames] == [(4, 4, 3)] * 3 + [(5, 6, 3)]
    assert [tuple(frame.image[0, 0]) for frame in frames[:3]] == [(156,) * 3, BLUE, (77,) * 3]


def test_folder_without_a_readable_image_fails(tmp_path):
    (tmp_path / "a.jpg").write_text("no image")
    with pytest.raises(SourceOpenError, match="no image in it can be read"):
        open_source(tmp_path)
    flat(tmp_path / "b.jpg", RED)
    with pytest.raises(SourceOpenError, match="between start and end"):
        open_source(tmp_path, start_s=1)


def test_closed_source_ends(folder):
    source = open_source(folder)
    frames = iter(source)
    next(frames)
    source.close()
    assert list(frames) == []


def test_png_with_an_absurd_chunk_is_unreadable_and_takes_no_memory(tmp_path):
    """OpenCV 5 would fill 4 GB for it."""
    path = tmp_path / "a.png"
    flat(path, RED)
    content = bytearray(path.read_bytes())
    place = content.index(b"IDAT") - 4
    content[place : place + 4] = (0xF0000000).to_bytes(4, "big")
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_image(path) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_000_000


def test_what_follows_the_end_of_a_png_does_not_matter(tmp_path):
    path = tmp_path / "a.png"
    flat(path, RED)
    path.write_bytes(path.read_bytes() + bytes(range(256)))
    assert (read_image(path) == RED).all()
