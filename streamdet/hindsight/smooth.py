"""Where an object was at every frame, from all that was measured before and after: a fixed-interval smoother.

Source: Rauch, Tung, Striebel 1965. Coordinates (centre x, centre y, log width, log height) are independent, each with
a constant-velocity model, so that everything is 2x2 blocks, written out.
"""

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import paired_iou

Floats = NDArray[np.float64]

MEASUREMENT_STD = np.array([0.06, 0.06, 0.08, 0.08])
"""What a sure box jitters by: widths, heights, and logarithms of the size."""
ACCELERATION_STD = np.array([1.0, 1.0, 0.5, 0.5])
"""How much a velocity wanders, the same units a second, in a second."""
_ROUNDS = 3
_UNKNOWN = 1e9


def smooth(boxes: Floats, scores: Floats, measured: NDArray[np.bool_], dts_s: Floats) -> Floats:
    """Smooth one track.

    Boxes that disagree with those before and after them are doubted: a badly placed one hardly counts.

    Args:
        boxes: (T, 4) float64, xyxy, pixels, one a frame; any where nothing was measured.
        scores: (T,) float64, 0 to 1.
        measured: (T,) bool, the first and the last are.
        dts_s: (T,) float64, seconds since the frame before; the first is not read.

    Returns:
        (T, 4) float64, xyxy, pixels.
    """
    places = np.concatenate(
        [(boxes[:, :2] + boxes[:, 2:]) / 2, np.log(np.maximum(boxes[:, 2:] - boxes[:, :2], 1.0))], axis=1
    )
    size = np.exp(np.median(places[measured, 2:], axis=0))
    unit = np.array([size[0], size[1], 1.0, 1.0])
    weak = np.clip((0.5 / np.maximum(scores, 0.02)) ** 2, 0.5, 16.0)
    variance = np.where(measured, weak, _UNKNOWN)[:, None] * (MEASUREMENT_STD * unit) ** 2
    doubt = np.ones(len(boxes))
    for _ in range(_ROUNDS):
        smoothed = _boxes(_two_way(places, variance * doubt[:, None], (ACCELERATION_STD * unit) ** 2, dts_s))
        overlap = paired_iou(smoothed, boxes)
        doubt = np.clip((0.85 / np.maximum(overlap, 0.05)) ** 4, 1.0, 50.0)
    return smoothed


def _boxes(places: Floats) -> Floats:
    half = np.exp(places[:, 2:]) / 2
    return np.concatenate([places[:, :2] - half, places[:, :2] + half], axis=1)


def _two_way(z: Floats, r: Floats, q: Floats, dts_s: Floats) -> Floats:
    """(T, 4) smoothed values of (T, 4) measurements with variances r; q (4,) drives the velocity."""
    count = len(z)
    filtered, predicted = np.zeros((2, count, 5, 4)), None
    state = np.stack([z[0], np.zeros(4), r[0], np.zeros(4), r[0] * 400.0])
    for t in range(count):
        if t:
            state = _forward(state, q, dts_s[t])
        filtered[0, t] = state
        value, velocity, pp, pv, vv = state
        gain, gain_velocity = pp / (pp + r[t]), pv / (pp + r[t])
        innovation = z[t] - value
        state = np.stack(
            [
                value + gain * innovation,
                velocity + gain_velocity * innovation,
                pp - gain * pp,
                pv - gain * pv,
                vv - gain_velocity * pv,
            ]
        )
        filtered[1, t] = state
    predicted, filtered = filtered
    out = filtered[:, :2].copy()
    for t in range(count - 2, -1, -1):
        dt = dts_s[t + 1]
        _, _, pp, pv, vv = filtered[t]
        _, _, npp, npv, nvv = predicted[t + 1]
        # C = P F' (P-)^-1, with F = [[1, dt], [0, 1]].
        a, b, c, d = pp + pv * dt, pv, pv + vv * dt, vv
        inverse = np.maximum(npp * nvv - npv * npv, 1e-12)
        c11, c12 = (a * nvv - b * npv) / inverse, (b * npp - a * npv) / inverse
        c21, c22 = (c * nvv - d * npv) / inverse, (d * npp - c * npv) / inverse
        off, off_velocity = out[t + 1, 0] - predicted[t + 1, 0], out[t + 1, 1] - predicted[t + 1, 1]
        out[t, 0] += c11 * off + c12 * off_velocity
        out[t, 1] += c21 * off + c22 * off_velocity
    return out[:, 0]


def _forward(state: Floats, q: Floats, dt: float) -> Floats:
    value, velocity, pp, pv, vv = state
    return np.stack(
        [
            value + velocity * dt,
            velocity,
            pp + 2 * dt * pv + dt**2 * vv + dt**3 / 3 * q,
            pv + dt * vv + dt**2 / 2 * q,
            vv + dt * q,
        ]
    )
