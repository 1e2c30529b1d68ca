"""AP against pycocotools on random data, and the cases that COCO does not have."""

import contextlib
import io
import sys

import numpy as np
import pytest

from streamdet.errors import ConfigError
from streamdet.evaluation.average_precision import average_precision

NAMES = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")
BOX = (100, 100, 200, 200)


def random_rows(rng, count):
    corners = rng.uniform(0, 400, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(5, 160, (count, 2))], axis=1)


def random_pairs(build, rng, frames=60):
    """Boxes of all sizes; two thirds of them found, loosely, among as many false ones."""
    marked, predicted = [], []
    for _ in range(frames):
        boxes = random_rows(rng, rng.integers(0, 8))
        class_ids = rng.integers(0, 2, len(boxes))
        marked.append(build.labels([(*b, c, -1) for b, c in zip(boxes, class_ids, strict=True)]))
        hit = rng.random(len(boxes)) < 0.67
        loose = boxes[hit] + rng.normal(0, 4, (hit.sum(), 4))
        wrong = random_rows(rng, rng.integers(0, 5))
        rows = [(*b, c, rng.random(), -1) for b, c in zip(loose, class_ids[hit], strict=True)]
        rows += [(*b, rng.integers(0, 2), rng.random(), -1) for b in wrong]
        predicted.append(build.found(rows))
    return [(build.video(marked), predicted)]


def pycocotools_figures(pairs):
    """The oracle: the same boxes given to the reference implementation."""
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    images, annotations, results = [], [], []
    for video, predictions in pairs:
        for labels, found in zip(video.labels, predictions, strict=True):
            image_id = len(images) + 1
            images.append({"id": image_id})
            for (x1, y1, x2, y2), class_id in zip(labels.boxes.tolist(), labels.class_ids, strict=True):
                bbox = [x1, y1, x2 - x1, y2 - y1]
                row = {"id": len(annotations) + 1, "image_id": image_id, "category_id": int(class_id) + 1}
                annotations.append({**row, "bbox": bbox, "area": bbox[2] * bbox[3], "iscrowd": 0})
            for (x1, y1, x2, y2), score, class_id in zip(
                found.boxes.tolist(), found.scores.tolist(), found.class_ids, strict=True
            ):
                row = {"image_id": image_id, "category_id": int(class_id) + 1, "score": score}
                results.append({**row, "bbox": [x1, y1, x2 - x1, y2 - y1]})
    with contextlib.redirect_stdout(io.StringIO()):
        truth = coco.COCO()
        truth.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1}, {"id": 2}]}
        truth.createIndex()
        evaluation = cocoeval.COCOeval(truth, truth.loadRes(results), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats[:6], strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_it_gives_the_figures_of_pycocotools(build, seed):
    pairs = random_pairs(build, np.random.default_rng(seed))
    figures = average_precision(pairs, build.classes)
    assert 0.1 < figures["ap"] < 0.6  # neither trivial end
    assert {name: figures[name] for name in NAMES} == pytest.approx(pycocotools_figures(pairs), abs=1e-9)


def test_its_mean_is_the_mean_over_classes(build):
    figures = average_precision(random_pairs(build, np.random.default_rng(7)), build.classes)
    by_class = [figures["per_class"][name]["ap"] for name in build.classes]
    assert by_class[0] != by_class[1]
    assert figures["ap"] == pytest.approx(np.mean(by_class))


def test_half_of_the_objects_found_first_is_half_the_curve(build):
    other = (300, 300, 400, 400)
    pairs = [(build.video([build.labels([(*BOX, 0, -1), (*other, 0, -1)])]), [build.found([(*BOX, 0, 0.9, -1)])])]
    # Precision 1 up to recall 0.5: 51 of COCO's 101 recall points.
    assert average_precision(pairs, build.classes)["ap50"] == pytest.approx(51 / 101)


def test_what_is_labelled_nowhere_has_no_figure(build):
    pairs = [(build.video([build.labels([(*BOX, 0, -1)])]), [build.found([(*BOX, 0, 0.9, -1)])])]
    figures = average_precision(pairs, build.classes)
    assert (figures["ap"], figures["ap_large"], figures["ap_small"]) == (1.0, 1.0, None)
    assert figures["per_class"]["person"] == dict.fromkeys(NAMES)


def test_a_detector_that_finds_nothing_scores_zero(build):
    pairs = [(build.video([build.labels([(*BOX, 0, -1)])]), [build.found([])])]
    assert average_precision(pairs, build.classes)["ap"] == 0.0


def test_a_set_without_any_box_has_no_figure(build):
    pairs = [(build.video([build.labels([])]), [build.found([(*BOX, 0, 0.9, -1)])])]
    assert average_precision(pairs, build.classes)["ap"] is None


def test_missing_library_is_named_with_its_cure(build, monkeypatch):
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(ConfigError, match=r"pip install faster-coco-eval"):
        average_precision([(build.video([None]), [build.found([])])], build.classes)
