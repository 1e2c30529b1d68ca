import numpy as np
import pytest

from streamdet.datasets.imagenet_vid import read_imagenet_vid
from streamdet.errors import ConfigError

OBJECT = """<object><trackid>{track}</trackid><name>{name}</name><bndbox><xmax>40</xmax><xmin>10</xmin>
<ymax>30</ymax><ymin>20</ymin></bndbox><occluded>0</occluded><generated>1</generated></object>"""


@pytest.fixture
def write(tmp_path, draw):
    def write(frames, video="ILSVRC2015_train_00000000", size="<size><width>64</width><height>48</height></size>"):
        annotations = tmp_path / "Annotations/VID/train"
        for number, objects in enumerate(frames):
            draw(tmp_path / f"Data/VID/train/{video}/{number:06}.JPEG", colour=(20 * number,) * 3)
            if objects is not None:
                file = annotations / video / f"{number:06}.xml"
                file.parent.mkdir(parents=True, exist_ok=True)
                rows = "".join(OBJECT.format(track=track, name=name) for track, name in objects)
                file.write_text(f"<annotation><folder>{video}</folder>{size}{rows}</annotation>")
        return annotations

    return write


def test_a_split(write):
    path = write([[(0, "n02958343"), (1, "n02084071")], None, [], [(1, "n02084071")]], "pack_1/clip")
    labelled = read_imagenet_vid(path, frames_per_second=10)
    assert len(labelled.classes) == 30
    (video,) = labelled.videos
    assert (video.name, video.width, video.height, len(video)) == ("clip", 64, 48, 4)
    first, unknown, empty, last = video.labels
    assert unknown is None
    assert len(empty.boxes) == 0
    np.testing.assert_array_equal(first.boxes, [[10, 20, 40, 30]] * 2)
    assert [labelled.classes[i] for i in first.class_ids] == ["car", "dog"]
    assert [first.track_ids.tolist(), last.track_ids.tolist()] == [[0, 1], [1]]
    np.testing.assert_allclose(video.times_s, [0, 0.1, 0.2, 0.3])
    assert [int(image.mean().round()) for image in video.frames.read(2)] == [40, 60]


def test_names_of_ones_own(write):
    assert read_imagenet_vid(write([[(0, "tram"), (1, "cart")]])).classes == ("cart", "tram")


@pytest.mark.parametrize(
    ("frames", "size", "message"),
    [
        ([[]], "", "size: expected at least 2 finite numbers"),
        ([[]], "<size><width>0</width><height>48</height></size>", "size 0x48"),
        ([[(0, "")]], None, "expected a name in every object"),
    ],
)
def test_a_malformed_file_fails(write, frames, size, message):
    path = write(frames) if size is None else write(frames, size=size)
    with pytest.raises(ConfigError, match=rf"000000\.xml: {message}"):
        read_imagenet_vid(path)


def test_an_xml_without_its_picture_fails(tmp_path, write):
    path = write([[], []])
    (tmp_path / "Data/VID/train/ILSVRC2015_train_00000000/000001.JPEG").unlink()
    with pytest.raises(ConfigError, match=r"000001\.xml: expected its picture 000001\.JPEG"):
        read_imagenet_vid(path)


def test_another_folder_fails(tmp_path):
    with pytest.raises(ConfigError, match="expected a folder Annotations/VID/<split>"):
        read_imagenet_vid(tmp_path)
