"""Frames decoded once, kept in one flat file a set that the operating system pages in and out."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.labels import LabelledVideo
from streamdet.frames import Image


class FrameCache:
    """Random access to the frames of some videos.

    Attributes:
        scales: pixels of a cached frame a pixel of the original, a video each.
    """

    def __init__(self, folder: Path, videos: Sequence[LabelledVideo], longest_side: int) -> None:
        self.scales = [min(1.0, longest_side / max(v.width, v.height)) for v in videos]
        sizes = [(round(v.height * s), round(v.width * s), len(v)) for v, s in zip(videos, self.scales, strict=True)]
        self._sizes = sizes
        self._starts = np.cumsum([0, *(h * w * 3 * frames for h, w, frames in sizes)])
        names = json.dumps([[v.name, v.width, v.height, *size] for v, size in zip(videos, sizes, strict=True)])
        path = folder / f"{hashlib.sha256(names.encode()).hexdigest()[:16]}.frames"
        if not path.is_file():
            self._write(path, videos)
        self._data: NDArray[np.uint8] = np.memmap(path, np.uint8, "r")

    def frame(self, video: int, index: int) -> Image:
        """(H, W, 3) uint8 RGB of one frame."""
        height, width, _ = self._sizes[video]
        size = height * width * 3
        start = int(self._starts[video]) + index * size
        return self._data[start : start + size].reshape(height, width, 3)

    def _write(self, path: Path, videos: Sequence[LabelledVideo]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        with part.open("wb") as file:
            for video, (height, width, frames) in zip(videos, self._sizes, strict=True):
                written = 0
                for image in video.frames.read(0, frames):
                    fits = image.shape[:2] == (height, width)
                    small = image if fits else cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
                    file.write(np.ascontiguousarray(small).tobytes())
                    written += 1
                # A video that ends early must not shift the frames of the others.
                file.write(bytes((frames - written) * height * width * 3))
        part.replace(path)
