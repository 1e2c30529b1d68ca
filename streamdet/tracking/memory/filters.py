"""Two constant-velocity Kalman filters a track, for all tracks at once, with the true time between frames.

The fast filter trusts what it measures. The slow one expects more noise, and doubts a box that is not where it
predicted one. N tracks, 2 filters (fast, slow), 4 coordinates (centre x, centre y, width, height). All noise is
diagonal, so a covariance is one 2x2 block a coordinate and everything is elementwise.

filters (N, 5, 2, 4) float64: value in pixels, velocity in pixels a second, variance of the value, covariance, variance
of the velocity. Noise grows with the object; its unit is a size, the mean of width and height.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

VALUE, VELOCITY, VARIANCE, COVARIANCE, VELOCITY_VARIANCE = range(5)
FAST, SLOW = range(2)

# (2, 4), sizes: what a detector's box jitters by.
_MEASUREMENT_VARIANCE = np.array([[0.07, 0.07, 0.07, 0.07], [0.15, 0.12, 0.20, 0.25]]) ** 2
# (2, 4), sizes/s in a second: how much a velocity wanders.
_ACCELERATION_VARIANCE = np.array([[0.5, 0.5, 0.5, 0.5], [0.5, 0.5, 0.1, 0.1]]) ** 2
# (2, 4), sizes/s: how fast an object may be when it is first seen.
_FIRST_VELOCITY_VARIANCE = np.array([[2.0, 2.0, 2.0, 2.0], [2.0, 2.0, 0.3, 0.3]]) ** 2


def centres_and_sizes(boxes: Floats) -> Floats:
    """(N, 4) centre x, centre y, width, height of boxes (N, 4) xyxy."""
    measured = np.empty_like(boxes)
    measured[:, :2] = (boxes[:, :2] + boxes[:, 2:]) * 0.5
    measured[:, 2:] = boxes[:, 2:] - boxes[:, :2]
    return measured


def boxes_of(values: Floats) -> Floats:
    """(..., 4) xyxy of (..., 4) centre and size; never narrower or lower than one pixel."""
    boxes = np.empty_like(values)
    half = np.maximum(values[..., 2:], 1.0) * 0.5
    np.subtract(values[..., :2], half, out=boxes[..., :2])
    np.add(values[..., :2], half, out=boxes[..., 2:])
    return boxes


def start(boxes: Floats) -> Floats:
    """Filters of tracks that start at rest at these boxes, (N, 4) float64 xyxy."""
    measured = centres_and_sizes(boxes)
    area = _squared_sizes(measured)[:, None, None]
    filters = np.zeros((len(boxes), 5, 2, 4))
    filters[:, VALUE] = measured[:, None]
    filters[:, VARIANCE] = _MEASUREMENT_VARIANCE * area
    filters[:, VELOCITY_VARIANCE] = _FIRST_VELOCITY_VARIANCE * area
    return filters


def predict(filters: Floats, dt_s: float) -> None:
    """Move tracks dt_s seconds on, in place; velocity is driven by white noise.

    Source: Bar-Shalom et al. 2001, Estimation with Applications to Tracking and Navigation, eq. 6.2.2-4.
    """
    # The noise's unit is the size before the motion.
    q = _ACCELERATION_VARIANCE * _squared_sizes(filters[:, VALUE])[..., None]
    filters[:, VALUE] += filters[:, VELOCITY] * dt_s
    filters[:, VARIANCE] += (2 * dt_s) * filters[:, COVARIANCE] + dt_s**2 * filters[:, VELOCITY_VARIANCE]
    filters[:, VARIANCE] += (dt_s**3 / 3) * q
    filters[:, COVARIANCE] += dt_s * filters[:, VELOCITY_VARIANCE] + (dt_s**2 / 2) * q
    filters[:, VELOCITY_VARIANCE] += dt_s * q


def correct(filters: Floats, boxes: Floats, doubt: Floats) -> Floats:
    """Correct tracks by the boxes that were measured for them.

    Args:
        filters: (N, 5, 2, 4) as predicted.
        boxes: (N, 4) float64, xyxy, pixels; one for each track.
        doubt: (N, 2) float64, factor on the variance of the measurement, for each filter.

    Returns:
        the filters after it.
    """
    measured = centres_and_sizes(boxes)
    scale = doubt * _squared_sizes(measured)[:, None]
    variance = filters[:, VARIANCE]
    gains = filters[:, VARIANCE:VELOCITY_VARIANCE] / (variance + _MEASUREMENT_VARIANCE * scale[..., None])[:, None]
    after = filters.copy()
    after[:, : VELOCITY + 1] += gains * (measured[:, None] - filters[:, VALUE])[:, None]
    after[:, VARIANCE : COVARIANCE + 1] -= gains[:, :1] * filters[:, VARIANCE : COVARIANCE + 1]
    after[:, VELOCITY_VARIANCE] -= gains[:, 1] * filters[:, COVARIANCE]
    return after


def coast(filters: Floats, rows: NDArray[np.int64], dt_s: float) -> None:
    """Tracks without a box keep their size, and their motion fades with a second; in place."""
    filters[rows, VELOCITY, :, 2:] = 0.0
    filters[rows, VELOCITY, :, :2] *= np.exp(-dt_s)


def extrapolated(filters: Floats, dt_s: float) -> Floats:
    """(N, 2, 4) xyxy where both filters expect each track dt_s seconds later; the size stays."""
    values = filters[:, VALUE].copy()
    values[..., :2] += filters[:, VELOCITY, :, :2] * dt_s
    return boxes_of(values)


def _squared_sizes(values: Floats) -> Floats:
    """(...): mean of width and height squared, at least a pixel so that no noise is ever zero."""
    size = np.maximum((values[..., 2] + values[..., 3]) * 0.5, 1.0)
    squared: Floats = size * size
    return squared
