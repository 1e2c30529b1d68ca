"""The stage around the drawing."""

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest

from streamdet.drawing.annotators import draw
from streamdet.drawing.options import AnnotateOptions
from streamdet.errors import ConfigError
from streamdet.frames import Checkpoint, StreamEnded, StreamGap
from streamdet.media.colour import frame_from_rgb
from streamdet.media.planes import Planes, picture_of
from streamdet.stages.annotate import STAGE, annotate
from streamdet.stages.entry import StageContext

if TYPE_CHECKING:
    from streamdet.models.contract import Detector


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


@pytest.mark.parametrize("other_file", [False, True])
def test_paths_continue_where_a_run_was_interrupted_but_not_in_another_file(
    run_stage, make_result, started, other_file
):
    stage = annotate(AnnotateOptions(traces_s=10.0, labels="none"))
    before = make_result([(10, 10, 20, 20, 0.9, 0, 7)], index=0)
    after = make_result([(40, 10, 50, 20, 0.9, 0, 7)], index=1)
    [_, whole] = run_stage(stage, [before, after])
    [_, checkpoint] = run_stage(stage, [before, Checkpoint("a", 1)])
    begun = replace(started("a"), continues=checkpoint, other_file=other_file)
    [_, continued] = run_stage(stage, [begun, after])
    [alone] = run_stage(stage, [after])
    np.testing.assert_array_equal(continued.image, alone.image if other_file else whole.image)
    assert (whole.image != alone.image).any()


def test_paths_end_at_a_gap(run_stage, make_result):
    stage = annotate(AnnotateOptions(traces_s=10.0, labels="none"))
    before = make_result([(10, 10, 20, 20, 0.9, 0, 7)], index=0)
    after = make_result([(40, 10, 50, 20, 0.9, 0, 7)], index=1, session=1)
    *_, continued = run_stage(stage, [before, StreamGap("a", 1, "reconnected"), after])
    [alone] = run_stage(stage, [after])
    np.testing.assert_array_equal(continued.image, alone.image)


def test_a_class_to_hide_that_the_model_does_not_know_fails():
    """A misspelt class must not leave faces in a picture."""
    detector = SimpleNamespace(spec=SimpleNamespace(classes=("person", "car")))
    context = StageContext(cast("Detector", detector), 0.25)
    assert STAGE.build is not None
    with pytest.raises(ConfigError, match="unknown class persn; did you mean person"):
        STAGE.build(AnnotateOptions(hide=("persn",)), context)
    assert STAGE.build(AnnotateOptions(hide=("person",)), context).name == "annotate"
