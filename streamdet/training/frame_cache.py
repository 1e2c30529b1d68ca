"""Frames decoded once, kept in one flat file a set that the operating system pages in and out."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.datasets.labels import LabelledVideo
from streamdet.errors import SinkError
from streamdet.frames import Image


class FrameCache:
    """Random access to the frames of some videos.

    Attributes:
        path: the file.
        scales: pixels of a cached frame a pixel of the original, a video each.
    """

    def __init__(self, folder: Path, set_name: str, videos: Sequence[LabelledVideo], longest_side: int) -> None:
        self.scales = [min(1.0, longest_side / max(v.width, v.height)) for v in videos]
        sizes = [(round(v.height * s), round(v.width * s), len(v)) for v, s in zip(videos, self.scales, strict=True)]
        self._sizes = sizes
        self._starts = np.cumsum([0, *(h * w * 3 * frames for h, w, frames in sizes)])
        names = json.dumps([set_name, [[v.name, *size] for v, size in zip(videos, sizes, strict=True)]])
        self.path = folder / f"{hashlib.sha256(names.encode()).hexdigest()[:16]}.frames"
        # A file of another length is what a lost power supply or a full disk left.
        if not self.path.is_file() or self.path.stat().st_size != self.size_bytes:
            self._write(videos)
        self._data: NDArray[np.uint8] = np.memmap(self.path, np.uint8, "r")

    @property
    def size_bytes(self) -> int:
        """Of all frames together."""
        return int(self._starts[-1])

    def frame(self, video: int, index: int) -> Image:
        """(H, W, 3) uint8 RGB of one frame."""
        start, height, width = self.place(video, index)
        return self._data[start : start + height * width * 3].reshape(height, width, 3)

    def place(self, video: int, index: int) -> tuple[int, int, int]:
        """Where a frame starts in the file, its height and its width."""
        height, width, _ = self._sizes[video]
        return int(self._starts[video]) + index * height * width * 3, height, width

    def _write(self, videos: Sequence[LabelledVideo]) -> None:
        """All or nothing: the file gets its name only when it is complete."""
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
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
                file.flush()
                os.fsync(file.fileno())
            part.replace(self.path)
        except OSError as error:
            size = f"{self.size_bytes / 1e9:.1f} GB"
            raise SinkError(f"{self.path}: {size} of frames cannot be saved there: {error.strerror}") from None
        finally:
            part.unlink(missing_ok=True)
