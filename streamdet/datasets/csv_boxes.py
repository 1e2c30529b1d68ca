"""CSV with a box a row and the names of its columns in the first row: TensorFlow's object detection, OpenImages, ...

The columns are told by their names, whatever the case: the picture (filename, image, ImageID, ...), xmin ymin xmax
ymax (x1 y1 x2 y2) or x y width height, the class, and where there are, width and height of the picture, a track id,
IsGroupOf (a region in which nothing counts). Numbers that are all at most 1 are fractions of the picture. A row without
numbers says that nothing is in its picture.

Source: https://storage.googleapis.com/openimages/web/download_v7.html
"""

import csv
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from streamdet.datasets.files import MAX_SIDE, parse_numbers, read_lines
from streamdet.datasets.frames import picture_size
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import XYXY, xywh_to_xyxy
from streamdet.datasets.numbering import Order
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures
from streamdet.errors import ConfigError

_PICTURE = (
    "filename",
    "file_name",
    "image",
    "imageid",
    "image_id",
    "image_name",
    "image_path",
    "path",
    "frame",
    "file",
)
_CLASS = ("class", "label", "labelname", "class_name", "category", "name", "label_name")
_TRACK = ("track_id", "trackid", "track")
_CORNERS = (("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"), ("x1", "y1", "x2", "y2"))
_SIDES = (("x", "y", "w", "h"), ("bbox_x", "bbox_y", "bbox_width", "bbox_height"), ("left", "top", "width", "height"))
_Row = Mapping[str, str]


def read_csv_boxes(path: Path, order: Order) -> LabelledSet:
    """Read the CSV; pictures are looked for around it by their names.

    Raises:
        ConfigError: if columns are missing, a row is malformed, or the pictures are not found.
    """
    header, *table = _read_table(path)
    picture, label = _column(header, _PICTURE), _column(header, _CLASS)
    corners = next((names for names in (*_CORNERS, *_SIDES) if set(names) <= set(header)), None)
    if picture is None or label is None or corners is None:
        raise ConfigError(
            f"{path}: is not a supported CSV of boxes: expected a first row with the names of its columns, such as "
            f"filename, class, xmin, ymin, xmax, ymax; it has {', '.join(header[:12])}"
        )
    rows: dict[str, list[tuple[str, _Row]]] = defaultdict(list)
    for number, values in enumerate(table, start=2):
        row = dict(zip(header, values, strict=False))
        if row.get(picture):
            rows[row[picture]].append((f"{path}: line {number}", row))
    shares = _are_shares(rows, corners)
    finder = PictureFinder(path)
    pictures = []
    for name, own in rows.items():
        file = finder.find(name)
        told = None if corners in _SIDES or shares else _told_size(*own[0])
        size = told or picture_size(file)
        scale = size if shares else (1, 1)
        marks = [mark for where, row in own if (mark := _mark(where, row, label, corners, scale))]
        pictures.append(Picture(name, file, marks, size))
    return labelled_pictures(path, path.stem, pictures, order)


def is_csv_of_boxes(path: Path) -> bool:
    """Whether the first row names a picture, a class and a box."""
    header = _read_table(path)[0]
    boxes = any(set(names) <= set(header) for names in (*_CORNERS, *_SIDES))
    return boxes and _column(header, _PICTURE) is not None and _column(header, _CLASS) is not None


def _read_table(path: Path) -> list[list[str]]:
    """Rows of text, without white space around it; names of columns in lower case."""
    try:
        rows = [[text.strip() for text in row] for row in csv.reader(read_lines(path))]
    except csv.Error as error:
        raise ConfigError(f"{path}: not readable as CSV: {error}") from None
    return [[name.lower() for name in rows[0]] if rows else [], *rows[1:]]


def _column(header: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in header), None)


def _are_shares(rows: Mapping[str, Sequence[tuple[str, _Row]]], corners: Sequence[str]) -> bool:
    numbers = (
        max(parse_numbers(where, [row[name] for name in corners], 4))
        for own in rows.values()
        for where, row in own
        if all(row.get(name) for name in corners)
    )
    return max(numbers, default=2.0) <= 1


def _told_size(where: str, row: _Row) -> tuple[int, int] | None:
    if not row.get("width") or not row.get("height"):
        return None
    width, height = parse_numbers(where, [row["width"], row["height"]], 2)
    return (int(width), int(height)) if 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE else None


def _mark(where: str, row: _Row, label: str, corners: Sequence[str], scale: tuple[int, int]) -> Mark | None:
    if not any(row.get(name) for name in corners):
        return None
    numbers = parse_numbers(where, [row.get(name, "") for name in corners], 4)
    x1, y1, x2, y2 = xywh_to_xyxy(numbers) if corners in _SIDES else numbers
    if not row.get(label):
        raise ConfigError(f"{where}: expected a {label}")
    box: XYXY = (x1 * scale[0], y1 * scale[1], x2 * scale[0], y2 * scale[1])
    track = next((row[name] for name in _TRACK if row.get(name)), None)
    return Mark(row[label], box, track, ignore=row.get("isgroupof") == "1")
