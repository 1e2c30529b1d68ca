"""The pictures of labelled footage: from a video file, or from one image file a frame."""

import struct
from collections.abc import Iterator, Sequence
from fractions import Fraction
from functools import cached_property
from os.path import isfile  # False, where Path's raises an error: a name of 5000 letters is no file
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from streamdet.errors import ConfigError
from streamdet.frames import Image, StreamGap
from streamdet.media.locations import VIDEO_SUFFIXES, SourceSpec
from streamdet.media.read.frame_times import frame_times
from streamdet.media.read.images import read_image
from streamdet.media.read.source import open_source

# Where neither labels nor pictures tell the time.
DEFAULT_RATE = 25.0
PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".webp"})


class VideoFile:
    """Frames of a video file by number.

    A read decodes from the keyframe before its start: to go through a long part, keep one iterator rather than
    asking for piece after piece.
    """

    def __init__(self, path: Path) -> None:
        if not isfile(path):
            raise ConfigError(f"{path}: the video that the labels are for does not exist")
        self.path = path
        self._spec = SourceSpec(location=str(path), name=path.stem, kind="file")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels, as displayed."""
        return self._shape[0]

    @property
    def pixel_aspect(self) -> Fraction:
        """Width of a pixel over its height, as displayed."""
        return self._shape[1]

    @cached_property
    def _shape(self) -> tuple[tuple[int, int], Fraction]:
        with open_source(self._spec) as source:
            return (source.info.width, source.info.height), source.info.pixel_aspect

    @cached_property
    def times_s(self) -> NDArray[np.float64]:
        """(F,) float64, seconds of every frame in order of display."""
        pts, time_base = self._times
        return np.array(pts, np.float64) * float(time_base)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        """Frames start to stop (exclusive), (H, W, 3) uint8 RGB, in order.

        Raises:
            ConfigError: if one of them cannot be decoded, or the video ends before.
        """
        pts, time_base = self._times
        stop = len(pts) if stop is None else stop
        if stop > len(pts):
            raise ConfigError(f"{self.path}: has {len(pts)} frames, expected at least {stop}")
        if start >= stop:
            return
        # The file may start before its first frame, never after it; and a unit earlier, for the float's rounding.
        start_s = float((pts[start] - pts[0] - 1) * time_base)
        expected = start
        with open_source(self._spec, start_s=start_s if start_s > 0 else None) as source:
            for frame in source:
                if isinstance(frame, StreamGap) or frame.pts < pts[start]:
                    continue
                if frame.pts != pts[expected]:
                    break
                yield frame.image
                expected += 1
                if expected == stop:
                    return
        raise ConfigError(f"{self.path}: frame {expected} of {len(pts)} cannot be decoded")

    @cached_property
    def _times(self) -> tuple[list[int], Fraction]:
        return frame_times(self.path)


class ImageFiles:
    """Frames that lie in one image file each, all of one size (width, height)."""

    def __init__(self, paths: Sequence[Path], size: tuple[int, int]) -> None:
        self.paths = tuple(paths)
        self.size = size

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Image]:
        """Frames start to stop (exclusive), (H, W, 3) uint8 RGB, in order.

        Raises:
            ConfigError: if a picture is missing, damaged or not of the size that the labels are for.
        """
        for path in self.paths[start:stop]:
            image = read_picture(path)
            if image.shape[1::-1] != self.size:
                found, expected = ("{}x{}".format(*size) for size in (image.shape[1::-1], self.size))
                raise ConfigError(f"{path}: is of {found} pixels, its labels are for {expected}")
            yield image


def read_picture(path: Path) -> Image:
    """(H, W, 3) uint8 RGB, turned as the file's orientation tag says."""
    image = read_image(path)
    if image is None:
        raise ConfigError(f"{path}: expected a picture, but it is missing or cannot be decoded")
    return image


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) as displayed; from the header, except where only decoding tells.

    Raises:
        ConfigError: if it is not a picture.
    """
    try:
        with path.open("rb") as file:
            head = file.read(1 << 16)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    size = _png_size(head) or _jpeg_size(head)
    if size is None:
        height, width = read_picture(path).shape[:2]
        size = (width, height)
    return size


def list_pictures(folder: Path) -> list[Path]:
    """Pictures of a folder by name."""
    return _list(folder, PICTURE_SUFFIXES)


def list_videos(folder: Path) -> list[Path]:
    """Video files of a folder by name."""
    return _list(folder, VIDEO_SUFFIXES)


def find_pictures(annotations: Path, file_names: Sequence[str], *, more: Sequence[str] = ()) -> Path:
    """The folder that the file names in an annotation file are relative to.

    Args:
        annotations: the annotation file, whose folder and its parent are searched.
        file_names: the names; one of the first hundred must be there, since sets are often incomplete.
        more: further folders to try below these two.

    Raises:
        ConfigError: if no folder has any of them.
    """
    # COCO keeps annotations/instances_val2017.json beside val2017/ or images/val2017/.
    split = annotations.stem.rpartition("_")[2]
    below = (".", "images", split, f"images/{split}", *more)
    for folder in (annotations.parent, annotations.parent.parent):
        for name in below:
            if any(isfile(folder / name / file_name) for file_name in file_names[:100]):
                return folder / name
    raise ConfigError(f"{annotations}: its picture {file_names[0]} is neither beside it nor in {', '.join(below[1:])}")


def _list(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)


def _png_size(head: bytes) -> tuple[int, int] | None:
    if not head.startswith(b"\x89PNG\r\n\x1a\n") or len(head) < 24:
        return None
    # A PNG may carry an orientation, too.
    return None if b"eXIf" in head else struct.unpack(">II", head[16:24])


def _jpeg_size(head: bytes) -> tuple[int, int] | None:
    """Size from the start-of-frame segment; None where an Exif segment before it may turn the picture."""
    position = 2
    while head.startswith(b"\xff\xd8") and position + 9 <= len(head) and head[position] == 0xFF:
        marker, length = head[position + 1], int.from_bytes(head[position + 2 : position + 4])
        if marker == 0xE1 and head[position + 4 : position + 8] == b"Exif":
            return None
        # ITU T.81, table B.1: C0 to CF are frame headers, except DHT, JPG and DAC.
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack(">HH", head[position + 5 : position + 9])
            return (width, height) if height else None
        position += 2 + length
    return None
