"""The stage around the drawing."""

import numpy as np

from streamdet.frames import StreamEnded
from streamdet.stages.annotate import annotate
from streamdet.stages.drawing import draw


def test_the_picture_is_another_and_the_rest_is_the_same(run_stage, make_result):
    result = make_result([(10, 10, 40, 40, 0.9, 0, 7)], latency_s=0.2)
    untouched = result.image.copy()
    [annotated] = run_stage(annotate(), [result])
    np.testing.assert_array_equal(annotated.image, draw(untouched, result.detections))
    np.testing.assert_array_equal(result.image, untouched)
    assert annotated.detections is result.detections
    assert (annotated.pts, annotated.latency_s) == (result.pts, 0.2)


def test_markers_pass(run_stage, started):
    markers = [started("a"), StreamEnded("a", 0)]
    assert run_stage(annotate(), markers) == markers
