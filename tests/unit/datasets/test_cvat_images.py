import numpy as np
import pytest

from streamdet.datasets.cvat_images import read_cvat_images
from streamdet.datasets.numbering import Order
from streamdet.errors import ConfigError

META = """<meta><task><labels><label><name>car</name></label><label><name>person</name></label>
<label><name>ignore</name></label></labels></task></meta>"""
BOX = '<box label="person" occluded="0" xtl="1" ytl="2" xbr="11" ybr="22"><attribute name="age">9</attribute></box>'


@pytest.fixture
def write(tmp_path):
    def write(shapes, names=("frame_000000", "frame_000001"), meta=META):
        images = [
            f'<image id="{n}" name="{name}" width="64" height="48">{shapes}</image>' for n, name in enumerate(names)
        ]
        path = tmp_path / "annotations.xml"
        path.write_text(f"<annotations><version>1.1</version>{meta}{''.join(images)}</annotations>")
        return path

    return write


def test_frames_of_a_video_task(tmp_path, write, draw):
    for number in range(2):
        draw(tmp_path / f"images/frame_{number:06}.PNG")
    labelled = read_cvat_images(write(BOX + '<polygon label="ignore" points="5,5;9,5;9,30"/>'), Order(fps=10))
    assert labelled.classes == ("car", "person")
    (video,) = labelled.videos
    np.testing.assert_allclose(video.times_s, [0, 0.1])
    for labels in video.labels:
        np.testing.assert_array_equal(labels.boxes, [[1, 2, 11, 22]])
        np.testing.assert_array_equal(labels.ignore, [[5, 5, 9, 30]])
        assert labels.class_ids.tolist() == [1]


def test_stills_of_a_project_without_named_labels(tmp_path, write, draw):
    for name in ("a/cat.jpg", "b/dog.jpg"):
        draw(tmp_path / "images" / name)
    mask = '<mask label="dog" rle="0,8" left="3" top="4" width="4" height="2"/>'
    labelled = read_cvat_images(write(mask, ("a/cat.jpg", "b/dog.jpg"), "<meta><project/></meta>"), Order())
    assert labelled.classes == ("dog",)
    assert [video.name for video in labelled.videos] == ["a/cat.jpg", "b/dog.jpg"]
    np.testing.assert_array_equal(labelled.videos[0].labels[0].boxes, [[3, 4, 7, 6]])


def test_the_video_instead_of_its_pictures(tmp_path, write, film, number_in):
    film(tmp_path / "gate.mp4", 5)
    (video,) = read_cvat_images(write(BOX), Order()).videos
    assert [labels and len(labels.boxes) for labels in video.labels] == [1, 1, None, None, None]
    assert [number_in(image) for image in video.frames.read(1, 2)] == [1]


def test_pictures_of_one_name_are_told_by_their_folders(tmp_path, write, draw):
    draw(tmp_path / "images/a/1.png", colour=(9, 0, 0))
    draw(tmp_path / "images/b/1.png", colour=(99, 0, 0))
    labelled = read_cvat_images(write(BOX, ("b/1.png",)), Order())
    assert next(labelled.videos[0].frames.read())[0, 0, 0] == 99
    with pytest.raises(ConfigError, match=r"1\.png may be .* or "):
        read_cvat_images(write(BOX, ("1.png",)), Order())


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ('<box label="car" xtl="1"/>', "image a.jpg: box: expected at least 4"),
        ('<blob label="car"/>', "blob: is not a shape of CVAT"),
        ('<tag label="car"/>', "has tags for whole pictures but no shapes"),
    ],
)
def test_a_malformed_file_fails(tmp_path, write, draw, shapes, message):
    draw(tmp_path / "a.jpg")
    with pytest.raises(ConfigError, match=message):
        read_cvat_images(write(shapes, ("a.jpg",)), Order())


def test_pictures_that_are_not_there(write):
    with pytest.raises(ConfigError, match=r"none of its pictures is found, such as frame_000000.*; put them into"):
        read_cvat_images(write(BOX), Order())
