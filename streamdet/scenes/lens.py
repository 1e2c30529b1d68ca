"""What the camera adds: shake, softness, tone, noise."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.camera import Floats


class Shake:
    """Small movements of the camera as a 2 x 3 matrix that takes still pixels to shaken ones."""

    def __init__(self, rng: np.random.Generator, width: int, height: int, strength: float) -> None:
        """Strength 1 sways by about 0.6 % of the width and jitters by a third of that."""
        self._centre = np.array([width / 2, height / 2])
        self._reach = 0.006 * width * strength * float(rng.uniform(0.4, 1.2))
        self._rates = rng.uniform([0.15, 0.3, 1.1, 2.5], [0.3, 0.7, 2.2, 5.0], (3, 4)) * 2 * np.pi
        self._phases = rng.uniform(0, 2 * np.pi, (3, 4))
        self._weights = np.array([0.75, 0.45, 0.16, 0.10])
        self.margin = int(np.ceil(self._reach * 1.7 + 0.004 * width * strength)) + 1 if strength > 0 else 0
        self._still = strength == 0

    def matrix(self, time_s: float) -> Floats:
        """At a time."""
        if self._still:
            return np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
        x, y, roll = (np.sin(self._rates * time_s + self._phases) @ self._weights) * self._reach
        angle = roll / self._centre[0] * 0.25
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s], [s, c]])
        move = self._centre - turn @ self._centre + (x, y)
        return np.concatenate([turn, move[:, None]], 1)


class Sensor:
    """Turns light into a picture."""

    def __init__(
        self, rng: np.random.Generator, width: int, height: int, noise: float, softness: float, quality: int | None
    ) -> None:
        """Draw the camera's tone curve and its noise.

        Args:
            rng: draws both, and a place in the noise for every frame.
            width, height: of the picture.
            noise: strength; 1 is about 1 % by day and more in the dark.
            softness: strength of lens blur.
            quality: of JPEG compression, 1 to 100; None leaves it out.
        """
        self._rng, self._size, self._quality = rng, (width, height), quality
        self._softness = softness * float(rng.uniform(0.45, 0.8)) * (0.7 + 0.3 * min(1.0, width / 1280))
        self._noise = noise
        self._contrast = float(rng.uniform(0.9, 1.1))
        self._tint = rng.uniform(0.965, 1.035, 3)
        self._field: NDArray[np.int16] = self._make_field(rng) if noise > 0 else np.zeros((0, 0, 3), np.int16)

    def _make_field(self, rng: np.random.Generator) -> NDArray[np.int16]:
        width, height = self._size
        luma = rng.normal(0, 1, (height + 61, width + 67, 1)).astype(np.float32)
        chroma = rng.normal(0, 1, ((height + 63) // 2, (width + 69) // 2, 3)).astype(np.float32)
        chroma = cv2.resize(chroma, (width + 67, height + 61), interpolation=cv2.INTER_LINEAR)
        return np.rint((luma * 1.0 + chroma * 0.5) * 64).astype(np.int16)

    def expose(self, picture: Image, exposure: float, dark: float) -> Image:
        """The picture as the camera gives it, (H, W, 3) uint8."""
        if self._softness > 0:
            picture = cv2.GaussianBlur(picture, (0, 0), self._softness)
        picture = cv2.LUT(picture, self._curve(exposure))
        if self._noise > 0:
            picture = self._grain(picture, self._noise * (2.3 + 5.0 * dark))
        if self._quality is not None:
            _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
            picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return picture

    def _curve(self, exposure: float) -> Image:
        light = np.arange(256)[:, None] / 255 * exposure * self._tint * 1.45
        tone = 1 - np.exp(-light * 1.5)  # highlights roll off
        tone = tone / (1 - np.exp(-1.5 * 1.45)) * 1.02
        tone = np.clip(tone, 0, 1) ** 0.80
        tone = tone + (self._contrast - 0.92) * 0.5 * tone * (1 - tone) * (2 * tone - 1) * 2
        return np.asarray(np.clip(tone * 255, 0, 255).round().astype(np.uint8)[None])

    def _grain(self, picture: Image, sigma: float) -> Image:
        width, height = self._size
        x, y = int(self._rng.integers(67)), int(self._rng.integers(61))
        field = self._field[y : y + height, x : x + width]
        return cv2.add(picture, cv2.multiply(field, 1.0, scale=sigma / 64, dtype=cv2.CV_16S), dtype=cv2.CV_8U)
