"""Mutations of media files: fields of their headers and indexes first, and damage anywhere."""

import random
import re
import struct
import zlib
from collections.abc import Callable, Mapping

Fields = Mapping[
    bytes, tuple[tuple[int, int], ...]
]  # bytes that mark a place: (offset from their end, bytes) of fields

# ISO/IEC 14496-12: times, durations, sizes, counts. Offset -8 is the box's own size.
_MP4: Fields = {
    b"mvhd": ((12, 4), (16, 4), (-8, 4)),
    b"tkhd": ((20, 4), (40, 4), (44, 4), (52, 4), (76, 4), (80, 4)),
    b"mdhd": ((12, 4), (16, 4)),
    b"elst": ((4, 4), (8, 4), (12, 4), (16, 4)),
    b"stts": ((4, 4), (8, 4), (12, 4), (16, 4)),
    b"ctts": ((4, 4), (8, 4), (12, 4), (16, 4)),
    b"stss": ((4, 4), (8, 4)),
    b"stsc": ((4, 4), (8, 4), (12, 4), (16, 4)),
    b"stsz": ((4, 4), (8, 4), (12, 4), (16, 4)),
    b"stco": ((4, 4), (8, 4)),
    b"stsd": ((4, 4), (8, 4), (-8, 4)),
    b"avc1": ((24, 2), (26, 2), (40, 2), (74, 2), (-8, 4)),
    b"hev1": ((24, 2), (26, 2), (-8, 4)),
    b"mp4a": ((16, 2), (18, 2), (24, 4), (-8, 4)),
    b"avcC": ((0, 1), (1, 1), (4, 1), (5, 1), (6, 2), (9, 1), (10, 2), (12, 4), (-8, 4)),
    b"esds": ((4, 1), (5, 1), (9, 4), (17, 1), (18, 4)),
    b"pasp": ((0, 4), (4, 4)),
    b"colr": ((4, 2), (6, 2), (8, 2)),
    b"trex": ((8, 4), (12, 4), (16, 4)),
    b"tfhd": ((0, 4), (4, 4), (8, 4), (12, 4)),
    b"tfdt": ((0, 4), (4, 4), (8, 4)),
    b"trun": ((0, 4), (4, 4), (8, 4), (12, 4), (16, 4), (20, 4)),
    b"sidx": ((8, 4), (12, 4), (16, 4), (20, 4)),
    b"moof": ((-8, 4),),
    b"moov": ((-8, 4),),
    b"trak": ((-8, 4),),
    b"mdat": ((-8, 4),),
    b"mfro": ((4, 4),),
}
# RFC 9559: TimestampScale, Duration, DefaultDuration, size and kind of the picture, Timestamp, blocks, Cues.
_MKV_IDENTIFIERS = (
    "2ad7b1 4489 23e383 1654ae6b 18538067 1549a966 1c53bb6b 1f43b675 e0 b0 ba 54b0 54ba 55b0 55b1 63a2 e7 a3 a0 a1 9b"
    " fb 53ab 53ac 56aa 56bb e1 b5 9f 6d80 86 83 d7 73c5 ec 4dbb 114d9b74"
)
_MKV: Fields = {
    bytes.fromhex(identifier): ((0, 1), (0, 4), (1, 1), (1, 2), (1, 4), (1, 8), (2, 2), (2, 4))
    for identifier in _MKV_IDENTIFIERS.split()
}
# Microsoft's AVI RIFF reference: avih, strh, strf, the index.
_AVI: Fields = {
    b"avih": ((0, 4), (4, 4), (12, 4), (20, 4), (28, 4), (36, 4), (40, 4)),
    b"strh": ((0, 4), (4, 4), (8, 4), (24, 4), (28, 4), (32, 4), (36, 4), (44, 4), (48, 4)),
    b"strf": ((0, 4), (4, 4), (8, 4), (12, 4), (16, 2), (18, 2), (20, 4), (24, 4), (36, 4)),
    b"idx1": ((0, 4), (8, 4), (12, 4), (16, 4), (28, 4), (32, 4)),
    b"LIST": ((0, 4), (4, 4)),
    b"RIFF": ((0, 4),),
    b"00dc": ((0, 4), (4, 4)),
    b"01wb": ((0, 4),),
}
# ISO/IEC 13818-1: headers of PES packets with their pts and dts, and of TS packets.
_TS: Fields = {
    b"\x00\x00\x01\xe0": ((0, 2), (2, 1), (3, 1), (4, 1), (5, 4), (6, 4), (10, 4), (14, 4)),
    b"\x00\x00\x01\xc0": ((0, 2), (3, 1), (5, 4)),
    b"\x47\x40\x00": ((0, 1), (1, 4), (5, 2), (13, 2), (15, 2)),
    b"\x47\x50\x00": ((0, 1), (1, 4), (5, 2), (15, 2), (17, 1), (18, 2)),
    b"\x47\x41\x00": ((0, 1), (1, 1), (2, 1), (3, 4)),
}
# Parameter sets and slices of H.264, HEVC, MPEG-2 and MPEG-4: their first bytes say sizes, references and tools.
_CODECS: Fields = {
    marker: tuple((offset, size) for offset in range(12) for size in (1, 2, 4))
    for marker in (b"\x67", b"\x68", b"\x42\x01", b"\x44\x01", b"\x00\x00\x01\xb3", b"\x00\x00\x01\x20", b"\x65\x88")
}
_IMAGES: Fields = {
    b"IHDR": ((0, 4), (4, 4), (8, 1), (9, 1), (12, 1)),
    b"IDAT": ((-8, 4), (0, 2), (4, 4)),
    b"\xff\xc0": ((0, 2), (2, 1), (3, 2), (5, 2), (7, 1), (8, 1), (9, 1)),
    b"\xff\xc4": ((0, 2), (3, 4)),
    b"\xff\xda": ((0, 2), (2, 1)),
    b"\xff\xe1": ((0, 2), (8, 2), (10, 4), (16, 2), (20, 4)),
    b"BM": ((0, 4), (8, 4), (12, 4), (16, 4), (20, 4), (26, 2), (28, 4), (44, 4)),
    b"VP8 ": ((0, 4), (10, 2), (12, 2)),
    b"VP8L": ((0, 4), (5, 4)),
    b"II*\x00": ((0, 4), (4, 2)),
    b"\x00\x01\x03\x00": ((0, 4), (4, 4)),
    b"\x01\x01\x03\x00": ((0, 4), (4, 4)),
    b"\x11\x01\x04\x00": ((0, 4), (4, 4)),
    b"\x17\x01\x04\x00": ((0, 4), (4, 4)),
    b"P6": ((0, 1), (1, 4), (3, 4)),
}
_FIELDS: Mapping[str, Fields] = {".mp4": _MP4, ".mkv": _MKV, ".avi": _AVI, ".ts": _TS}

_EXTREMES = (0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
_LONG_EXTREMES = (0, 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)


def mutated(original: bytes, other: bytes, suffix: str, rng: random.Random) -> bytes:
    """Change a file in one to four ways.

    Args:
        original, other: the file, and another one that pieces may come from.
        suffix: of the file: says where its fields are.
        rng: decides everything.
    """
    data = bytearray(original)
    fields = _FIELDS.get(suffix, _IMAGES)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        kind = rng.choices(_KINDS, _WEIGHTS)[0]
        if kind is _set_field:
            _set_field(data, rng, fields if rng.random() < 0.75 or fields is _IMAGES else _CODECS)
        elif kind is _splice:
            _splice(data, rng, other)
        else:
            kind(data, rng)
    if suffix == ".png" and rng.random() < 0.8:
        _right_png_checksums(data)
    return bytes(data)


def _set_field(data: bytearray, rng: random.Random, fields: Fields) -> None:
    """Put a value that no honest file has into a field of a header or an index."""
    present = [marker for marker in fields if marker in data]
    if not present:
        return
    marker = rng.choice(present)
    # Short markers occur in the payload as well: headers come first.
    places = [match.end() for match in re.finditer(re.escape(marker), bytes(data[: 1 << 18]))][:64]
    if not places:
        places = [data.rindex(marker) + len(marker)]
    place = rng.choice(places[: rng.choice((1, 4, 64))])
    offset, size = rng.choice(fields[marker])
    _put(data, place + offset, _value(rng, size))


def _value(rng: random.Random, size: int) -> bytes:
    order = rng.choice(("big", "big", "little"))
    choice = rng.random()
    if choice < 0.6:
        value = (
            rng.choice(_EXTREMES) if size < 8 else rng.choice((0, 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1))
        )
    elif choice < 0.75:
        value = 1 << rng.randrange(8 * size)
    else:
        value = rng.getrandbits(8 * size)
    return (value % (1 << (8 * size))).to_bytes(size, "big" if order == "big" else "little")


def _put(data: bytearray, place: int, value: bytes) -> None:
    if place >= 0 and place + len(value) <= len(data):
        data[place : place + len(value)] = value


def _flip(data: bytearray, rng: random.Random) -> None:
    """Other bits anywhere."""
    for _ in range(rng.choice((1, 4, 32, 256))):
        if data:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _flip_ends(data: bytearray, rng: random.Random) -> None:
    """Other bytes in the first or last kilobyte, where headers and indexes are."""
    reach = min(len(data), 1024)
    for _ in range(rng.choice((1, 2, 8, 32))):
        if reach:
            place = rng.randrange(reach)
            data[place if rng.random() < 0.5 else -1 - place] = rng.getrandbits(8)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data) + 1) :]


def _remove(data: bytearray, rng: random.Random) -> None:
    begin = rng.randrange(len(data) + 1)
    del data[begin : begin + rng.choice((1, 4, 100, 1880, 10_000))]


def _repeat(data: bytearray, rng: random.Random) -> None:
    """A piece twice or more: times go back, boxes and elements come again."""
    begin = rng.randrange(len(data) + 1)
    piece = data[begin : begin + rng.choice((4, 188, 1000, 20_000))]
    data[begin:begin] = piece * rng.choice((1, 1, 2, 20))


def _swap(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((4, 188, 1880, 5000))
    if len(data) > 2 * size:
        one, other = rng.randrange(len(data) - size), rng.randrange(len(data) - size)
        data[one : one + size], data[other : other + size] = data[other : other + size], data[one : one + size]


def _overwrite(data: bytearray, rng: random.Random) -> None:
    size = rng.choice((16, 300, 5000))
    begin = rng.randrange(len(data) + 1)
    fill = rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size)))
    data[begin : begin + size] = fill[: max(0, len(data) - begin)]


def _splice(data: bytearray, rng: random.Random, other: bytes) -> None:
    """The beginning of this file and the end of another one."""
    del data[rng.randrange(len(data) + 1) :]
    data += other[rng.randrange(len(other) + 1) :]


def _right_png_checksums(data: bytearray) -> None:
    """A decoder looks no further where a chunk's checksum is wrong."""
    place = 8
    while place + 12 <= len(data):
        (size,) = struct.unpack(">I", data[place : place + 4])
        end = place + 8 + size
        if end + 4 > len(data):
            return
        data[end : end + 4] = zlib.crc32(data[place + 4 : end]).to_bytes(4, "big")
        place = end + 4


Kind = Callable[..., None]
_KINDS: tuple[Kind, ...] = (_set_field, _flip, _flip_ends, _cut, _remove, _repeat, _swap, _overwrite, _splice)
_WEIGHTS = (50, 10, 12, 5, 5, 6, 4, 4, 4)
