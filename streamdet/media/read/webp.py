"""Animated WebP, of which FFmpeg reads nothing: its pictures at their times, one in memory at a time."""

import struct
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from streamdet.errors import SourceOpenError
from streamdet.frames import Frame, Image, RgbPicture, StreamInfo
from streamdet.media.border import errors_of
from streamdet.media.container import MAX_PIXELS
from streamdet.media.locations import SourceSpec
from streamdet.media.read.frame_reader import FrameReader
from streamdet.media.timeline import Part

_MS = Fraction(1, 1000)

# Browsers show a picture that is said to last 10 ms or less for 100 ms.
_SHORTEST_MS, _USUAL_MS = 10, 100

_DISPOSE, _OVERWRITE = 0x01, 0x02


@dataclass(frozen=True, slots=True)
class _Piece:
    """A picture's part of the canvas, as the file holds it.

    Attributes:
        offset, size: of its chunks in the file, bytes.
        x, y, width, height: where it lies, pixels.
        pts, duration: ms.
        overwrites: it replaces what is there, where it is transparent too.
        disposes: its place is empty again after it.
    """

    offset: int
    size: int
    x: int
    y: int
    width: int
    height: int
    pts: int
    duration: int
    overwrites: bool
    disposes: bool

    @property
    def place(self) -> tuple[slice, slice]:
        """Rows and columns of the canvas."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)


class WebpSource(FrameReader):
    """The pictures of an animated WebP, laid over each other on black as the file says.

    A picture that cannot be read is counted as undecodable and leaves a hole in numbers and times.

    Attributes:
        name: the stream's name.
        info: its `frames` and `duration_s` are those of the part that is read.
        undecodable: pictures so far that could not be read.
        times: when each picture of the file is shown, ms.

    Source: RFC 9649, 2.7.1.

    Raises:
        SourceOpenError: it holds no picture that can be read, or too large ones.
    """

    def __init__(self, spec: SourceSpec, part: Part) -> None:
        self.name = spec.name
        self.undecodable = 0
        with errors_of(spec.shown):
            self._file = Path(spec.location).open("rb")  # noqa: SIM115 (open until close)
            try:
                self._open(spec, part)
            except BaseException:
                self._file.close()
                raise

    def _open(self, spec: SourceSpec, part: Part) -> None:
        width, height = _canvas(self._file)
        if width * height > MAX_PIXELS:
            most = f"{MAX_PIXELS / 1e6:.1f} million (8K)"
            raise SourceOpenError(f"{spec.shown}: its pictures have {width}x{height} pixels; expected at most {most}")
        pieces = list(_pieces(self._file, width, height))
        self.times = [piece.pts for piece in pieces]
        ends_s = sum(piece.duration for piece in pieces) * _MS
        rate = len(pieces) / ends_s if ends_s else None
        start, end = part.pts_range(Fraction(0), _MS)
        numbers = [n for n, pts in enumerate(self.times) if (start or 0) <= pts and (end is None or pts < end)]
        pictures = self._pictures(pieces, numbers[:: part.stride], (height, width))
        first = next(pictures, None)
        if first is None:
            what = "can be read" if numbers else "lies between start and end"
            raise SourceOpenError(f"{spec.shown}: no picture in it {what} (it holds {len(pieces)})")
        self._frames = self._deliver(islice(chain([first], pictures), part.skip, part.max_frames))
        first_s = first[1].pts * _MS
        self.info = StreamInfo(
            location=spec.shown,
            width=width,
            height=height,
            time_base=_MS,
            average_rate=rate,
            duration_s=part.duration_s(first_s, ends_s),
            frames=part.count(len(pieces) - first[0], first_s, rate),
        )

    def close(self) -> None:
        """Close the file; iteration ends."""
        self._frames.close()
        self._file.close()

    def _pictures(
        self, pieces: list[_Piece], wanted: list[int], size: tuple[int, int]
    ) -> Iterator[tuple[int, _Piece, Image]]:
        """Those that are wanted, each with its number; the ones before are decoded for what they leave behind."""
        canvas = np.zeros((*size, 3), np.uint8)
        left = set(wanted)
        for number, piece in enumerate(pieces[: max(wanted, default=-1) + 1]):
            drawn = self._draw(canvas, piece)
            if number in left and drawn:
                yield number, piece, canvas.copy()
            self.undecodable += number in left and not drawn
            if piece.disposes:
                canvas[piece.place] = 0

    def _draw(self, canvas: Image, piece: _Piece) -> bool:
        """Lay a picture on the canvas; False where it cannot be read."""
        self._file.seek(piece.offset)
        pixels = _decode(self._file.read(piece.size), piece.width, piece.height)
        if pixels is None:
            return False
        under = canvas[piece.place]
        if piece.overwrites:
            under[:] = 0
        rgb = pixels[..., 2::-1]
        if pixels.shape[2] == 4:
            alpha = pixels[..., 3:].astype(np.uint16)
            rgb = ((rgb * alpha + under * (255 - alpha) + 127) // 255).astype(np.uint8)
        under[:] = rgb
        return True

    def _deliver(self, pictures: Iterator[tuple[int, _Piece, Image]]) -> Generator[Frame]:
        for number, piece, image in pictures:
            yield Frame(
                source=self.name,
                session=0,
                index=number,
                pts=piece.pts,
                time_base=_MS,
                picture=RgbPicture(image),
                duration=piece.duration,
            )


def _canvas(file: BinaryIO) -> tuple[int, int]:
    """Width and height, pixels."""
    file.seek(24)
    sides = file.read(6)
    return _uint24(sides) + 1, _uint24(sides[3:]) + 1


def _pieces(file: BinaryIO, width: int, height: int) -> Iterator[_Piece]:
    """All up to one that lies off the canvas; the last one may be cut off."""
    length, place, pts = file.seek(0, 2), 12, 0
    while place + 8 <= length:
        file.seek(place)
        header = file.read(24)
        size = int.from_bytes(header[4:8], "little")
        if header[:4] == b"ANMF" and len(header) == 24:
            x, y, last_x, last_y, duration = (_uint24(header[8 + 3 * n :]) for n in range(5))
            duration = duration if duration > _SHORTEST_MS else _USUAL_MS
            flags = header[23]
            piece = _Piece(
                *(place + 24, size - 16, 2 * x, 2 * y, last_x + 1, last_y + 1, pts, duration),
                overwrites=bool(flags & _OVERWRITE),
                disposes=bool(flags & _DISPOSE),
            )
            if size < 16 or piece.x + piece.width > width or piece.y + piece.height > height:
                return
            yield piece
            pts += duration
        place += 8 + size + size % 2


def _uint24(data: bytes) -> int:
    return int.from_bytes(data[:3], "little")


def _decode(chunks: bytes, width: int, height: int) -> NDArray[np.uint8] | None:
    """Decode the chunks of a picture as the still picture that they make.

    Returns:
        (H, W, 3) BGR or (H, W, 4) BGRA; None where they cannot be decoded, or to another size.
    """
    if _size_of(chunks) != (width, height):  # before memory is taken for what they say
        return None
    has_alpha = 0x10 * (chunks[:4] == b"ALPH")
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    extended = struct.pack("<4sII", b"VP8X", 10, has_alpha) + sides if has_alpha else b""
    file = struct.pack("<4sI4s", b"RIFF", 4 + len(extended) + len(chunks), b"WEBP") + extended + chunks
    try:
        pixels = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return None if pixels is None else np.asarray(pixels, np.uint8)


def _size_of(chunks: bytes) -> tuple[int, int] | None:
    """The width and height that the coded picture says it has. Source: RFC 6386, 9.1; RFC 9649, 3.4."""
    place = 0
    while place + 18 <= len(chunks):
        name, size = struct.unpack_from("<4sI", chunks, place)
        data = chunks[place + 8 : place + 18]
        if name == b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 6)
            return width & 0x3FFF, height & 0x3FFF
        if name == b"VP8L":
            bits = int.from_bytes(data[1:5], "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        place += 8 + size + size % 2
    return None
