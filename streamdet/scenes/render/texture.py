"""Seamless noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image

Planes = NDArray[np.float32]

_ROW = 4096  # cv2.remap takes no side longer than 32767, so lists of points are folded


def cloud_noise(rng: np.random.Generator, size: int, octaves: int, coarsest: int = 4) -> Planes:
    """Smooth noise (size, size) float32, 0 to 1, that repeats seamlessly; finer octaves weigh less."""
    total = np.zeros((size, size), np.float32)
    for k in range(octaves):
        cells = coarsest * 2**k
        if cells > size:
            break
        grid = np.pad(rng.random((cells, cells), np.float32), 2, mode="wrap")
        step = size // cells
        big = cv2.resize(grid, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
        total += big[2 * step : 2 * step + size, 2 * step : 2 * step + size] * 0.55**k
    low, high = np.percentile(total, [1, 99])
    return np.asarray(np.clip((total - low) / (high - low), 0, 1), np.float32)


def noise_at(noise: Planes, x: Planes, y: Planes) -> Planes:
    """Values (N,) of seamless noise at (N,) pixel coordinates."""
    size = noise.shape[0]
    padded = np.pad(noise, ((0, 1), (0, 1)), mode="wrap")
    return remap_points(padded, np.mod(x, size), np.mod(y, size))


def remap_points(texture: Image | Planes, x: Planes, y: Planes) -> Planes:
    """A texture at (N,) pixel coordinates, between pixels by their distance: (N,) or (N, channels) float32."""
    n = len(x)
    if n == 0:
        return np.zeros((0, *texture.shape[2:]), np.float32)
    total = -(-n // _ROW) * _ROW
    xs, ys = np.zeros(total, np.float32), np.zeros(total, np.float32)
    xs[:n], ys[:n] = x, y
    got = cv2.remap(
        texture, xs.reshape(-1, _ROW), ys.reshape(-1, _ROW), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(got.reshape(total, *texture.shape[2:])[:n], np.float32)
