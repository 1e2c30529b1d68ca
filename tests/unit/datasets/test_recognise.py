"""Formats that are not read are refused by their names, with what to do."""

import json

import pytest

from streamdet.datasets.open_set import holds_labels, open_set
from streamdet.errors import ConfigError

IMAGES = [{"id": 1, "file_name": "a.jpg", "width": 64, "height": 48}]
FOREIGN = {
    "COCO results.*detections, no labels": [{"image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}],
    "COCO panoptic.*instances": {"images": IMAGES, "annotations": [{"image_id": 1, "segments_info": []}]},
    "COCO captions.*instances": {"images": IMAGES, "annotations": [{"image_id": 1, "caption": "a dog"}]},
    "a CVAT task backup.*CVAT for video": [{"version": 0, "tags": [], "shapes": [], "tracks": []}],
    "a Supervisely meta.json.*folder": {"classes": [], "tags": [], "projectType": "images"},
    "Cityscapes": {"imgHeight": 1024, "imgWidth": 2048, "objects": [{"label": "car", "polygon": [[1, 2]]}]},
    "Labelbox": [{"data_row": {"id": "x"}, "projects": {}}],
    "Encord": [{"label_hash": "x", "data_units": {}}],
    "V7 Darwin": {"version": "2.0", "schema_ref": "https://x", "item": {}, "annotations": []},
    "VoTT": {"asset": {"name": "a.jpg"}, "regions": []},
    "FiftyOne": {"samples": [{"ground_truth": {"detections": []}}]},
    "SuperAnnotate": {"metadata": {"name": "a.jpg"}, "instances": []},
    "Label Studio .JSON-MIN.*as JSON": [{"image": "a.jpg", "label": [], "annotator": 1, "lead_time": 2.0}],
    "OpenLABEL": {"openlabel": {"metadata": {}}},
    "nuScenes": [{"token": "x", "sample_token": "y"}],
}


@pytest.mark.parametrize("message", FOREIGN)
def test_a_json_that_is_not_read_is_named(tmp_path, message):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(FOREIGN[message]))
    with pytest.raises(ConfigError, match=rf"x\.json: is in the format of {message}"):
        open_set(path)
    assert holds_labels(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.jsonl", '{"type": "run", "streamdet": "0.1.0"}', "streamdet's own detections.*no labels"),
        ("x.ndjson", '{"data_row": {"id": "x"}}', "Labelbox"),
        ("x.manifest", '{"source-ref": "s3://a.jpg"}', "a SageMaker manifest"),
        ("x.parquet", "PAR1", "Parquet.*convert"),
        ("x.tfrecord", "", "TFRecord.*convert"),
        ("set.zip", "PK", "an archive.*unpack"),
        ("gt.txt", "1,1,1,1,9,9,1,1,1", "MOTChallenge.*name the folder of the sequence"),
        ("x.xml", '<?xml version="1.0"?><sequence name="MVI_20011"/>', "UA-DETRAC"),
        ("x.xml", "<dataset><images/></dataset>", "dlib's imglab"),
    ],
)
def test_a_file_that_is_not_read_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ConfigError, match=rf"{name}: is in the format of {message}"):
        open_set(tmp_path / name)


def test_an_unknown_json_tells_its_keys(tmp_path):
    (tmp_path / "x.json").write_text('{"colour": "red", "size": 3}')
    with pytest.raises(ConfigError, match=r"expected the keys images and annotations .* it has colour, size"):
        open_set(tmp_path / "x.json")


def test_an_unknown_xml_tells_its_root(tmp_path):
    (tmp_path / "x.xml").write_text("<html><body/></html>")
    with pytest.raises(ConfigError, match="starts with <html>; expected <annotations>"):
        open_set(tmp_path / "x.xml")


def test_names_without_classes_are_asked_for(tmp_path, draw):
    draw(tmp_path / "images/a.jpg")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/a.txt").write_text("0 0.5 0.5 1 1")
    assert holds_labels(tmp_path)
    with pytest.raises(ConfigError, match=r"expected data\.yaml with the names of its classes"):
        open_set(tmp_path)
