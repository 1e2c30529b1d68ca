"""How a photo of tiles is put together: the grid of a HEIC or AVIF file, of which FFmpeg gives only the tiles.

Source: ISO/IEC 14496-12, 8.11 (items), and ISO/IEC 23008-12, 6.5 (properties) and 6.6.2.3 (grid).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from streamdet.errors import SourceOpenError
from streamdet.frames import Image
from streamdet.media.read.mp4_boxes import LARGEST_HEADER, boxes, file_boxes

_DERIVED = frozenset({b"iden", b"iovl", b"tmap"})
_BRANDS = frozenset({b"avif", b"heic", b"heix", b"heim", b"heis", b"mif1", b"mif2", b"miaf"})


@dataclass(frozen=True, slots=True)
class Grid:
    """A picture that is made of tiles of one size.

    Attributes:
        rows, columns: of tiles.
        width, height: of the picture, pixels; the tiles may reach beyond its right and lower edge.
        tiles: numbers of their items, row by row; FFmpeg gives a stream the number of its item.
        turns: what is done with the whole, in this order: "irot" with quarters of a turn counterclockwise, "imir" with
            0 for top and bottom exchanged, 1 for left and right.
    """

    rows: int
    columns: int
    width: int
    height: int
    tiles: tuple[int, ...]
    turns: tuple[tuple[bytes, int], ...] = ()

    def turned(self, image: Image) -> Image:
        """The whole, (H, W, 3) uint8, as it is shown."""
        for kind, how in self.turns:
            image = np.rot90(image, how) if kind == b"irot" else image[:, ::-1] if how else image[::-1]
        return np.ascontiguousarray(image)


def is_photo(path: Path) -> bool:
    """Whether a file is a single picture in HEIF or AVIF."""
    try:
        with path.open("rb") as file:
            return bool(_index(file))
    except (OSError, ValueError, struct.error):
        return False


def grid_of(path: Path) -> Grid | None:
    """The grid of a file whose picture is one; None of all other files.

    Raises:
        SourceOpenError: the picture is put together from others in a way that is not known, or its index is damaged.
    """
    try:
        with path.open("rb") as file:
            meta = _index(file)
            try:
                primary = _number(meta[b"pitm"], 4, 2 if meta[b"pitm"][0] == 0 else 4)
                kind = _kinds(meta[b"iinf"]).get(primary)
            except LookupError:
                return None
            if kind == b"grid":
                return _grid(file, meta, primary)
            if kind not in _DERIVED:
                return None
    except (OSError, ValueError):  # ValueError: a name with a zero byte
        return None
    except (LookupError, struct.error):
        pass
    raise SourceOpenError(f"{path}: is a picture put together from others in a way that is not read; save it as .jpg")


def _index(file: BinaryIO) -> dict[bytes, bytes]:
    """The boxes that describe the items of a file of pictures; empty for other files."""
    meta = b""
    for number, (kind, size) in enumerate(file_boxes(file)):
        if number == 0 and (kind != b"ftyp" or not _brands(file.read(min(size, 1024))) & _BRANDS):
            return {}
        if kind == b"moov":  # a sequence of pictures, of which this is one
            return {}
        if kind == b"meta" and size <= LARGEST_HEADER:
            meta = file.read(size)
    return dict(boxes(meta[4:]))


def _grid(file: BinaryIO, meta: dict[bytes, bytes], item: int) -> Grid:
    descriptor = _data(file, meta, item)
    _, flags, rows, columns = struct.unpack_from(">BBBB", descriptor)
    width, height = struct.unpack_from(">II" if flags & 1 else ">HH", descriptor, 4)
    tiles = _made_of(meta[b"iref"], item)
    if len(tiles) != (rows + 1) * (columns + 1) or not width or not height:
        raise LookupError(item)
    return Grid(rows + 1, columns + 1, width, height, tiles, tuple(_turns(meta[b"iprp"], item)))


def _brands(ftyp: bytes) -> set[bytes]:
    return {ftyp[place : place + 4] for place in (0, *range(8, len(ftyp), 4))}


def _number(data: bytes, place: int, size: int) -> int:
    if place + size > len(data):
        raise IndexError(place)
    return int.from_bytes(data[place : place + size])


def _kinds(iinf: bytes) -> dict[int, bytes]:
    """Kind of each item, by its number."""
    kinds = {}
    for _, info in boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        size = 2 if info[0] == 2 else 4
        kinds[_number(info, 4, size)] = info[6 + size : 10 + size]
    return kinds


def _made_of(iref: bytes, item: int) -> tuple[int, ...]:
    size = 2 if iref[0] == 0 else 4
    for kind, body in boxes(iref[4:]):
        if kind == b"dimg" and _number(body, 0, size) == item:
            count = _number(body, size, 2)
            return tuple(_number(body, size + 2 + size * number, size) for number in range(count))
    return ()


def _data(file: BinaryIO, meta: dict[bytes, bytes], item: int) -> bytes:
    """What an item holds: in the file, or in the index itself."""
    iloc = meta[b"iloc"]
    version = iloc[0]
    offset_size, length_size, base_size, index_size = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4, iloc[5] & 15
    id_size = 2 if version < 2 else 4
    count, place = _number(iloc, 6, id_size), 6 + id_size
    for _ in range(count):
        number, place = _number(iloc, place, id_size), place + id_size
        inside = version > 0 and _number(iloc, place, 2) & 15 == 1
        place += 4 if version > 0 else 2
        base, place = _number(iloc, place, base_size), place + base_size
        extents, place = _number(iloc, place, 2), place + 2
        data = b""
        for _ in range(extents):
            place += index_size if version > 0 else 0
            offset, place = base + _number(iloc, place, offset_size), place + offset_size
            length, place = _number(iloc, place, length_size), place + length_size
            if number == item and inside:
                data += meta[b"idat"][offset : offset + length]
            elif number == item:
                file.seek(offset)
                data += file.read(min(length, LARGEST_HEADER))
        if number == item:
            return data
    raise LookupError(item)


def _turns(iprp: bytes, item: int) -> Iterator[tuple[bytes, int]]:
    """The item's rotations and mirrorings, in their order."""
    parts = dict(boxes(iprp))
    properties = list(boxes(parts[b"ipco"]))
    ipma = parts[b"ipma"]
    id_size, wide = 2 if ipma[0] == 0 else 4, ipma[3] & 1
    place = 8
    for _ in range(_number(ipma, 4, 4)):
        number, place = _number(ipma, place, id_size), place + id_size
        count, place = _number(ipma, place, 1), place + 1
        for _ in range(count):
            index, place = _number(ipma, place, 1 + wide), place + 1 + wide
            index &= 0x7FFF if wide else 0x7F
            if number == item and 0 < index <= len(properties):
                kind, body = properties[index - 1]
                if kind in (b"irot", b"imir"):
                    yield kind, body[0] & (3 if kind == b"irot" else 1)
