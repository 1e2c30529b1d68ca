"""Units of H.264 and H.265 video: what a packet is made of, and the parameter sets that decoders need before a picture.

Source: ITU-T H.264, 7.4.1 and annex B; H.265, 7.4.2 and annex B; ISO/IEC 14496-15, 5.3.3 and 8.3.3 (avcC and hvcC).
"""

import re
from dataclasses import dataclass

_START_CODE = b"\0\0\0\1"
_ANY_START_CODE = re.compile(rb"\x00\x00\x01")


@dataclass(frozen=True, slots=True)
class Syntax:
    """What the types of units mean in one codec.

    Attributes:
        pictures: types that hold a part of a picture.
        restarts: those of a picture that no later one looks behind (IDR).
        sets: parameter sets, in the order in which decoders want them.
        delimiter: says that a picture starts, and comes before all else.
    """

    pictures: range
    restarts: tuple[int, ...]
    sets: tuple[int, ...]
    delimiter: int

    @property
    def _is_hevc(self) -> bool:
        return len(self.sets) == 3

    def type_of(self, unit: bytes) -> int:
        """The type of a unit."""
        return unit[0] >> 1 & 63 if self._is_hevc else unit[0] & 31

    def set_key(self, unit: bytes) -> tuple[int, int]:
        """The type and the id of a parameter set; of H.265 one sequence set is told from no other."""
        kind = self.type_of(unit)
        if not self._is_hevc:
            return kind, first_number(unit[4:] if kind == self.sets[0] else unit[1:])
        return kind, {self.sets[0]: unit[2] >> 4, self.sets[2]: first_number(unit[2:])}.get(kind, 0)


SYNTAX = {
    "h264": Syntax(range(1, 6), (5,), (7, 8), 9),
    "hevc": Syntax(range(32), (19, 20), (32, 33, 34), 35),
}


def first_number(data: bytes) -> int:
    """The Exp-Golomb number with which bits start. Source: H.264, 9.1."""
    bits = "".join(f"{byte:08b}" for byte in data[:8])
    zeros = len(bits) - len(bits.lstrip("0"))
    return int(bits[zeros : 2 * zeros + 1] or "1", 2) - 1


def split_units(data: bytes, length_size: int | None) -> list[bytes]:
    """The units of a packet.

    Args:
        data: of it.
        length_size: bytes of the number before each unit that says how long it is; None: start codes lie between them.

    Raises:
        ValueError: the lengths do not add up.
    """
    if length_size is None:
        starts = [found.end() for found in _ANY_START_CODE.finditer(data)]
        ends = [start - 3 for start in starts[1:]] + [len(data)]
        return [unit for start, end in zip(starts, ends, strict=True) if (unit := data[start:end].rstrip(b"\0"))]
    units, place = [], 0
    while place < len(data):
        begin = place + length_size
        place = begin + int.from_bytes(data[place:begin], "big")
        units.append(data[begin:place])
    if place != len(data):
        raise ValueError("a picture is torn")
    return [unit for unit in units if unit]


def with_start_codes(units: list[bytes]) -> bytes:
    """Units as encoders give them."""
    return b"".join(_START_CODE + unit for unit in units)


def header_units(codec: str, header: bytes) -> tuple[list[bytes], int | None]:
    """The parameter sets that a container holds beside its packets, and the `length_size` of these.

    Args:
        codec: h264 or hevc.
        header: "extradata": avcC, hvcC, or units with start codes.

    Raises:
        ValueError, IndexError: it is none of these.
    """
    if header[:1] != b"\1":
        return split_units(header, None), None
    units: list[bytes] = []
    if codec == "h264":
        place = _take(header, 6, header[5] & 31, units)
        _take(header, place + 1, header[place], units)
        return units, (header[4] & 3) + 1
    place = 23
    for _ in range(header[22]):
        place = _take(header, place + 3, int.from_bytes(header[place + 1 : place + 3], "big"), units)
    return units, (header[21] & 3) + 1


def _take(header: bytes, place: int, count: int, units: list[bytes]) -> int:
    """Read units of 16-bit lengths; gives the place behind them."""
    for _ in range(count):
        end = place + 2 + int.from_bytes(header[place : place + 2], "big")
        units.append(header[place + 2 : end])
        place = end
    return place
