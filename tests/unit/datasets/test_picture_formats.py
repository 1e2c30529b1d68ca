"""Formats that hold a list of pictures: each makes its own file around one 64 x 48 picture, or a video."""

import base64
import json
import zlib

import cv2
import numpy as np
import pytest

from streamdet.datasets.open_set import open_set
from streamdet.errors import ConfigError

SQUARE = [[1, 2], [11, 2], [11, 22], [1, 22]]
BOX = [1, 2, 11, 22]
FLAT = [1, 2, 11, 2, 11, 22, 1, 22]


def labelme(*shapes, **more):
    return {"version": "5", "flags": {}, "shapes": list(shapes), "imagePath": "a.png", "imageData": None, **more}


def label_studio(*results, data=None):
    return [{"id": 1, "data": data or {"image": "/data/upload/1/0123abcd-a.png"}, "annotations": [{"result": results}]}]


def percent(type_, labels, **value):
    return {"type": type_, "original_width": 64, "original_height": 48, "value": {**value, labels: ["car"]}}


def supervisely(*objects, **more):
    return {"description": "", "tags": [], "size": {"width": 64, "height": 48}, "objects": list(objects), **more}


def thing(geometry, **more):
    return {"id": 5, "classTitle": "car", "geometryType": geometry, **more}


def via(*regions):
    return {"a.png123": {"filename": "a.png", "size": 123, "regions": list(regions), "file_attributes": {}}}


def region(name, attributes=None, **shape):
    return {"shape_attributes": {"name": name, **shape}, "region_attributes": attributes or {"class": "car"}}


def via3(*shape, attributes=None, value="0"):
    return {
        "project": {"pid": "__VIA_PROJECT_ID__"},
        "attribute": {"1": {"aname": "kind", "type": 4, "options": {"0": "car"}}} if attributes is None else attributes,
        "file": {"1": {"fid": "1", "fname": "a.png", "type": 2, "loc": 1, "src": "/data/a.png"}},
        "metadata": {"1_x": {"vid": "1", "flg": 0, "z": [], "xy": list(shape), "av": {"1": value}}},
        "view": {"1": {"fid_list": ["1"]}},
    }


def datumaro(*annotations):
    item = {"id": "a", "annotations": list(annotations), "image": {"path": "a.png", "size": [48, 64]}}
    return {"info": {}, "categories": {"label": {"labels": [{"name": "car"}]}}, "items": [item]}


def _mask():
    _, png = cv2.imencode(".png", np.full((20, 10), 255, np.uint8))
    return base64.b64encode(zlib.compress(png.tobytes())).decode()


RECTANGLE = {"x": 100 / 64, "y": 200 / 48, "width": 1000 / 64, "height": 2000 / 48}
SHARE_OUTLINE = [[100 * x / 64, 100 * y / 48] for x, y in SQUARE]
ONE_BOX = {
    "labelme rectangle": labelme({"label": "car", "points": [[11, 22], [1, 2]], "shape_type": "rectangle"}),
    "labelme polygon": labelme(
        {"label": "car", "points": SQUARE, "shape_type": "polygon"}, imageWidth=64, imageHeight=48
    ),
    "labelme mask": labelme({"label": "car", "points": [[1, 2], [11, 22]], "shape_type": "mask", "mask": "iVBORw0"}),
    "labelme parts": labelme(
        {"label": "car", "points": [[1, 2], [5, 9]], "shape_type": "rectangle", "group_id": 3},
        {"label": "car", "points": [[7, 9], [11, 22]], "shape_type": "rectangle", "group_id": 3},
    ),
    "label studio rectangle": label_studio(percent("rectanglelabels", "rectanglelabels", rotation=0, **RECTANGLE)),
    "label studio turned": label_studio(
        percent(
            "rectanglelabels",
            "rectanglelabels",
            x=1100 / 64,
            y=200 / 48,
            width=2000 / 64,
            height=1000 / 48,
            rotation=90,
        )
    ),
    "label studio polygon": label_studio(percent("polygonlabels", "polygonlabels", points=SHARE_OUTLINE)),
    "label studio ellipse": label_studio(
        percent("ellipselabels", "ellipselabels", x=600 / 64, y=1200 / 48, radiusX=500 / 64, radiusY=1000 / 48)
    ),
    "supervisely rectangle": supervisely(thing("rectangle", points={"exterior": [[1, 2], [11, 22]], "interior": []})),
    "supervisely polygon": supervisely(thing("polygon", points={"exterior": SQUARE, "interior": []})),
    "supervisely bitmap": supervisely(thing("bitmap", bitmap={"data": _mask(), "origin": [1, 2]})),
    "supervisely graph": supervisely(thing("graph", nodes={"a": {"loc": [1, 2]}, "b": {"loc": [11, 22]}})),
    "via rectangle": via(region("rect", x=1, y=2, width=10, height=20)),
    "via polygon": via(region("polygon", {"kind": "car"}, all_points_x=[1, 11, 5], all_points_y=[2, 9, 22])),
    "via ellipse": via(region("ellipse", {"type": {"car": True}}, cx=6, cy=12, rx=5, ry=10)),
    "via project": {"_via_settings": {}, "_via_img_metadata": via(region("rect", x=1, y=2, width=10, height=20))},
    "via3 rectangle": via3(2, 1, 2, 10, 20),
    "via3 ellipse": via3(4, 6, 12, 5, 10),
    "via3 polygon": via3(7, 1, 2, 11, 9, 5, 22),
    "via3 text": via3(2, 1, 2, 10, 20, attributes={"1": {"aname": "name", "type": 1, "options": {}}}, value="car"),
    "datumaro box": datumaro({"id": 0, "type": "bbox", "label_id": 0, "bbox": [1, 2, 10, 20], "attributes": {}}),
    "datumaro polygon": datumaro({"id": 0, "type": "polygon", "label_id": 0, "points": FLAT}),
    "datumaro mask": datumaro(
        {"type": "mask", "label_id": 0, "rle": {"size": [48, 64], "counts": [50, 20, *[28, 20] * 9]}}
    ),
    "datumaro skeleton": datumaro(
        {
            "type": "skeleton",
            "label_id": 0,
            "elements": [{"type": "points", "points": [1, 2]}, {"type": "points", "points": [11, 22]}],
        }
    ),
    "createml": [
        {
            "image": "a.png",
            "annotations": [{"label": "car", "coordinates": {"x": 6, "y": 12, "width": 10, "height": 20}}],
        }
    ],
}


@pytest.mark.parametrize("name", ONE_BOX)
def test_a_shape_is_read_as_its_box(tmp_path, draw, name):
    folder = tmp_path / ("ds/ann" if name.startswith("supervisely") else ".")
    folder.mkdir(exist_ok=True, parents=True)
    draw(tmp_path / ("ds/img/a.png" if name.startswith("supervisely") else "a.png"))
    (folder / "a.png.json").write_text(json.dumps(ONE_BOX[name]))
    for path in (tmp_path, folder / "a.png.json"):
        labelled = open_set(path)
        assert labelled.classes == ("car",)
        (video,) = labelled.videos
        np.testing.assert_allclose(video.labels[0].boxes, [BOX], atol=1e-4)
        assert [image.shape for image in video.frames.read()] == [(48, 64, 3)]


LEFT_OUT = {
    "via3": via3(1, 5, 5),
    "labelme": labelme({"label": "car", "points": [[1, 2]], "shape_type": "point"}),
    "label studio": label_studio(percent("keypointlabels", "labels", x=5, y=5, width=1, keypointlabels=["nose"])),
    "supervisely": supervisely(thing("point", points={"exterior": [[1, 2]], "interior": []})),
    "via": via(region("point", cx=1, cy=2)),
}


@pytest.mark.parametrize("name", LEFT_OUT)
def test_points_are_left_out_and_counted(tmp_path, draw, name):
    draw(tmp_path / "a.png")
    (tmp_path / "a.json").write_text(json.dumps(LEFT_OUT[name]))
    labelled = open_set(tmp_path / "a.json")
    assert sum(labelled.videos[0].faults.values()) == 1
    assert "no object is marked in any of its frames" in labelled.notes


WRONG = {
    "label studio brush": (
        label_studio(percent("brushlabels", "brushlabels", rle=[0, 1])),
        "brush masks of Label Studio are not read; export",
    ),
    "label studio without a picture": (label_studio(data={"text": "hello"}), "tasks of pictures or videos"),
    "via without a class": (
        via(region("rect", {"colour": "red", "size": "big"}, x=1, y=2, width=3, height=4)),
        "which attribute is the class: colour, size",
    ),
    "datumaro of a class too many": (
        datumaro({"type": "bbox", "label_id": 4, "bbox": [1, 2, 3, 4]}),
        "label_id 4, expected",
    ),
    "datumaro of whole pictures": (datumaro({"type": "label", "label_id": 0}), "labels for whole pictures"),
    "supervisely of a broken mask": (
        supervisely(thing("bitmap", bitmap={"data": "abc", "origin": [1, 2]})),
        "its bitmap cannot be read",
    ),
    "labelme of another picture": (
        labelme(imagePath="b.png", imageWidth=9, imageHeight=9),
        "pictures is found, such as x",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_read_is_named(tmp_path, draw, name):
    content, message = WRONG[name]
    draw(tmp_path / "a.png")
    (tmp_path / "x.json").write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=message):
        open_set(tmp_path / "x.json")


def test_a_task_that_nobody_looked_at(tmp_path, draw):
    """Or whose only annotation was skipped; an annotation without regions says that nothing is there."""
    for name in "abc":
        draw(tmp_path / f"{name}.png")
    tasks = [{"data": {"image": f"/data/local-files/?d=pictures/{name}.png"}} for name in "abc"]
    tasks[1]["annotations"] = [{"was_cancelled": True, "result": []}]
    tasks[2]["annotations"] = [{"was_cancelled": False, "result": []}]
    (tmp_path / "x.json").write_text(json.dumps(tasks))
    assert [video.labels[0] is None for video in open_set(tmp_path / "x.json").videos] == [True, True, False]


def test_a_video_of_label_studio(tmp_path, film):
    """Frames count from 1; a box moves to the next listed one, and is gone after one that is not enabled."""
    film(tmp_path / "clip.mp4", 6)
    keys = [
        {"frame": 2, "enabled": True, "x": 0, "y": 0, "width": 50, "height": 50, "rotation": 0},
        {"frame": 4, "enabled": False, "x": 50, "y": 0, "width": 50, "height": 50, "rotation": 0},
    ]
    value = {"framesCount": 6, "sequence": keys, "labels": ["car"]}
    task = label_studio(
        {"id": "k", "type": "videorectangle", "value": value}, data={"video": "/data/upload/1/0123abcd-clip.mp4"}
    )
    (tmp_path / "x.json").write_text(json.dumps(task))
    (video,) = open_set(tmp_path / "x.json").videos
    assert [labels.boxes.tolist() for labels in video.labels] == [
        [], [[0, 0, 32, 24]], [[16, 0, 48, 24]], [[32, 0, 64, 24]], [], [],
    ]  # fmt: skip
    assert video.labels[1].track_ids.tolist() == [0]
    value["framesCount"] = 12
    (tmp_path / "x.json").write_text(json.dumps(task))
    with pytest.raises(ConfigError, match="counted 12 frames, the video has 6"):
        open_set(tmp_path / "x.json")


def test_a_video_of_supervisely(tmp_path, film):
    film(tmp_path / "ds/video/clip.mp4", 3)
    figure = {"objectKey": "o", "geometryType": "rectangle", "geometry": {"points": {"exterior": [[1, 2], [11, 22]]}}}
    frames = [{"index": 0, "figures": [figure]}, {"index": 2, "figures": [figure]}]
    (tmp_path / "ds/ann").mkdir()
    content = supervisely({"key": "o", "classTitle": "car"}, framesCount=3, frames=frames)
    (tmp_path / "ds/ann/clip.mp4.json").write_text(json.dumps(content))
    (video,) = open_set(tmp_path).videos
    assert [labels.boxes.tolist() for labels in video.labels] == [[BOX], [], [BOX]]
    assert video.labels[0].track_ids.tolist() == video.labels[2].track_ids.tolist() == [0]


CSV = {
    "TensorFlow": "filename,width,height,class,xmin,ymin,xmax,ymax\na.png,64,48,car,1,2,11,22\n",
    "OpenImages": "ImageID,LabelName,Confidence,XMin,XMax,YMin,YMax,IsGroupOf\n"
    f"a,car,1,{1 / 64},{11 / 64},{2 / 48},{22 / 48},0\na,car,1,0,0.5,0,0.5,1\n",
    "a box as x y w h": "image,label,x,y,w,h\nimages/a.png,car,1,2,10,20\n",
    "a picture without objects": "filename,xmin,ymin,xmax,ymax,class\na.png,1,2,11,22,car\nb.png,,,,,\n",
}


@pytest.mark.parametrize("name", CSV)
def test_a_csv_of_boxes(tmp_path, draw, name):
    for picture in "ab":
        draw(tmp_path / f"images/{picture}.png")
    (tmp_path / "boxes.csv").write_text(CSV[name])
    first, *rest = open_set(tmp_path).videos
    np.testing.assert_allclose(first.labels[0].boxes, [BOX], atol=1e-4)
    assert len(first.labels[0].ignore) == (name == "OpenImages")
    assert [len(video.labels[0].boxes) for video in rest] == [0] * ("without" in name)


def test_a_csv_of_something_else_is_named(tmp_path):
    (tmp_path / "x.csv").write_text("time,speed\n1,2\n")
    with pytest.raises(ConfigError, match=r"x\.csv: is not a supported CSV of boxes.* it has time, speed"):
        open_set(tmp_path / "x.csv")


def test_kitti_objects_are_stills(tmp_path, draw):
    for number in range(2):
        draw(tmp_path / f"training/image_2/{number:06}.png")
        (tmp_path / "training/label_2").mkdir(exist_ok=True)
        rows = "Car 0 0 0 1 2 11 22 1 1 1 1 1 1 0\nDontCare -1 -1 -10 20 20 30 30 -1 -1 -1 -1000 -1000 -1000 -10\n"
        (tmp_path / f"training/label_2/{number:06}.txt").write_text(rows)
    labelled = open_set(tmp_path)
    assert (len(labelled.videos), labelled.classes) == (2, ("car",))
    np.testing.assert_array_equal(labelled.videos[0].labels[0].boxes, [BOX])
    np.testing.assert_array_equal(labelled.videos[0].labels[0].ignore, [[20, 20, 30, 30]])


def test_via_3_marks_moments_of_a_video(tmp_path, film):
    film(tmp_path / "videos/street.mp4", 12)
    project = via3() | {
        "file": {"7": {"fid": "7", "fname": "C:\\clips\\street.mp4", "type": 4, "loc": 1, "src": ""}},
        "metadata": {
            "1_a": {"vid": "1", "flg": 0, "z": [0.081], "xy": [2, 1, 2, 10, 20], "av": {"1": "0"}},
            "1_b": {"vid": "1", "flg": 0, "z": [0.2], "xy": [2, 3, 4, 5, 6], "av": {"1": "0"}},
            "1_c": {"vid": "1", "flg": 0, "z": [0, 0.4], "xy": [], "av": {}},
        },
        "view": {"1": {"fid_list": ["7"]}},
    }
    (tmp_path / "via.json").write_text(json.dumps(project))
    labelled = open_set(tmp_path / "via.json")
    (video,) = labelled.videos
    assert labelled.classes == ("car",)
    assert [number for number, labels in enumerate(video.labels) if labels is not None] == [2, 5]
    assert video.labels[2].boxes.tolist() == [BOX]
    assert list(video.faults) == ["pieces of time and points, which are no boxes, left out"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"view": {}}, "region 1_x: expected a view of one file, got 0"),
        ({"attribute": {str(n): {"aname": name} for n, name in enumerate(("a", "b"))}}, "which attribute is the class"),
        ({"metadata": {"1_x": {"vid": "1", "flg": 0, "xy": [2, 1, 2, 3, 4], "av": {}}}}, "a region has no kind"),
        ({"metadata": {"1_x": {"vid": "1", "flg": 0, "xy": [2, 1], "av": {"1": "0"}}}}, "shape 2 has no coordinates"),
    ],
)
def test_via_3_that_is_malformed_fails(tmp_path, draw, change, message):
    draw(tmp_path / "a.png")
    (tmp_path / "via.json").write_text(json.dumps(via3(2, 1, 2, 10, 20) | change))
    with pytest.raises(ConfigError, match=message):
        open_set(tmp_path / "via.json")
