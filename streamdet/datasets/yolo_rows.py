"""The rows of YOLO text files: boxes, outlines, turned boxes, keypoints, and what trackers and detectors write.

A row starts with the class. Then follow, as fractions of the picture: `x y w h`, centre first; the corners of an
outline or of a turned box, `x1 y1 x2 y2 ...`; or a box and its keypoints, `x y w h` and `x y [visibility]` each. A
fifth number of a box is a track id where it is whole in all rows, else the confidence of a detector; after
a confidence a track id may follow. What the rows of a set are is told by all of them together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamdet.datasets.files import parse_numbers, read_lines
from streamdet.datasets.marks import XYXY
from streamdet.datasets.outlines import box_around_flat
from streamdet.errors import ConfigError

_BOX = 5
# Shares this far outside the picture are no shares.
_FAR = 2.0
# Text rows of other formats: columns, and the column that is text.
_TEXT_ROWS = {(15, 0): "KITTI (label_2)", (16, 0): "KITTI", (10, 8): "DOTA", (9, 8): "DOTA", (6, 0): "Darknet results"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row, with its place for messages."""

    where: str
    numbers: tuple[float, ...]
    last: str

    @property
    def ends_in_id(self) -> bool:
        """Whether the last number can be a track id rather than a fraction of the picture."""
        return self.numbers[-1].is_integer() and (self.last.lstrip("-").isdigit() or self.numbers[-1] > 1)

    @property
    def class_number(self) -> float:
        return self.numbers[0]


def read_rows(file: Path) -> list[Row]:
    """Rows of one text file.

    Raises:
        ConfigError: if a row is none of numbers; names the format where it is known.
    """
    rows = []
    for number, line in enumerate(read_lines(file), start=1):
        words = line.split()
        if not words:
            continue
        where = f"{file}: line {number}"
        text = [i for i, word in enumerate(words) if word[0].isalpha() and word.lower() not in ("nan", "inf")]
        name = _TEXT_ROWS.get((len(words), text[0])) if text else None
        if name:
            raise ConfigError(f"{where}: a row of {name}, which is not read; expected YOLO: class x y width height")
        rows.append(Row(where, tuple(parse_numbers(where, words, _BOX)), words[-1]))
    return rows


@dataclass(frozen=True, slots=True)
class RowKinds:
    """How the rows of one set are to be read, by how many numbers a row has.

    Attributes:
        keypoints: counts of rows that are a box and its keypoints.
        tails: how many numbers at the end are confidence or track id, and whether the last is a track id.
    """

    keypoints: frozenset[int]
    tails: dict[int, tuple[int, bool]]

    @classmethod
    def of(cls, rows: Sequence[Row], keypoint_shape: Sequence[int] | None) -> "RowKinds":
        """Told by all rows of a set, and by data.yaml's kpt_shape where it has one."""
        by_count: dict[int, list[Row]] = {}
        for row in rows:
            by_count.setdefault(len(row.numbers), []).append(row)
        posed = {_BOX + keypoint_shape[0] * keypoint_shape[1]} if keypoint_shape else set()
        posed |= {count for count, some in by_count.items() if _are_keypoints(count, some)}
        tails = {count: tail for count, some in by_count.items() if count not in posed and (tail := _tail(count, some))}
        rest = by_count.keys() - tails.keys() - posed
        # A detector writes a confidence in every row.
        if all(count > _BOX and count % 2 == 0 and _confident(by_count[count], -1) for count in rest):
            tails |= dict.fromkeys(rest, (1, False))
        return cls(frozenset(posed), tails)

    @property
    def note(self) -> str:
        """What a user should know of it."""
        if any(width == 2 or not tracked for width, tracked in self.tails.values()):
            return "the rows hold confidences, as a detector writes them: read as labels, whatever the confidence"
        return ""

    def read(self, row: Row) -> tuple[XYXY, int | None]:
        """Box, as fractions of the picture, and track id.

        Raises:
            ConfigError: if the row is of no kind, or its numbers are no shares.
        """
        count = len(row.numbers)
        width, tracked = self.tails.get(count, (0, False))
        shape = row.numbers[1:_BOX] if count in self.keypoints else row.numbers[1 : count - width]
        track = int(row.numbers[-1]) if tracked else None
        if max(map(abs, shape)) > _FAR:
            raise ConfigError(
                f"{row.where}: expected fractions of the picture from 0 to 1, found {max(shape, key=abs):g}"
            )
        if len(shape) == _BOX - 1:
            x, y, w, h = shape
            return (x - w / 2, y - h / 2, x + w / 2, y + h / 2), track
        if len(shape) % 2 or len(shape) < 6:
            expected = "5 (a box), 6 (and a track id), keypoints, or the corners of an outline"
            raise ConfigError(f"{row.where}: {count} numbers, expected {expected}")
        return box_around_flat(shape), track


def _are_keypoints(count: int, rows: Sequence[Row]) -> bool:
    """Boxes with keypoints of three numbers each, the third a visibility of 0, 1 or 2."""
    if count <= _BOX or (count - _BOX) % 3:
        return False
    return all(visibility in (0, 1, 2) for row in rows for visibility in row.numbers[_BOX + 2 :: 3])


def _tail(count: int, rows: Sequence[Row]) -> tuple[int, bool] | None:
    """Where rows of this length end in a track id: how many numbers it takes, with the confidence before it."""
    if count <= _BOX or not all(row.ends_in_id for row in rows):
        return None
    if count % 2 == 0:
        return 1, True
    # Three corners or more, where a last number of 1 may also be the edge of the picture.
    certain = count == _BOX + 2 or any(row.numbers[-1] > 1 for row in rows)
    return (2, True) if certain and _confident(rows, -2) else None


def _confident(rows: Sequence[Row], column: int) -> bool:
    return all(0 <= row.numbers[column] <= 1 for row in rows)
