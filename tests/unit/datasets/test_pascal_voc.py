import numpy as np
import pytest

from streamdet.datasets.numbering import Order
from streamdet.datasets.open_set import open_set
from streamdet.datasets.pascal_voc import read_pascal_voc
from streamdet.errors import ConfigError

SIZE = "<size><width>64</width><height>48</height><depth>3</depth></size>"
BOX = "<bndbox><xmin>1</xmin><ymin>2</ymin><xmax>11</xmax><ymax>22</ymax></bndbox>"


def write(path, *objects, size=SIZE, told="other.jpg"):
    path.parent.mkdir(parents=True, exist_ok=True)
    inside = "".join(f"<object>{item}</object>" for item in objects)
    path.write_text(f"<annotation><filename>{told}</filename>{size}{inside}</annotation>")


def test_a_set_with_lists(tmp_path, draw):
    for name in ("a", "b", "c"):
        draw(tmp_path / f"JPEGImages/{name}.jpg")
        write(tmp_path / f"Annotations/{name}.xml", f"<name>dog</name>{BOX}<part><name>head</name>{BOX}</part>")
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "ImageSets/Main/train.txt").write_text("a\nb\n")
    (tmp_path / "ImageSets/Main/val.txt").write_text("c\n")
    (tmp_path / "ImageSets/Main/dog_train.txt").write_text("a  1\nb -1\n")
    labelled = open_set(tmp_path, "train")
    assert [video.name for video in labelled.videos] == ["a", "b"]
    np.testing.assert_array_equal(labelled.videos[0].labels[0].boxes, [[1, 2, 11, 22]])
    with pytest.raises(ConfigError, match="choose one of its splits: train, val"):
        open_set(tmp_path)


def test_files_beside_their_pictures(tmp_path, draw):
    """As LabelImg writes them, here without a size; difficult objects neither count nor are missed."""
    for number in range(3):
        draw(tmp_path / f"walk_{number}.png")
        hard = f"<name>dog</name><difficult>1</difficult>{BOX}"
        write(tmp_path / f"walk_{number}.xml", hard, f"<name>cat</name>{BOX}", size="")
    labelled = open_set(tmp_path)
    (video,) = labelled.videos
    assert (labelled.classes, video.name, len(video)) == (("cat",), "walk", 3)
    np.testing.assert_array_equal(video.labels[2].ignore, [[1, 2, 11, 22]])


def test_exports_with_several_versions_of_a_picture(tmp_path, draw):
    for version in ("0a1b", "ff00"):
        draw(tmp_path / f"dog_jpg.rf.{version}.jpg")
        write(tmp_path / f"dog_jpg.rf.{version}.xml", f"<name>dog</name>{BOX}")
    assert len(open_set(tmp_path).videos) == 2


def test_turned_boxes_and_outlines(tmp_path, draw):
    draw(tmp_path / "a.jpg")
    turned = "<robndbox><cx>20</cx><cy>20</cy><w>10</w><h>4</h><angle>1.5707963</angle></robndbox>"
    outline = "<polygon><pt><x>1</x><y>2</y></pt><pt><x>9</x><y>5</y></pt><pt><x>4</x><y>8</y></pt></polygon>"
    write(tmp_path / "a.xml", f"<name>ship</name>{turned}", f"<name>ship</name>{outline}")
    (video,) = read_pascal_voc(tmp_path / "a.xml", Order()).videos
    np.testing.assert_allclose(video.labels[0].boxes, [[18, 15, 22, 25], [1, 2, 9, 8]], atol=1e-4)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (f"<name/>{BOX}", "expected a name in every object"),
        ("<name>dog</name>", "object dog: expected bndbox, robndbox or polygon"),
        ("<name>dog</name><bndbox><xmin>1</xmin></bndbox>", "bndbox: expected at least 4 finite numbers"),
    ],
)
def test_a_malformed_file_fails(tmp_path, draw, item, message):
    draw(tmp_path / "a.jpg")
    write(tmp_path / "a.xml", item)
    with pytest.raises(ConfigError, match=message):
        read_pascal_voc(tmp_path, Order())
