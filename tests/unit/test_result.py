"""What users read from a result."""

import numpy as np
import pytest

from streamdet.result import finite


def test_a_result_shows_its_frame(make_result):
    result = make_result([(1, 2, 3, 4, 0.9, 0, 7)], source="cam", index=12, session=1)
    assert (result.source, result.session, result.index, result.frame_index) == ("cam", 1, 12, 12)
    assert (result.pts, result.pts_s) == (6144, 0.48)
    assert (result.width, result.height) == (64, 48)
    assert result.image is result.frame.image
    assert result.detections.class_names == ("person",)


def test_another_picture_leaves_the_rest(make_result):
    result = make_result(latency_s=0.1)
    picture = np.zeros_like(result.image)
    other = result.with_picture(picture)
    assert other.image is picture
    assert result.image is not picture
    assert (other.pts, other.latency_s, other.detections) == (result.pts, 0.1, result.detections)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_finite_leaves_out_what_is_no_number(make_result, bad):
    rows = [(1, 2, bad, 4, 0.9, 0, 1), (1, 2, 3, 4, 0.8, 1, 2), (1, 2, 3, 4, bad, 0, 3)]
    assert finite(make_result(rows).detections).track_ids.tolist() == [2]


def test_finite_costs_nothing_when_all_are_numbers(make_result):
    found = make_result([(1, 2, 3, 4, 0.9, 0, 1)]).detections
    assert finite(found) is found
