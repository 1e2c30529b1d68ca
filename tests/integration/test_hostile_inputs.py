"""Configs, labelled sets and model files made to do harm: a clear error or what they say, and never code that runs."""

import json
import pickle
import random
import struct
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mutate_text import mutated_text

from streamdet.datasets.describe import describe
from streamdet.datasets.open_set import open_set
from streamdet.errors import CheckpointError, ConfigError, StreamdetError
from streamdet.jobs.config import job_model
from streamdet.models.recurrent.build import build_detector
from streamdet.models.recurrent.checkpoint import load_checkpoint, save_checkpoint
from streamdet.models.recurrent.config import ModelConfig
from streamdet.training.config import TrainingConfig
from streamdet.training.intel import read_intel
from streamdet.training.saved_run import read_run, write_run
from streamdet.yaml_file import load_yaml

ROOT = Path(__file__).parents[2]
MUTATIONS = 80

IMAGENET = """<annotation><folder>a</folder><size><width>64</width><height>48</height></size><object>
<trackid>0</trackid><name>n02958343</name>
<bndbox><xmin>4</xmin><ymin>5</ymin><xmax>20</xmax><ymax>30</ymax></bndbox></object></annotation>"""
CVAT = """<annotations><version>1.1</version><meta><task><size>3</size>
<start_frame>0</start_frame><stop_frame>2</stop_frame><labels><label><name>person</name></label></labels>
<original_size><width>64</width><height>48</height></original_size><source>a.mp4</source></task></meta>
<track id="0" label="person"><box frame="0" outside="0" keyframe="1" xtl="1" ytl="2" xbr="20" ybr="30"></box>
<box frame="2" outside="1" keyframe="1" xtl="1" ytl="2" xbr="20" ybr="30"></box></track></annotations>"""
SEQINFO = "[Sequence]\nname=a\nimDir=img1\nframeRate=10\nseqLength=3\nimWidth=64\nimHeight=48\nimExt=.png\n"
MOT = "1,3,10,20,30,10,1,1,1\n2,3,10,20,30,10,0,3,0.5\n"
KITTI = "0 1 Car 0 0 -1.5 10.5 20 40 30 1 2 3 4 5 6 7\n2 1 DontCare -1 -1 -10 1 2 3 4 -1 -1 -1 -1 -1 -1 -1\n"
YOLO = "path: .\ntrain: images\nnames: {0: person, 1: car}\nnc: 2\nfps: 10\n"
CATEGORIES = [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}]
COCO = {
    "images": [
        {"id": n, "video_id": 1, "frame_id": n, "file_name": f"{n}.png", "width": 64, "height": 48} for n in range(3)
    ],
    "annotations": [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [1, 2, 20, 30], "track_id": 1, "iscrowd": 0}
        for n in range(3)
    ],
    "categories": CATEGORIES,
}
COCO_VID = {"videos": [{"id": 1, "name": "a", "fps": 10}], **COCO}
CAR = {"id": "7", "category": "car", "box2d": {"x1": 1, "y1": 2, "x2": 20, "y2": 30}}
BDD = [{"name": f"{n}.png", "videoName": "a", "frameIndex": n, "labels": [CAR]} for n in range(3)]
TRACK = {"id": 1, "video_id": 1, "category_id": 1, "bboxes": [[1, 2, 20, 30], None, [1, 2, 20, 30]], "iscrowd": 0}
VIS = {
    "videos": [{"id": 1, "width": 64, "height": 48, "length": 3, "file_names": [f"a/{n}.png" for n in range(3)]}],
    "annotations": [TRACK],
    "categories": CATEGORIES,
}
CVAT_IMAGES = (
    "<annotations><meta/>"
    + "".join(
        f'<image id="{n}" name="{n}.png" width="64" height="48"><box label="car" xtl="1" ytl="2" xbr="20" ybr="30"/>'
        '<polygon label="car" points="1,2;9,4"/><mask label="car" rle="3,4" left="1" top="2" width="4" height="2"/>'
        "</image>"
        for n in range(3)
    )
    + "</annotations>"
)
RECTANGLE = {"x": 10, "y": 20, "width": 30.5, "height": 40, "rotation": 5, "rectanglelabels": ["car"]}
REGION = {"type": "rectanglelabels", "original_width": 64, "original_height": 48, "value": RECTANGLE}
LABEL_STUDIO = [{"data": {"image": f"/data/{n}.png"}, "annotations": [{"result": [REGION]}]} for n in range(3)]
VIA_SHAPE = {"name": "rect", "x": 1, "y": 2, "width": 20, "height": 30}
VIA = {
    f"{n}.png1": {
        "filename": f"{n}.png",
        "regions": [{"shape_attributes": VIA_SHAPE, "region_attributes": {"class": "car"}}],
    }
    for n in range(3)
}
DATUM = {"type": "mask", "label_id": 0, "rle": {"size": [48, 64], "counts": "R23"}, "attributes": {"track_id": 3}}
DATUMARO = {
    "categories": {"label": {"labels": [{"name": "car"}]}},
    "items": [
        {"id": f"{n}", "annotations": [DATUM], "image": {"path": f"{n}.png", "size": [48, 64]}} for n in range(3)
    ],
}
CENTRE = {"x": 10, "y": 20, "width": 5, "height": 6}
CREATEML = [{"image": f"{n}.png", "annotations": [{"label": "car", "coordinates": CENTRE}]} for n in range(3)]
LABELME = {"shapes": [{"label": "car", "points": [[1, 2], [20, 30]], "shape_type": "circle"}], "imagePath": "1.png"}
BITMAP = {
    "data": "eJzrDPBz5+WS4mJgYOD19HAJAtIgtggHkGCY2Pq5C0jpebo4hnDImh7cyAjk"
    "NSn8/Z8xm+lxj/E5CyzEDsbPGSKMWTnmLCATPF39XNY5JTQBAF1nH5M=",
    "origin": [3, 4],
}
SUPERVISELY = {
    "size": {"width": 64, "height": 48},
    "objects": [{"classTitle": "car", "geometryType": "bitmap", "bitmap": BITMAP}],
}
CSV = "filename,width,height,class,xmin,ymin,xmax,ymax\n" + "".join(f"{n}.png,64,48,car,1,2,20,30\n" for n in range(3))

# The file that is changed, its content, the folder of the pictures 0.png, 1.png, 2.png; and what is opened.
SETS = {
    "coco-vid": ("a.json", json.dumps(COCO_VID), ".", "a.json"),
    "coco": ("a.json", json.dumps(COCO), ".", "a.json"),
    "cvat-video": ("a.xml", CVAT, "images", "a.xml"),
    "yolo": ("data.yaml", YOLO, "images", "data.yaml"),
    "yolo rows": ("labels/1.txt", "0 0.5 0.5 0.25 0.5 3\n1 0.5 0.5 0.25 0.5 4\n", "images", "."),
    "motchallenge": ("gt/gt.txt", MOT, "img1", "."),
    "motchallenge info": ("seqinfo.ini", SEQINFO, "img1", "."),
    "kitti-tracking": ("label_02/0004.txt", KITTI, "image_02/0004", "."),
    "visdrone-vid": ("annotations/a.txt", "1,0,1,2,30,10,1,1,0,0\n2,1,1,2,30,10,0,0,0,0\n", "sequences/a", "."),
    "imagenet-vid": ("Annotations/VID/train/a/0.xml", IMAGENET, "Data/VID/train/a", "."),
    "bdd100k": ("labels/box_track_20/train/a.json", json.dumps(BDD), "images/track/train/a", "."),
    "cvat-images": ("a.xml", CVAT_IMAGES, "images", "a.xml"),
    "label-studio": ("a.json", json.dumps(LABEL_STUDIO), ".", "a.json"),
    "labelme": ("1.json", json.dumps(LABELME), ".", "."),
    "via": ("a.json", json.dumps(VIA), ".", "a.json"),
    "datumaro": ("annotations/a.json", json.dumps(DATUMARO), "images/a", "."),
    "createml": ("a.json", json.dumps(CREATEML), ".", "a.json"),
    "csv": ("a.csv", CSV, ".", "a.csv"),
    "supervisely": ("ds/ann/1.png.json", json.dumps(SUPERVISELY), "ds/img", "."),
    "pascal-voc": ("1.xml", IMAGENET, ".", "."),
    "youtube-vis": ("train/instances.json", json.dumps(VIS), "train/JPEGImages/a", "train/instances.json"),
}
BESIDE = {
    "yolo": {"labels/1.txt": "0 0.5 0.5 0.25 0.5 3\n"},
    "yolo rows": {"data.yaml": "path: .\ntrain: images\nnames: [person, car]\n"},
    "labelme": {f"{n}.json": json.dumps(LABELME) for n in (0, 2)},
    "pascal-voc": {f"{n}.xml": IMAGENET for n in (0, 2)},
    "supervisely": {f"ds/ann/{n}.png.json": json.dumps(SUPERVISELY) for n in (0, 2)},
    "motchallenge info": {"gt/gt.txt": "1,3,10,20,30,10,1,1,1\n"},
}


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A folder to be in; nothing that is read leaves a mark there."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert not list(tmp_path.rglob("hacked"))


@pytest.mark.parametrize("kind", SETS)
def test_mutated_set_is_read_or_refused(kind, here):
    name, content, pictures, opened = SETS[kind]
    for number in range(3):
        (here / pictures).mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(here / pictures / f"{number}.png"), np.full((48, 64, 3), number, np.uint8))
    for other, text in BESIDE.get(kind, {}).items():
        (here / other).parent.mkdir(parents=True, exist_ok=True)
        (here / other).write_text(text)
    path = here / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    assert sum(len(video) for video in open_set(here / opened).videos) == 3
    refused = 0
    for number in range(MUTATIONS):
        path.write_bytes(mutated_text(content.encode(), random.Random(f"{kind}-{number}")))
        try:
            for video in (labelled := open_set(here / opened)).videos:
                video.frames.read(0)
            describe(labelled)
        except StreamdetError:
            refused += 1
    assert 10 < refused < MUTATIONS


@pytest.mark.parametrize(
    ("path", "model"),
    [
        *((path, job_model()) for path in sorted((ROOT / "pipelines").glob("*.yaml"))),
        *((path, TrainingConfig) for path in sorted((ROOT / "configs").glob("*.yaml"))),
    ],
    ids=lambda value: getattr(value, "stem", None),
)
def test_mutated_yaml_is_read_or_refused(path, model, here):
    original = path.read_bytes()
    refused = 0
    for number in range(MUTATIONS // 4):  # PyYAML is slow
        (here / "mutated.yaml").write_bytes(mutated_text(original, random.Random(f"{path.stem}-{number}")))
        try:
            load_yaml(here / "mutated.yaml", model)
        except ConfigError:
            refused += 1
    assert refused > 5


@pytest.fixture
def model_file(here):
    path = here / "tiny.safetensors"
    config = ModelConfig(name="tiny", classes=("person",), channels=8, recurrent_channels=8, recurrent_strides=(32,))
    save_checkpoint(path, build_detector(config), {"steps": 3})
    return path


def test_mutated_model_file_is_read_or_refused(model_file):
    original = model_file.read_bytes()
    (header_bytes,) = struct.unpack("<Q", original[:8])
    header, weights = original[8 : 8 + header_bytes], original[8 + header_bytes :]
    refused = 0
    for number in range(MUTATIONS):
        rng = random.Random(number)
        changed = mutated_text(header, rng)
        length = len(changed) if rng.random() < 0.9 else rng.choice((0, 1, 2**31, 2**63, 2**64 - 1))
        model_file.write_bytes(struct.pack("<Q", length) + changed + weights[: rng.choice((None, None, 1000))])
        try:
            load_checkpoint(model_file)
        except CheckpointError:
            refused += 1
    assert refused > MUTATIONS // 2


class Attack:
    """Unpickled, it touches a file."""

    def __reduce__(self):
        return Path.touch, (Path("hacked"),)


def test_pickled_code_is_never_run(here):
    torch.save({"state_dict": {"a": Attack()}, "config": Attack()}, here / "resume.pt")
    for content in ((here / "resume.pt").read_bytes(), pickle.dumps(Attack())):
        (here / "resume.pt").write_bytes(content)
        for ending in ("safetensors", "onnx"):
            (here / f"attack.{ending}").write_bytes(content)
        with pytest.raises(CheckpointError):
            load_checkpoint(here / "attack.safetensors")
        with pytest.raises(CheckpointError):
            read_intel(here / "attack.onnx")
        with pytest.raises(CheckpointError):
            read_run(here, TrainingConfig.model_construct(), torch.device("cpu"))


def test_mutated_saved_run_is_refused(here):
    write_run(here, {"config": "{}", "weights": torch.zeros(100), "step": 3})
    original = (here / "resume.pt").read_bytes()
    for number in range(MUTATIONS):
        rng = random.Random(number)
        (here / "resume.pt").write_bytes(mutated_text(original, rng))
        with warnings.catch_warnings(action="ignore"), pytest.raises((CheckpointError, ConfigError)):
            read_run(here, TrainingConfig.model_construct(), torch.device("cpu"))
