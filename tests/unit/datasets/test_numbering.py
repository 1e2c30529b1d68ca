"""Frames of a video or stills, told by names."""

from pathlib import PurePath

import pytest

from streamdet.datasets.numbering import Order, arrange, explain

HASH = "rf.0123456789abcdef0123456789abcdef"


def runs(names, order=None, sizes=None):
    paths = [PurePath(name) for name in names]
    sizes = sizes or [(64, 48)] * len(names)
    return {run.name: list(run.numbers) for run in arrange(paths, sizes, order or Order())}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["0000.jpg", "0001.jpg", "0002.jpg"], {".": [0, 1, 2]}),
        (["a/0001.jpg", "a/0002.jpg", "b/0001.jpg"], {"a": [1, 2], "b": [1]}),
        (["f_000000", "f_000005", "f_000010"], {"f": [0, 5, 10]}),
        (["gate-1.png", "gate-3.png", "gate-2.png"], {"gate": [1, 2, 3]}),
        (["img00007.jpg", "img00008.jpg"], {"img": [7, 8]}),
        (["x (1).jpg", "x (2).jpg"], {"x": [1, 2]}),
        (["frame_1.jpg", "frame_4.jpg", "frame_19.jpg"], {"frame": [1, 4, 19]}),
        ([f"street_mp4-0001_jpg.{HASH}.jpg", f"street_mp4-0007_jpg.{HASH}.jpg"], {"street_mp4": [1, 7]}),
        ([f"gate_0001_png.{HASH}.jpg", f"gate_0002_png.{HASH}.jpg"], {"gate": [1, 2]}),
        (["cam.mp4_12.jpg", "cam.mp4_70.jpg", "cam.mp4_99.jpg"], {"cam.mp4": [12, 70, 99]}),
        (["ab12cd34-walk_01.jpg", "0f12cd99-walk_02.jpg"], {"walk": [1, 2]}),
    ],
)
def test_frames_of_a_video(names, expected):
    assert runs(names) == expected


@pytest.mark.parametrize(
    "names",
    [
        ["IMG_0001.jpg", "IMG_0002.jpg", "IMG_0007.jpg"],
        ["IMG_0001.JPG", "IMG_0002.JPG", "IMG_0003.JPG"],
        ["DSC00012.jpg", "DSC00013.jpg"],
        ["PXL_20240101_120000123.jpg", "PXL_20240101_120001123.jpg"],
        ["IMG-20240101-WA0001.jpg", "IMG-20240101-WA0002.jpg"],
        ["000000000139.jpg", "000000000285.jpg", "000000000632.jpg", "000000000724.jpg"],
        ["2007_000027.jpg", "2007_000032.jpg", "2007_000033.jpg", "2007_000039.jpg"],
        ["cat.jpg", "dog.jpg"],
        [f"frame_1_jpg.{HASH}.jpg", "frame_1_jpg.rf.ffff.jpg"],
    ],
)
def test_stills(names):
    assert runs(names) == {name: [0] for name in names}


def test_pictures_of_several_sizes_are_stills():
    assert list(runs(["0001.jpg", "0002.jpg"], sizes=[(64, 48), (48, 64)])) == ["0001.jpg", "0002.jpg"]


def test_the_user_decides():
    numbered = ["IMG_0001.jpg", "IMG_0002.jpg", "IMG_0007.jpg"]
    assert runs(numbered, Order(stills=False)) == {"IMG": [1, 2, 7]}
    assert len(runs(["0001.jpg", "0002.jpg"], Order(stills=True))) == 2


def _explained(names, order):
    paths = [PurePath(name) for name in names]
    return explain(arrange(paths, [(64, 48)] * len(names), order), paths, order)


def test_what_was_understood_is_said():
    frames = [f"{number:04d}.jpg" for number in range(50)]
    (note,) = _explained(frames, Order())
    assert "50 pictures are read as frames of 1 video at 25 frames/s (assumed), such as 0000.jpg to 0049.jpg" in note
    (note,) = _explained(["IMG_0001.jpg", "IMG_0002.jpg"], Order())
    assert "2 numbered pictures are read as stills, such as IMG_0001.jpg" in note
    assert not _explained(frames, Order(stills=False, fps=10))
    assert not _explained(["cat.jpg", "dog.jpg"], Order())
