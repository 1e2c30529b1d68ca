"""The camera's motion, from images whose motion is known."""

import cv2
import numpy as np
import pytest

from streamdet.tracking.camera_motion import CameraMotion, identity, inverse


@pytest.fixture(scope="module")
def wall():
    """A textured wall of 900 x 700 pixels that a camera of 640 x 360 looks at."""
    noise = np.random.default_rng(0).integers(0, 255, (88, 113, 3), dtype=np.uint8)
    return cv2.resize(noise, (900, 700), interpolation=cv2.INTER_CUBIC)


def view(wall, x, y):
    return np.ascontiguousarray(wall[y : y + 360, x : x + 640])


def test_a_pan_is_measured(wall):
    motion = CameraMotion()
    assert np.array_equal(motion.step(view(wall, 100, 100)), identity())
    assert motion.step(view(wall, 108, 96)) == pytest.approx(np.array([[1, 0, -8], [0, 1, 4]]), abs=0.3)


def test_a_zoom_is_measured(wall):
    motion = CameraMotion()
    motion.step(view(wall, 100, 100))
    closer = cv2.resize(wall, None, fx=1.04, fy=1.04, interpolation=cv2.INTER_LINEAR)
    found = motion.step(view(closer, 104, 104))
    assert found[:, :2] == pytest.approx(1.04 * np.eye(2), abs=0.003)


def test_what_moves_before_a_fixed_camera_is_not_the_cameras_motion(wall):
    motion = CameraMotion()
    for x in (0, 12):
        image = view(wall, 100, 100)
        image[100:250, 200 + x : 420 + x] = wall[400:550, 300:520]
        found = motion.step(image)
    assert np.array_equal(found, identity())


def test_an_image_without_texture_says_nothing():
    motion = CameraMotion()
    motion.step(np.full((360, 640, 3), 90, np.uint8))
    assert np.array_equal(motion.step(np.full((360, 640, 3), 120, np.uint8)), identity())


def test_the_way_back():
    there = np.array([[1.1, -0.2, 7.0], [0.2, 1.1, -3.0]])
    place = np.array([20.0, 30.0])
    moved = there[:, :2] @ place + there[:, 2]
    back = inverse(there)
    assert back[:, :2] @ moved + back[:, 2] == pytest.approx(place)
