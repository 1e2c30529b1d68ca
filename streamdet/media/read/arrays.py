"""Frames that a program has in memory as one source: a list of arrays, one array of all, or a generator."""

from collections.abc import Generator, Iterable, Iterator
from fractions import Fraction
from itertools import chain, islice
from typing import Any

import numpy as np

from streamdet.errors import DecodeError, SourceOpenError
from streamdet.frames import Frame, Image, RgbPicture, StreamInfo
from streamdet.media.read.frame_reader import FrameReader
from streamdet.media.timeline import DEFAULT_RATE, Part


class ArraySource(FrameReader):
    """Arrays in their order, one frame each, at 25 frames per second. Their sizes may differ.

    Args:
        name: the stream's name.
        arrays: (H, W, 3) uint8 RGB each; taken one by one, so that they need not be in memory together.
        part: which of them are delivered.

    Attributes:
        name: the stream's name.
        info: its size is the first array's.
        undecodable: 0.

    Raises:
        SourceOpenError: there is none.
        DecodeError: one has another shape or type.
    """

    def __init__(self, name: str, arrays: Iterable[Any], part: Part) -> None:
        self.name = name
        self.undecodable = 0
        start, end = part.pts_range(Fraction(0), 1 / DEFAULT_RATE)
        images = islice(self._checked(arrays), start, end, part.stride)
        first = next(images, None)
        if first is None:
            raise SourceOpenError(f"{name}: holds no array between start and end")
        self._frames = self._deliver(islice(chain([first], images), part.skip, part.max_frames))
        height, width = first[1].shape[:2]
        self.info = StreamInfo(name, width, height, 1 / DEFAULT_RATE, average_rate=DEFAULT_RATE)

    def _checked(self, arrays: Iterable[Any]) -> Iterator[tuple[int, Image]]:
        for number, array in enumerate(arrays):
            shape, kind = getattr(array, "shape", None), getattr(array, "dtype", type(array).__name__)
            if shape is None or len(shape) != 3 or shape[2] != 3 or 0 in shape or kind != np.uint8:
                raise DecodeError(f"{self.name}: array {number}: expected (H, W, 3) uint8 RGB, got {shape} {kind}")
            yield number, np.asarray(array)

    def _deliver(self, images: Iterator[tuple[int, Image]]) -> Generator[Frame]:
        for number, image in images:
            yield Frame(self.name, 0, number, number, 1 / DEFAULT_RATE, RgbPicture(image), duration=1)
