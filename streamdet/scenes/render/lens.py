"""What the camera adds: shake, softness, tone, noise, compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.frames import Image
from streamdet.scenes.world.camera import Floats


class Shake:
    """Small movements of the camera as a (2, 3) matrix that takes still pixels to shaken ones.

    Attributes:
        margin: pixels around the still picture that may come into view.
    """

    def __init__(self, rng: np.random.Generator, width: int, height: int, strength: float) -> None:
        """Strength 1 sways by about 0.6 % of the width and trembles by a fifth of that."""
        self._centre = np.array([width / 2, height / 2])
        self._reach = 0.006 * width * strength * float(rng.uniform(0.4, 1.2))
        self._rates = rng.uniform([0.15, 0.3, 1.1, 2.5], [0.3, 0.7, 2.2, 5.0], (3, 4)) * 2 * np.pi
        self._phases = rng.uniform(0, 2 * np.pi, (3, 4))
        self._weights = np.array([0.75, 0.45, 0.16, 0.10])
        self._roll = 0.25
        corner = float(np.hypot(width, height)) / width
        furthest = self._reach * float(self._weights.sum()) * (1 + self._roll * corner)
        self.margin = int(np.ceil(furthest)) + 1 if strength > 0 else 0

    def matrix(self, time_s: float) -> Floats:
        """At a time."""
        x, y, roll = (np.sin(self._rates * time_s + self._phases) @ self._weights) * self._reach
        angle = self._roll * roll / self._centre[0]
        c, s = np.cos(angle), np.sin(angle)
        turn = np.array([[c, -s], [s, c]])
        move = self._centre - turn @ self._centre + (x, y)
        return np.concatenate([turn, move[:, None]], 1)


class Sensor:
    """Turns light into a picture."""

    def __init__(
        self,
        rng: np.random.Generator,
        width: int,
        height: int,
        noise: float,
        softness: float,
        jpeg_quality: int | None,
    ) -> None:
        """Draw the camera's tone curve and its noise.

        Args:
            rng: draws both, and a place in the noise for every frame.
            width, height: of the picture.
            noise: strength; 1 is about 1 % by day and 2 % in the dark.
            softness: strength of the lens's blur.
            jpeg_quality: of compression, 1 to 100; None leaves it out.
        """
        self._rng, self._size, self._quality, self._noise = rng, (width, height), jpeg_quality, noise
        self._softness = softness * float(rng.uniform(0.45, 0.8)) * (0.7 + 0.3 * min(1.0, width / 1280))
        self._contrast = float(rng.uniform(0.1, 0.55))
        self._tint = rng.uniform(0.965, 1.035, 3)
        self._grain = self._make_grain() if noise > 0 else None

    def _make_grain(self) -> NDArray[np.float32]:
        """Noise of a larger picture, standard deviation about 1; colour noise is coarser than brightness noise."""
        width, height = self._size[0] + 67, self._size[1] + 61
        colour = self._rng.normal(0, 0.5, (height // 2 + 1, width // 2 + 1, 3)).astype(np.float32)
        brightness = self._rng.normal(0, 1, (height, width, 1)).astype(np.float32)
        return np.asarray(cv2.resize(colour, (width, height), interpolation=cv2.INTER_LINEAR) + brightness, np.float32)

    def expose(self, light: Image, exposure: float, dark: float) -> Image:
        """The picture, (H, W, 3) uint8, of light as composed; exposure is the gain, dark 0 by day to 1 at night."""
        picture = light
        if self._softness > 0:
            picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), self._softness), np.uint8)
        picture = np.asarray(cv2.LUT(picture, self._curve(exposure)), np.uint8)
        if self._grain is not None:
            picture = self._add_grain(picture, self._grain, self._noise * (2.0 + 3.2 * dark))
        if self._quality is not None:
            _, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, self._quality])
            picture = np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)
        return picture

    def _curve(self, exposure: float) -> Image:
        """Output levels (1, 256, 3) of composed levels: highlights roll off, shadows are lifted."""
        gain = 1.45
        light = np.arange(256)[:, None] / 255 * exposure * self._tint * gain
        tone = (1 - np.exp(-1.5 * light)) / (1 - np.exp(-1.5 * gain)) * 1.02
        tone = np.clip(tone, 0, 1) ** 0.8
        tone = tone + self._contrast * tone * (1 - tone) * (2 * tone - 1)
        return np.asarray(np.rint(np.clip(tone * 255, 0, 255)), np.uint8)[None]

    def _add_grain(self, picture: Image, grain: NDArray[np.float32], sigma: float) -> Image:
        width, height = self._size
        x, y = int(self._rng.integers(67)), int(self._rng.integers(61))
        here = grain[y : y + height, x : x + width]
        return np.asarray(cv2.addWeighted(here, sigma, picture, 1, 0, dtype=cv2.CV_8U), np.uint8)
