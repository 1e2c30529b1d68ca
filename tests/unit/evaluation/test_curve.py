"""AP from matched boxes against faster-coco-eval, and with clips weighted."""

import numpy as np
import pytest

from streamdet.evaluation.average_precision import average_precision
from streamdet.evaluation.curve import curves, mean_average_precision
from streamdet.evaluation.judged import judge
from streamdet.evaluation.outcomes import collect


def random_video(build, rng, name, frames=20):
    marked, predicted = [], []
    for _ in range(frames):
        low = rng.uniform(0, 400, (5, 2))
        boxes = np.concatenate([low, low + rng.uniform(60, 160, (5, 2))], axis=1)
        class_ids = rng.integers(0, 2, 5)
        marked.append(
            build.labels(
                [(*b, c, -1) for b, c in zip(boxes, class_ids, strict=True)],
                [(*rng.uniform(0, 300, 2), *rng.uniform(300, 500, 2))],
            )
        )
        loose = np.concatenate([boxes + rng.normal(0, 6, boxes.shape), boxes[::-1] + rng.normal(0, 12, boxes.shape)])
        rows = [(*b, c, rng.random(), -1) for b, c in zip(loose, np.tile(class_ids, 2), strict=True)]
        predicted.append(build.found(rows))
    return build.video(marked, name=name), predicted


@pytest.fixture
def pairs(build):
    rng = np.random.default_rng(5)
    return [random_video(build, rng, name) for name in "abc"]


def test_it_gives_the_figures_of_faster_coco_eval_ignore_regions_and_all(build, pairs):
    thresholds = tuple(np.arange(10, 20) / 20)
    outcomes = collect(judge(pairs, build.classes), thresholds)
    even = np.ones(outcomes.clip_count)
    expected = average_precision(pairs, build.classes)
    by_threshold = [mean_average_precision(curves(outcomes, threshold=index), even) for index in range(10)]
    assert 0.05 < expected["ap"] < 0.9
    assert by_threshold[0] == pytest.approx(expected["ap50"], abs=1e-9)
    assert by_threshold[5] == pytest.approx(expected["ap75"], abs=1e-9)
    assert np.mean(by_threshold) == pytest.approx(expected["ap"], abs=1e-9)


def test_a_clip_drawn_twice_counts_twice(build, pairs):
    outcomes = collect(judge(pairs, build.classes))
    drawn = mean_average_precision(curves(outcomes), np.array([2.0, 0.0, 1.0]))
    again = average_precision([pairs[0], pairs[0], pairs[2]], build.classes)
    assert drawn == pytest.approx(again["ap50"], abs=1e-3)  # equal but for the order of equal scores


def test_detections_of_objects_outside_the_part_are_free_and_false_ones_count(build):
    near, far, nowhere = (0, 0, 100, 100), (200, 0, 300, 100), (400, 0, 500, 100)
    labels = build.labels([(*near, 0, -1), (*far, 0, -1)])
    pairs = [(build.video([labels]), [build.found([(*far, 0, 0.9, -1), (*near, 0, 0.5, -1)])])]
    outcomes = collect(judge(pairs, build.classes))
    part = curves(outcomes, objects=np.array([True, False]))
    assert part[0].average_precision(np.ones(1)) == 1.0
    false_too = [(pairs[0][0], [build.found([(*nowhere, 0, 0.9, -1), (*near, 0, 0.5, -1)])])]
    part = curves(collect(judge(false_too, build.classes)), objects=np.array([True, False]))
    assert part[0].average_precision(np.ones(1)) == 0.5
    assert part[1].average_precision(np.ones(1)) is None
