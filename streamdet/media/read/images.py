"""A folder, a glob or a single file of images as one source."""

from collections.abc import Generator, Iterator
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.errors import SourceOpenError
from streamdet.frames import Frame, Image, RgbPicture, StreamInfo
from streamdet.media.border import errors_of
from streamdet.media.locations import SourceSpec, list_images
from streamdet.media.read.frame_reader import FrameReader
from streamdet.media.timeline import DEFAULT_RATE, Part


class ImageSource(FrameReader):
    """Images in natural order (2 before 10), one frame each, at 25 frames per second.

    An image that cannot be read is counted as undecodable and leaves a hole in numbers and times. Images are laid down
    as their EXIF orientation says; alpha is dropped, 16 bit become 8. Sizes may differ.

    Attributes:
        name: the stream's name.
        info: its `frames` and `duration_s` are those of the part that is read; its size is the first image's.
        undecodable: images so far that could not be read.

    Raises:
        SourceOpenError: there is no image, or none that can be read.
    """

    def __init__(self, spec: SourceSpec, part: Part) -> None:
        self.name = spec.name
        self.undecodable = 0
        with errors_of(spec.shown):
            self._open(spec, part)

    def _open(self, spec: SourceSpec, part: Part) -> None:
        paths = list_images(spec.location)
        start, end = part.pts_range(Fraction(0), 1 / DEFAULT_RATE)
        numbers = range(len(paths))[start : end : part.stride]
        images = self._read(paths, numbers)
        first = next(images, None)
        if first is None:
            what = (
                "image in it can be read" if numbers else "image lies between start and end" if paths else "image in it"
            )
            raise SourceOpenError(f"{spec.shown}: no {what} (it holds {len(paths)})")
        self._frames = self._deliver(islice(chain([first], images), part.skip, part.max_frames))
        height, width = first[1].shape[:2]
        first_s = first[0] / DEFAULT_RATE
        self.info = StreamInfo(
            location=spec.shown,
            width=width,
            height=height,
            time_base=1 / DEFAULT_RATE,
            average_rate=DEFAULT_RATE,
            duration_s=part.duration_s(first_s, len(paths) / DEFAULT_RATE),
            frames=part.count(len(paths) - first[0], first_s, DEFAULT_RATE),
            pictures=tuple(path.name for path in paths),
        )

    def _read(self, paths: list[Path], numbers: range) -> Iterator[tuple[int, Image]]:
        for number in numbers:
            with errors_of(str(paths[number])):
                image = read_image(paths[number])
            if image is None:
                self.undecodable += 1
            else:
                yield number, image

    def _deliver(self, images: Iterator[tuple[int, Image]]) -> Generator[Frame]:
        for number, image in images:
            yield Frame(
                source=self.name,
                session=0,
                index=number,
                pts=number,
                time_base=1 / DEFAULT_RATE,
                picture=RgbPicture(image),
                duration=1,
            )


def read_image(path: Path) -> Image | None:
    """Decode an image file to (H, W, 3) uint8 RGB, turned as its EXIF data says; None if that is not possible."""
    try:
        encoded = np.fromfile(path, np.uint8)  # cv2.imread knows no Unicode paths on Windows
        bgr = cv2.imdecode(encoded, cv2.IMREAD_COLOR) if _is_plausible(encoded) else None
    except (OSError, ValueError, cv2.error):  # ValueError: a name with a zero byte
        return None
    return None if bgr is None else np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def _is_plausible(encoded: NDArray[np.uint8]) -> bool:
    """Whether a file can hold what it says it does, as far as OpenCV does not look before it takes memory for it.

    OpenCV 5 takes the length of a PNG chunk on trust: 4 GB for a file of 3 kB. Source: PNG specification, 5.3.
    """
    if encoded[:8].tobytes() != b"\x89PNG\r\n\x1a\n":
        return encoded.size > 0
    place, chunk = 8, b""
    while place + 12 <= encoded.size and chunk != b"IEND":
        header = encoded[place : place + 8].tobytes()
        chunk = header[4:]
        place += 12 + int.from_bytes(header[:4], "big")
    return place <= encoded.size
