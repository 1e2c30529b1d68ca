"""Pictures that move, whatever their names say: every one at its time, as Pillow shows them."""

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageSequence

from streamdet.errors import SourceOpenError
from streamdet.media.locations import expand_sources
from streamdet.media.read.probe import probe
from streamdet.media.read.source import open_source

DURATIONS_MS = [100, 200, 40, 300, 100]
STARTS_S = [0, 0.1, 0.3, 0.34, 0.64]
SIZE = (96, 64)


def pictures(mode="RGB"):
    """A block that moves over a ground that stays: encoders store the part that changes."""
    rng = np.random.default_rng(1)
    ground = np.repeat(np.repeat(rng.integers(0, 255, (8, 12, 3), np.uint8), 8, axis=0), 8, axis=1)
    for number in range(len(DURATIONS_MS)):
        picture = ground.copy()
        picture[16:32, 16 * number : 16 * number + 16] = (250, 30 * number, 10)
        if mode == "RGBA":
            alpha = np.full((64, 96, 1), 255, np.uint8)
            alpha[40:, : 12 * number] = 0
            alpha[:8, 8 * number :] = 120
            picture = np.concatenate([picture, alpha], axis=2)
        yield Pillow.fromarray(picture)


def animation(path, mode="RGB", **options):
    first, *others = pictures(mode)
    first.save(path, save_all=True, append_images=others, duration=DURATIONS_MS, loop=0, **options)
    return path


def read(path, **part):
    with open_source(path, **part) as source:
        return source, list(source)


def times_s(frames):
    return [round(float(frame.pts * frame.time_base), 6) for frame in frames]


def as_pillow_shows(path):
    """On black."""
    with Pillow.open(path) as image:
        shown = []
        for picture in ImageSequence.Iterator(image):
            black = Pillow.new("RGBA", picture.size, (0, 0, 0, 255))
            shown.append(np.asarray(Pillow.alpha_composite(black, picture.convert("RGBA")).convert("RGB"), np.int16))
        return shown


def assert_alike(frames, expected, tolerance):
    assert len(frames) == len(expected)
    for frame, picture in zip(frames, expected, strict=True):
        assert np.abs(frame.image.astype(np.int16) - picture).max() <= tolerance


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        ("RGB", {"lossless": True}),
        ("RGB", {"quality": 90, "kmin": 100, "kmax": 101}),
        ("RGBA", {"lossless": True}),
        ("RGBA", {"quality": 90}),
        ("RGBA", {"lossless": True, "minimize_size": True, "background": (9, 200, 9, 255)}),
    ],
)
def test_every_picture_of_a_webp(tmp_path, mode, options):
    path = animation(tmp_path / "a.webp", mode, **options)
    source, frames = read(path)
    assert times_s(frames) == STARTS_S
    assert [frame.duration for frame in frames] == DURATIONS_MS
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert (source.info.width, source.info.height) == SIZE
    assert (source.info.frames, source.info.duration_s, source.undecodable) == (5, 0.74, 0)
    assert_alike(frames, as_pillow_shows(path), tolerance=0 if options.get("lossless") and mode == "RGB" else 2)


@pytest.mark.parametrize("name", ["a.png", "a.apng", "a.gif"])
def test_every_picture_of_what_ffmpeg_reads(tmp_path, name):
    path = tmp_path / name
    animation(path, format="GIF" if name == "a.gif" else "PNG")
    _, frames = read(path)
    assert times_s(frames) == STARTS_S
    assert_alike(frames, as_pillow_shows(path), tolerance=1)


def test_every_picture_of_an_avif(tmp_path):
    path = animation(tmp_path / "a.avif", quality=95)
    _, frames = read(path)
    assert times_s(frames) == STARTS_S
    assert frames[0].image.shape == (64, 96, 3)
    assert abs(int(frames[3].image[24, 56, 0]) - 250) < 20


def test_part_of_a_webp(tmp_path):
    path = animation(tmp_path / "a.webp", lossless=True)
    _, all_frames = read(path)
    for part, numbers in [
        ({"start_s": 0.3}, [2, 3, 4]),
        ({"end_s": 0.3}, [0, 1]),
        ({"stride": 2}, [0, 2, 4]),
        ({"start_s": 0.1, "stride": 2, "max_frames": 2}, [1, 3]),
        ({"skip": 3}, [3, 4]),
    ]:
        _, frames = read(path, **part)
        assert [frame.index for frame in frames] == numbers
        for frame in frames:
            assert np.array_equal(frame.image, all_frames[frame.index].image)
    with pytest.raises(SourceOpenError, match=r"a\.webp: no picture in it lies between start and end"):
        read(path, start_s=5)


def test_webp_that_is_cut_off_gives_what_is_whole(tmp_path):
    path = animation(tmp_path / "a.webp", lossless=True)
    path.write_bytes(path.read_bytes()[:-20])
    source, frames = read(path)
    assert [frame.index for frame in frames] == [0, 1, 2, 3]
    assert source.undecodable == 1


def test_webp_with_pictures_larger_than_it_says_takes_no_memory_for_them(tmp_path):
    path = animation(tmp_path / "a.webp", lossless=True)
    data = bytearray(path.read_bytes())
    place = data.index(b"VP8L") + 9
    data[place : place + 4] = b"\xff\xff\xff\x0f"  # 16384 x 16384
    path.write_bytes(data)
    source, frames = read(path)
    assert [frame.index for frame in frames] == [1, 2, 3, 4]
    assert source.undecodable == 1


def test_picture_that_is_said_to_last_no_time_lasts_as_long_as_in_a_browser(tmp_path):
    path = tmp_path / "a.webp"
    first, *others = pictures()
    first.save(path, save_all=True, append_images=others, duration=0)
    _, frames = read(path)
    assert times_s(frames) == [0, 0.1, 0.2, 0.3, 0.4]


def test_still_and_moving_pictures_in_one_folder(tmp_path):
    for name in ("still.webp", "still.png"):
        cv2.imwrite(str(tmp_path / name), np.zeros((64, 96, 3), np.uint8))
    for name in ("moving.webp", "moving.png"):
        animation(tmp_path / name)
    specs = expand_sources([str(tmp_path)])
    assert [(spec.name, spec.kind) for spec in specs] == [
        ("moving", "file"),
        ("moving-2", "file"),
        (tmp_path.name, "images"),
    ]
    assert [len(read(spec)[1]) for spec in specs] == [5, 5, 2]


def test_probe_counts_the_pictures_of_a_webp(tmp_path):
    report = probe(animation(tmp_path / "a.webp"))
    [track] = report.video
    assert (report.container, report.duration_s) == ("webp", 0.74)
    assert (track.codec, track.frames, track.width, track.height, track.variable_rate) == ("webp", 5, *SIZE, True)
