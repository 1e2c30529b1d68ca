"""The filter against a plain 2x2 matrix transcription, and what the true time between frames does."""

import numpy as np
import pytest

from streamdet.tracking import kalman

BOXES = np.array([[100.0, 50.0, 140.0, 150.0], [10.0, 300.0, 200.0, 380.0], [0.0, 0.0, 6.0, 9.0]])


def reference_predict(value, velocity, p, dt, q):
    f = np.array([[1.0, dt], [0.0, 1.0]])
    noise = q * np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]])
    return f @ np.array([value, velocity]), f @ p @ f.T + noise


def reference_update(x, p, z, r):
    h = np.array([[1.0, 0.0]])
    k = p @ h.T / (h @ p @ h.T + r)
    return x + (k * (z - x[0]))[:, 0], (np.eye(2) - k @ h) @ p


def test_predict_and_update_are_the_matrix_equations():
    means, covariances = kalman.initiate(BOXES)
    sizes = ((BOXES[:, 2] - BOXES[:, 0]) + (BOXES[:, 3] - BOXES[:, 1])) / 2
    moved_boxes = BOXES + np.array([4.0, -2.0, 6.0, -1.0])
    for n in range(3):
        r = (kalman.MEASUREMENT_STD * sizes[n]) ** 2
        p = np.diag([r, (kalman.FIRST_VELOCITY_STD * sizes[n]) ** 2])
        q = (kalman.ACCELERATION_STD * sizes[n]) ** 2
        x, p = reference_predict(means[n, 0, 0], 0.0, p, 0.08, q)
        after = moved_boxes[n]
        r_after = (kalman.MEASUREMENT_STD * (after[2] - after[0] + after[3] - after[1]) / 2) ** 2
        x, p = reference_update(x, p, (after[0] + after[2]) / 2, r_after)
        got_means, got_covariances = kalman.update(*kalman.predict(means, covariances, 0.08), moved_boxes)
        np.testing.assert_allclose(got_means[n, 0], x, rtol=1e-12)
        np.testing.assert_allclose(got_covariances[n, 0], [p[0, 0], p[0, 1], p[1, 1]], rtol=1e-12)


def test_a_box_is_returned_as_it_was_given():
    np.testing.assert_allclose(kalman.boxes_of(kalman.initiate(BOXES)[0]), BOXES)


@pytest.mark.parametrize("steps", [1, 2, 10])
def test_a_gap_is_the_same_in_one_step_or_many(steps):
    means, covariances = kalman.initiate(BOXES)
    means[:, :2, 1] = 30.0
    one = kalman.predict(means, covariances, 0.5)
    many = (means, covariances)
    for _ in range(steps):
        many = kalman.predict(*many, 0.5 / steps)
    np.testing.assert_allclose(many[0], one[0])
    np.testing.assert_allclose(many[1], one[1])


def test_velocity_is_learnt_in_pixels_a_second_at_any_frame_rate():
    for rate in (5, 25, 60):
        means, covariances = kalman.initiate(BOXES[:1])
        for frame in range(1, 2 * rate):
            shift = 40.0 * frame / rate
            means, covariances = kalman.predict(means, covariances, 1 / rate)
            means, covariances = kalman.update(means, covariances, BOXES[:1] + np.array([shift, 0.0, shift, 0.0]))
        assert means[0, 0, 1] == pytest.approx(40.0, rel=0.05)


def test_a_vanishing_size_stays_a_box():
    means, _ = kalman.initiate(BOXES[2:])
    means[:, 2:, 1] = -100.0
    box = kalman.boxes_of(kalman.predict(means, np.ones((1, 4, 3)), 1.0)[0])[0]
    assert box[2] - box[0] == pytest.approx(1.0)
    assert box[3] - box[1] == pytest.approx(1.0)
