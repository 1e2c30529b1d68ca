"""The boxes that mp4, mov, HEIF and AVIF files are made of: what FFmpeg does not hand on is read from them.

Source: ISO/IEC 14496-12, 4.2: a box starts with its size in 32 bits and its kind; size 1 puts 64 bits after them, and
size 0 lets it reach to the end of the file.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

LARGEST_HEADER = 2**26


def file_boxes(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Kind and length of the contents of each box; the file stands at those, and is moved behind them afterwards."""
    while len(head := file.read(8)) == 8:
        size, kind = struct.unpack(">I4s", head)
        header = 8
        if size == 1:
            size, header = struct.unpack(">Q", file.read(8))[0], 16
        if size == 0:
            place = file.tell()
            size = header + file.seek(0, 2) - place
            file.seek(place)
        if size < header:
            return
        behind = file.tell() + size - header
        yield kind, size - header
        file.seek(behind)


def boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and contents of each box in the contents of another one."""
    place = 0
    while place + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if size < 8:
            return
        yield kind, data[place + 8 : place + size]
        place += size
