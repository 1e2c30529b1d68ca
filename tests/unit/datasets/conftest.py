"""Writes tiny sets in the layout of the real ones."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

WIDTH, HEIGHT = 64, 48


@pytest.fixture
def draw() -> Callable[..., Path]:
    """Write a picture of one colour (RGB)."""

    def write(path: Path, size: tuple[int, int] = (WIDTH, HEIGHT), colour: tuple[int, int, int] = (0, 0, 0)) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.full((size[1], size[0], 3), colour[::-1], np.uint8)
        assert cv2.imwrite(str(path), image)
        return path

    return write


@pytest.fixture
def film() -> Callable[..., Path]:
    """Write a video whose frames tell their number, at given times in ms or steadily at 25 frames a second."""

    def write(
        path: Path,
        frames: int = 12,
        times_ms: Sequence[int] | None = None,
        keyframe_every: int = 5,
        b_frames: int = 2,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with av.open(str(path), "w") as container:
            stream = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
            stream.codec_context.time_base = Fraction(1, 1000)
            stream.options = {"g": str(keyframe_every), "bf": str(b_frames), "crf": "10", "sc_threshold": "0"}
            for number in range(frames):
                image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
                image[:, : WIDTH // 2] = 16 + number % 8 * 28
                image[:, WIDTH // 2 :] = 16 + number // 8 * 28
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame.pts, frame.time_base = (times_ms[number] if times_ms else 40 * number), Fraction(1, 1000)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def number_in() -> Callable[[NDArray[np.uint8]], int]:
    """The number that a frame of `film` tells."""

    def read(image: NDArray[np.uint8]) -> int:
        low, high = (round((half.mean() - 16) / 28) for half in (image[:, :28], image[:, 36:]))
        return int(high * 8 + low)

    return read
