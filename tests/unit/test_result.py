"""What users read from a result."""

import numpy as np

from streamdet.frames import RgbPicture


def test_a_result_shows_its_frame(make_result):
    result = make_result([(1, 2, 3, 4, 0.9, 0, 7)], source="cam", index=12, session=1)
    assert (result.source, result.session, result.index, result.frame_index) == ("cam", 1, 12, 12)
    assert (result.pts, result.pts_s) == (6144, 0.48)
    assert (result.width, result.height) == (64, 48)
    assert result.image is result.frame.image
    assert result.detections.class_names.tolist() == ["person"]


def test_another_picture_leaves_the_rest(make_result):
    result = make_result(latency_s=0.1)
    black = np.zeros_like(result.image)
    other = result.with_picture(RgbPicture(black))
    assert other.image is black
    assert result.image is not black
    assert (other.pts, other.latency_s, other.detections) == (result.pts, 0.1, result.detections)
