"""AP of masks and keypoints against pycocotools, from a COCO JSON with outlines, run lengths and keypoints."""

import contextlib
import io
import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from streamdet.datasets.mix import map_classes
from streamdet.datasets.numbering import Order
from streamdet.datasets.open_set import open_set
from streamdet.detections import Detections
from streamdet.evaluation.report import report, report_table
from streamdet.masks import coco_rle

CLASSES = ("person", "car")
WIDTH, HEIGHT = 320, 240
POINTS = np.random.default_rng(5).random((17, 2))
OKS_NAMES = ("ap", "ap50", "ap75", "ap_medium", "ap_large")
NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")


def ellipse(box):
    """Corners of an outline inside a box."""
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2
    return centre + half * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def disc():
    y, x = np.mgrid[:28, :28]
    return np.clip(128 + 400 * (1 - np.hypot(x - 13.5, y - 13.5) / 14), 0, 255).astype(np.uint8)


def random_box(rng):
    low = rng.uniform(0, [WIDTH - 120, HEIGHT - 120])
    return np.concatenate([low, low + rng.uniform(12, 120, 2)])


def annotation(rng, box, number):
    """Outlines and run lengths in turn; some keypoints are not labelled, of some people none."""
    outline = ellipse(box)
    row = {"category_id": 1 + number % 2, "bbox": [*box[:2], *(box[2:] - box[:2])], "iscrowd": 0}
    if number % 3:
        row["segmentation"] = [outline.ravel().tolist()]
        row["area"] = float(cv2.contourArea(outline.astype(np.float32)))
    else:
        plane = np.zeros((HEIGHT, WIDTH), np.uint8)
        cv2.fillPoly(plane, [outline.astype(np.int32)], 1)
        row["segmentation"] = coco_rle(plane > 0, 0, 0, WIDTH, HEIGHT)
        row["area"] = float(plane.sum())
    visible = rng.integers(0, 3, 17) * (number % 5 > 0)
    places = box[:2] + POINTS * (box[2:] - box[:2])
    row["keypoints"] = np.concatenate([places, visible[:, None]], axis=1).ravel().tolist()
    row["num_keypoints"] = int((visible > 0).sum())
    return row


@pytest.fixture(params=range(2))
def case(tmp_path, request):
    """A set of stills, what was found in them, and both as COCO has them."""
    rng = np.random.default_rng(request.param)
    images, annotations, predictions = [], [], []
    for image_id in range(1, 31):
        cv2.imwrite(str(tmp_path / f"{image_id}.png"), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
        images.append({"id": image_id, "file_name": f"{image_id}.png", "width": WIDTH, "height": HEIGHT})
        rows, points = [], []
        for _ in range(rng.integers(0, 5)):
            box, number = random_box(rng), len(annotations)
            annotations.append({"id": number + 1, "image_id": image_id, **annotation(rng, box, number)})
            if rng.random() < 0.8:
                rows.append((*(box + rng.normal(0, 5, 4)), rng.random(), number % 2))
                points.append(box[:2] + POINTS * (box[2:] - box[:2]) + rng.normal(0, 2.5, (17, 2)))
        if rng.random() < 0.5:
            rows.append((*random_box(rng), rng.random(), 0))
            points.append(rng.uniform(0, 200, (17, 2)))
        table = np.array(rows).reshape(-1, 6)
        found = np.array(points).reshape(-1, 17, 2)
        predictions.append(
            Detections.of(
                np.clip(table[:, :4], 0, [WIDTH, HEIGHT] * 2),
                table[:, 4],
                table[:, 5],
                CLASSES,
                masks=np.repeat(disc()[None], len(table), axis=0),
                keypoints=np.concatenate([found, np.ones((len(found), 17, 1))], axis=2),
            )
        )
    content = {"images": images, "annotations": annotations}
    content["categories"] = [{"id": 1, "name": "person"}, {"id": 2, "name": "car"}]
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(content))
    labelled = open_set(path, None, order=Order(True, None))
    by_name = {f"{number}": found for number, found in enumerate(predictions, start=1)}
    pairs = [(video, [by_name[video.name.partition(".")[0]]]) for video in labelled.videos]
    return labelled, pairs, content, predictions


def pycocotools_figures(content, rows, kind, names):
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = json.loads(json.dumps(content))
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(rows), kind)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(names, evaluation.stats.tolist(), strict=False))


def without_boxes(predictions, name):
    """Result rows as COCO's challenges take them: of masks or keypoints alone."""
    for image_id, found in enumerate(predictions, start=1):
        for row in found.to_coco(image_id, masks_of=(WIDTH, HEIGHT)):
            yield {key: row[key] for key in ("image_id", "category_id", "score", name)}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_they_are_those_of_pycocotools(case):
    labelled, pairs, content, predictions = case
    figures = report(pairs, labelled.classes)
    masks = pycocotools_figures(content, list(without_boxes(predictions, "segmentation")), "segm", NAMES)
    points = pycocotools_figures(content, list(without_boxes(predictions, "keypoints")), "keypoints", OKS_NAMES)
    assert 0.1 < figures["masks"]["ap"] < 0.9
    assert 0.1 < figures["keypoints"]["ap"] < 0.9
    assert figures["masks"] == pytest.approx(masks, abs=1e-6)
    assert figures["keypoints"] == pytest.approx(points, abs=1e-6)
    assert {"masks ap50", "keypoints ap75"} <= set(report_table({"a": figures}).columns[0].cells)
    json.dumps(figures)


def test_only_what_both_have_is_judged(case):
    labelled, pairs, _, _ = case
    boxes = [(video, [replace(found, masks=None, keypoints=None) for found in rows]) for video, rows in pairs]
    assert not {"masks", "keypoints"} & set(report(boxes, labelled.classes))
    bare = [
        (replace(video, labels=tuple(replace(labels, shapes=()) for labels in video.labels)), rows)
        for video, rows in pairs
    ]
    assert not {"masks", "keypoints"} & set(report(bare, labelled.classes))


def test_keypoints_of_other_skeletons_are_not_judged(case, caplog):
    labelled, pairs, _, _ = case
    fewer = [(video, [replace(found, keypoints=found.keypoints[:, :5]) for found in rows]) for video, rows in pairs]
    figures = report(fewer, labelled.classes)
    assert "masks" in figures
    assert "keypoints" not in figures
    assert "defined for the 17 of COCO's people alone" in caplog.text


def test_shapes_stay_with_their_boxes_when_classes_are_mapped(case):
    labelled, _, _, _ = case
    people = map_classes(labelled, ("car",), {"person": "ignore"})
    for video, before in zip(people.videos, labelled.videos, strict=True):
        [labels], [old] = video.labels, before.labels
        assert [shape.area for shape in labels.shapes] == [
            shape.area for shape, class_id in zip(old.shapes, old.class_ids, strict=True) if class_id == 1
        ]
        assert len(labels.ignore) == (old.class_ids == 0).sum()
