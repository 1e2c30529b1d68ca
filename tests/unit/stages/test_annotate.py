"""The stage around the drawing."""

import numpy as np

from streamdet.drawing.annotators import draw
from streamdet.frames import StreamEnded
from streamdet.media.colour import frame_from_rgb
from streamdet.media.planes import Planes, picture_of
from streamdet.stages.annotate import annotate


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


def test_draws_on_a_copy_of_planes(run_stage, make_result):
    result = make_result([(10, 10, 40, 40, 0.9, 0, 7)])
    planes = picture_of(frame_from_rgb(np.full((48, 64, 3), 90, np.uint8), (1, 1, 1, 1)))
    assert isinstance(planes, Planes)
    nothing = make_result([]).with_picture(planes)
    annotated, untouched = run_stage(annotate(), [result.with_picture(planes), nothing])
    assert np.ptp(annotated.image) > 60
    assert np.ptp(planes.luma) == 0
    assert untouched.frame.picture is planes
