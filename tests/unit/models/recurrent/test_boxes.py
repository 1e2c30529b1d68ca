import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import streamdet.models.recurrent.boxes
from streamdet.models.options import KEEP, DetectOptions
from streamdet.models.recurrent.boxes import decode_boxes, select_boxes_together
from streamdet.models.recurrent.layout import anchor_boxes
from streamdet.models.selection import select_boxes


def test_anchors_are_around_their_cells():
    anchors = anchor_boxes([(1, 2), (1, 1), (1, 1), (1, 1), (1, 1)])
    assert len(anchors) == 3 * 6
    assert anchors[1].tolist() == [-32, -32, 32, 32]
    assert anchors[4].tolist() == [-24, -32, 40, 32]  # the next cell, 8 pixels further
    assert anchors[7].tolist() == [-64, -64, 64, 64]


def test_no_delta_is_the_anchor():
    anchors = torch.tensor([[10.0, 20.0, 30.0, 80.0]])
    torch.testing.assert_close(decode_boxes(torch.zeros(1, 4), anchors), anchors)


def test_deltas_move_and_scale_the_anchor():
    anchors = torch.tensor([[10.0, 20.0, 30.0, 80.0]])  # 20 x 60 around (20, 50)
    deltas = torch.tensor([[5.0, -1.0, 5 * math.log(2.0), 1e9]])
    box = decode_boxes(deltas, anchors)[0].tolist()
    assert box == pytest.approx([10, 50 - 6 - 30 * 62.5, 50, 50 - 6 + 30 * 62.5], rel=1e-5)


CLASSES = ("car", "person", "truck")


def _assert_same_together(boxes, scores, groups=None, **options):
    """All frames at once give what numpy finds in each, to the bit and in the same order."""
    keep, classes = DetectOptions(**options), CLASSES[: scores.shape[2]]
    together = select_boxes_together(boxes, scores, keep, classes, groups)
    assert len(together) == len(boxes)
    for frame, kept in enumerate(together):
        alone = select_boxes(boxes[frame].numpy(), scores[frame].numpy(), keep, classes, groups)
        columns: Any = zip(kept, alone, strict=True)
        for got, expected in columns:
            assert got.dtype == expected.dtype
            np.testing.assert_array_equal(got, expected)


@st.composite
def _frames(draw):
    """Frames on a coarse grid: many boxes are equal, empty, in each other, or just at a threshold; so are scores."""
    frames, cells, classes = draw(st.integers(1, 4)), draw(st.integers(1, 12)), draw(st.integers(1, 3))
    numbers = st.integers(0, 6)
    corners = draw(st.lists(numbers, min_size=frames * cells * 4, max_size=frames * cells * 4))
    steps = draw(st.lists(numbers, min_size=frames * cells * classes, max_size=frames * cells * classes))
    low_high = torch.tensor(corners, dtype=torch.float32).view(frames, cells, 2, 2).sort(dim=2).values
    return low_high.flatten(2), torch.tensor(steps).view(frames, cells, classes) / 6


@given(
    _frames(),
    st.sampled_from([0.0, 0.25, 0.5, 1.0]),
    st.sampled_from([0.0, 0.2, 0.25, 1 / 3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 1.0]),
    st.integers(1, 20),
    st.sampled_from([{}, {"person": 0.5}]),
)
def test_all_frames_at_once_are_each_alone(frames, conf, iou, max_detections, class_conf):
    _assert_same_together(*frames, conf=conf, iou=iou, max_detections=max_detections, class_conf=class_conf)


def _random_frames(frames, cells, classes, sure, seed=0):
    """Boxes of up to 45 pixels in 100 x 100, and of all scores a share that is sure enough."""
    generator = torch.Generator().manual_seed(seed)
    corners = torch.rand(frames, cells, 2, generator=generator) * 60
    boxes = torch.cat((corners, corners + 5 + 40 * torch.rand(frames, cells, 2, generator=generator)), dim=2)
    scores = torch.rand(frames, cells, classes, generator=generator)
    return boxes, scores * 0.75 + 0.25 - (torch.rand(scores.shape, generator=generator) > sure).float()


@pytest.mark.parametrize(
    ("frames", "cells", "sure", "options"),
    [
        (1, 1, 1.0, {}),
        (8, 300, 0.05, {}),
        (32, 1260, 0.01, {"iou": 0.4}),
        (3, 500, 0.0, {}),
        (2, 300, 0.2, {"max_detections": 3}),
        (2, 60, 1.0, {"max_detections": 7}),
        (4, 200, 0.1, {"classes": ("car", "truck")}),
        (2, 700, 1.0, {"iou": 0.9, "exclusive": ()}),
    ],
    ids=["one", "clip", "streams", "nothing", "few wanted", "more than ten times as many", "classes", "flood"],
)
def test_many_boxes_at_once_are_each_frames(frames, cells, sure, options):
    _assert_same_together(*_random_frames(frames, cells, 3, sure), **options)


@pytest.mark.parametrize("groups", [[0, 1, 0], [5, 5, 2], [1, 1, 1]], ids=str)
def test_classes_that_share_a_score_are_each_frames(groups):
    boxes, scores = _random_frames(4, 200, 3, 0.1)
    # Sums of powers of two are exact in any order.
    _assert_same_together(boxes, (scores * 64).round().clamp(min=0) / 256, np.array(groups), conf=0.25)


def test_frames_of_no_boxes_are_among_others():
    boxes, scores = _random_frames(5, 80, 2, 0.3)
    scores[[0, 3]] = 0.0
    _assert_same_together(boxes, scores)
    assert select_boxes_together(boxes[:0], scores[:0], KEEP, CLASSES[:2]) == []


def test_a_chain_in_which_each_suppresses_the_next_keeps_every_second():
    """The longest way round for what asks all at once."""
    left = torch.arange(120.0)[:, None] * 2
    boxes = torch.cat((left, torch.zeros(120, 1), left + 10, torch.full((120, 1), 10.0)), dim=1)
    scores = torch.linspace(0.9, 0.3, 120)[:, None]
    _assert_same_together(boxes[None], scores[None], iou=0.6, conf=0.25)
    ((_, kept, *_),) = select_boxes_together(boxes[None], scores[None], DetectOptions(iou=0.6, conf=0.25), CLASSES[:1])
    np.testing.assert_array_equal(kept, scores[::2, 0])


def test_a_broken_frame_breaks_no_other():
    """One stream's memory is not finite: what the others see is as without it."""
    boxes, scores = _random_frames(4, 100, 2, 0.3)
    boxes[1, ::3], scores[1, ::5] = torch.nan, torch.nan  # never infinite: boxes are clipped
    _assert_same_together(boxes, scores)


def test_too_many_pairs_are_looked_at_frame_by_frame(monkeypatch):
    monkeypatch.setattr(streamdet.models.recurrent.boxes, "_suppress_together", None)
    monkeypatch.setattr(streamdet.models.recurrent.boxes, "_MOST_PAIRS", 1000)
    _assert_same_together(*_random_frames(4, 100, 2, 0.3))
