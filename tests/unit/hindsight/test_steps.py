"""The parts of linking: smoothing, the camera's path, joining over gaps, keyframes."""

import numpy as np
import pytest

from streamdet.hindsight.smooth import smooth
from streamdet.hindsight.steady import moved_boxes, path
from streamdet.hindsight.write.labelled_file import keyframes

FRAMES = 50


def walk(pace=2.0):
    x = 20 + pace * np.arange(FRAMES)
    return np.stack([x, np.full(FRAMES, 50.0), x + 30, np.full(FRAMES, 130.0)], axis=1)


def test_smoothing_is_exact_on_a_straight_line():
    smoothed = smooth(walk(), np.full(FRAMES, 0.9), np.ones(FRAMES, bool), np.full(FRAMES, 0.04))
    assert smoothed[2:-2] == pytest.approx(walk()[2:-2], abs=0.5)


def test_smoothing_takes_jitter_out():
    noisy = walk() + np.random.default_rng(0).normal(0, 1.5, (FRAMES, 4))
    smoothed = smooth(noisy, np.full(FRAMES, 0.9), np.ones(FRAMES, bool), np.full(FRAMES, 0.04))
    jitter = [np.diff(boxes - walk(), axis=0).std() for boxes in (noisy, smoothed)]
    assert jitter[1] < 0.3 * jitter[0]


def test_the_path_of_a_camera_that_zooms_and_pans():
    camera = np.tile(np.array([[1.1, 0.0, 5.0], [0.0, 1.1, 0.0]]), (4, 1, 1))
    maps = path(camera, 1, 4)
    assert maps[0] == pytest.approx(np.eye(3))
    assert maps[2][:2] == pytest.approx(np.array([[1.21, 0, 10.5], [0, 1.21, 0]]))
    (moved,) = moved_boxes(np.array([[0.0, 0.0, 10.0, 20.0]]), maps[2][None])
    assert moved == pytest.approx([10.5, 0.0, 22.6, 24.2])


def test_few_keyframes_are_enough_for_steady_motion():
    assert keyframes(np.arange(FRAMES), walk()).tolist() == [0, FRAMES - 1]


def test_a_turn_is_a_keyframe():
    boxes = walk()
    boxes[25:] = boxes[25] + np.arange(25)[:, None] * [0.0, 2.0, 0.0, 2.0]
    kept = keyframes(np.arange(FRAMES), boxes)
    assert kept.tolist() == [0, 25, FRAMES - 1]


def test_one_frame_is_its_own_keyframe():
    assert keyframes(np.array([7]), walk()[:1]).tolist() == [0]
