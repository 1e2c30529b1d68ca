"""LabelMe JSON (also of AnyLabeling), one a picture, beside it: rectangles, and boxes around all other shapes.

Shapes of one label and one group_id in a picture are parts of one object. Points and lines without area are no boxes
and are left out, as a fault of their picture. A class named `ignore` marks regions in which nothing counts.

Source: https://github.com/wkentaro/labelme, labelme/label_file.py
"""

import math
from collections import defaultdict
from os.path import isfile
from pathlib import Path

from pydantic import BaseModel, Field

from streamdet.datasets.files import Finite, Identifier, Side, read_json
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import XYXY
from streamdet.datasets.numbering import Order
from streamdet.datasets.outlines import box_around
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures
from streamdet.errors import ConfigError

_FLAT = frozenset({"point", "points", "line"})


class _Shape(BaseModel):
    label: str
    points: list[tuple[Finite, Finite]] = Field(min_length=1)
    shape_type: str | None = "polygon"
    group_id: Identifier | None = None


class _File(BaseModel):
    shapes: list[_Shape]
    imagePath: str = ""  # noqa: N815 the file's own keys
    imageWidth: Side | None = None  # noqa: N815
    imageHeight: Side | None = None  # noqa: N815


def read_labelme(path: Path, order: Order) -> LabelledSet:
    """Read a folder of JSON files, or one of them.

    Raises:
        ConfigError: if there is none, or one is malformed or without its picture.
    """
    files = [path] if path.is_file() else sorted(path.rglob("*.json"))
    if not files:
        raise ConfigError(f"{path}: expected a JSON file of LabelMe for each picture")
    folder = path.parent if path.is_file() else path
    finder = PictureFinder(folder)
    pictures = [_read_picture(file, finder, folder) for file in files]
    return labelled_pictures(path, path.stem if path.is_file() else path.name, pictures, order)


def _read_picture(file: Path, finder: PictureFinder, folder: Path) -> Picture:
    content = read_json(file, _File)
    own = finder.find(file.stem)
    picture = own if isfile(own) else finder.find(content.imagePath or file.stem)
    objects: dict[tuple[str, Identifier], list[XYXY]] = defaultdict(list)
    faults = []
    for number, shape in enumerate(content.shapes):
        box = _box(shape)
        if shape.shape_type in _FLAT:
            faults.append(f"shapes without area ({shape.shape_type}), left out")
        elif shape.group_id is None:
            objects[shape.label, f"shape {number}"].append(box)
        else:
            objects[shape.label, shape.group_id].append(box)
    marks = [Mark(label, _union(parts)) for (label, _), parts in objects.items()]
    size = (content.imageWidth, content.imageHeight) if content.imageWidth and content.imageHeight else None
    name = file.relative_to(folder).with_suffix("").as_posix()
    return Picture(name, picture, marks, size, faults)


def _box(shape: _Shape) -> XYXY:
    if shape.shape_type == "circle":
        if len(shape.points) != 2:
            raise ConfigError(f"circle {shape.label}: expected its centre and a point of its edge")
        (x, y), edge = shape.points
        radius = math.dist((x, y), edge)
        return x - radius, y - radius, x + radius, y + radius
    return box_around(shape.points)


def _union(boxes: list[XYXY]) -> XYXY:
    return box_around([corner for x1, y1, x2, y2 in boxes for corner in ((x1, y1), (x2, y2))])
