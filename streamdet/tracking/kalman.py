"""A constant-velocity Kalman filter for many boxes at once, with the true time between frames.

N tracks, 4 coordinates (centre x, centre y, width, height). All noise is diagonal, so the usual 8x8 covariance
falls apart into one 2x2 block a coordinate and everything is elementwise: fast, and equal on every machine.

means        (N, 4, 2) float64: value in pixels, velocity in pixels a second.
covariances  (N, 4, 3) float64: variance of the value, covariance, variance of the velocity.
Noise grows with the object, as in Wojke et al. 2017 (DeepSORT): its unit is a size, the mean of width and height.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MEASUREMENT_STD = 0.07  # sizes; what a detector's box jitters by
FIRST_VELOCITY_STD = 2.0  # sizes/s; how fast an object may be when it is first seen
ACCELERATION_STD = 0.5  # sizes/s in a second; how much its velocity wanders


def initiate(boxes: Floats) -> tuple[Floats, Floats]:
    """Start tracks at rest.

    Args:
        boxes: (N, 4) float64, xyxy, pixels.

    Returns:
        means and covariances as in the head of this file.
    """
    measured = _centre_and_size(boxes)
    size = _size(measured)
    means = np.stack([measured, np.zeros_like(measured)], axis=2)
    covariances = np.zeros((len(boxes), 4, 3))
    covariances[:, :, 0] = (MEASUREMENT_STD * size) ** 2
    covariances[:, :, 2] = (FIRST_VELOCITY_STD * size) ** 2
    return means, covariances


def predict(means: Floats, covariances: Floats, dt_s: float) -> tuple[Floats, Floats]:
    """Move tracks dt_s seconds on; velocity is driven by white noise.

    Source: Bar-Shalom et al. 2001, Estimation with Applications to Tracking and Navigation, eq. 6.2.2-4.
    """
    value, velocity = means[:, :, 0], means[:, :, 1]
    pp, pv, vv = covariances[:, :, 0], covariances[:, :, 1], covariances[:, :, 2]
    q = (ACCELERATION_STD * _size(value)) ** 2
    moved = np.stack([value + velocity * dt_s, velocity], axis=2)
    spread = [pp + 2 * pv * dt_s + vv * dt_s**2 + q * dt_s**3 / 3, pv + vv * dt_s + q * dt_s**2 / 2, vv + q * dt_s]
    return moved, np.stack(spread, axis=2)


def update(means: Floats, covariances: Floats, boxes: Floats) -> tuple[Floats, Floats]:
    """Correct tracks by the boxes that were measured for them.

    Args:
        means, covariances: as predicted.
        boxes: (N, 4) float64, xyxy, pixels; one for each track.
    """
    measured = _centre_and_size(boxes)
    pp, pv, vv = covariances[:, :, 0], covariances[:, :, 1], covariances[:, :, 2]
    r = (MEASUREMENT_STD * _size(measured)) ** 2
    gain, gain_velocity = pp / (pp + r), pv / (pp + r)
    innovation = measured - means[:, :, 0]
    corrected = means + np.stack([gain * innovation, gain_velocity * innovation], axis=2)
    return corrected, np.stack([(1 - gain) * pp, (1 - gain) * pv, vv - gain_velocity * pv], axis=2)


def boxes_of(means: Floats) -> Floats:
    """(N, 4) float64, xyxy, pixels; never narrower or lower than one pixel."""
    centre, half = means[:, :2, 0], np.maximum(means[:, 2:, 0], 1.0) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _centre_and_size(boxes: Floats) -> Floats:
    low, high = boxes[:, :2], boxes[:, 2:]
    return np.concatenate([(low + high) / 2, high - low], axis=1)


def _size(centre_and_size: Floats) -> Floats:
    """(N, 1): mean of width and height, at least a pixel so that no noise is ever zero."""
    size: Floats = np.maximum(centre_and_size[:, 2:].mean(axis=1, keepdims=True), 1.0)
    return size
