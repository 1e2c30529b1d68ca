"""The pictures of labelled footage: from a video file, or from one image file a frame."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.errors import ConfigError
from streamdet.frames import Image


class VideoFile:
    """Frames of a video file by number.

    A read decodes from the keyframe before its start: to go through a long part, keep one iterator rather than
    asking for piece after piece.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def times_s(self) -> NDArray[np.float64]:
        """(F,) float64, seconds of every frame in order of display, as stored."""
        return np.array([float(pts * self._time_base) for pts in self._pts], np.float64)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        """Frames start to stop (exclusive), (H, W, 3) uint8 RGB, in order."""
        pts = self._pts[start:stop]
        if not pts:
            return
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            if start:
                container.seek(pts[0], stream=stream)
            left = len(pts)
            for frame in container.decode(stream):
                if frame.pts is None or frame.pts < pts[0]:
                    continue
                yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                left -= 1
                if not left:
                    return

    @cached_property
    def _pts(self) -> list[int]:
        with av.open(str(self.path)) as container:
            packets = container.demux(container.streams.video[0])
            return sorted(packet.pts for packet in packets if packet.pts is not None)

    @cached_property
    def _time_base(self) -> float:
        with av.open(str(self.path)) as container:
            return float(container.streams.video[0].time_base or 0)


class ImageFiles:
    """Frames that lie in one image file each."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self.paths = paths

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        """Frames start to stop (exclusive), (H, W, 3) uint8 RGB, in order."""
        for path in self.paths[start:stop]:
            yield read_image(path)


def read_image(path: Path) -> Image:
    """(H, W, 3) uint8 RGB, turned as the file's orientation tag says."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if image is None:
        raise ConfigError(f"{path}: expected a picture, but it is missing or cannot be decoded")
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
