"""Pascal VOC XML, one a picture: Annotations/ beside JPEGImages/, or beside the pictures (LabelImg, Roboflow).

Splits are the lists ImageSets/Main/<split>.txt, or folders. `difficult` objects neither count nor are missed, as in
the challenge. Turned boxes (`robndbox`) and polygons are read as the boxes around them.

Source: Everingham et al. 2010; development kit, section 4.
"""

import math
from collections.abc import Collection
from os.path import isfile
from pathlib import Path
from xml.etree import ElementTree

from streamdet.datasets.files import MAX_SIDE, parse_numbers, read_lines, read_xml
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import XYXY
from streamdet.datasets.numbering import Order
from streamdet.datasets.outlines import box_around, box_around_turned
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures
from streamdet.errors import ConfigError

_TEXTS_OF = ("xmin", "ymin", "xmax", "ymax")


def read_pascal_voc(path: Path, order: Order) -> LabelledSet:
    """Read a folder of XML files, one such file, or ImageSets/Main/<split>.txt of a set.

    Raises:
        ConfigError: if there are no annotations, or one is malformed or without its picture.
    """
    folder, only = path.parent if path.is_file() else path, None
    if path.suffix == ".txt":
        folder, only = path.parents[2] / "Annotations", {line.split()[0] for line in read_lines(path) if line}
    files = [path] if path.suffix.lower() == ".xml" else _list(folder, only)
    if not files:
        raise ConfigError(f"{path}: expected an XML file of Pascal VOC for each picture")
    finder = PictureFinder(folder.parent if folder.name == "Annotations" else folder)
    pictures = [_read_picture(file, finder, folder) for file in files]
    return labelled_pictures(path, path.stem if path.is_file() else path.name, pictures, order)


def _list(folder: Path, only: Collection[str] | None) -> list[Path]:
    return [file for file in sorted(folder.rglob("*.xml")) if only is None or file.stem in only]


def _read_picture(file: Path, finder: PictureFinder, folder: Path) -> Picture:
    root = read_xml(file)
    if root.tag != "annotation":
        raise ConfigError(f"{file}: expected <annotation>, as Pascal VOC")
    # A file that was renamed still names its old picture: the XML's own name goes first.
    own = finder.find(file.stem)
    told = root.findtext("filename") or file.stem
    picture = own if isfile(own) else finder.find(told)
    name = file.relative_to(folder).with_suffix("") if file.is_relative_to(folder) else Path(file.stem)
    marks = [mark for item in root.iterfind("object") if (mark := _read_object(file, item))]
    return Picture(name.as_posix(), picture, marks, _read_size(file, root))


def _read_size(file: Path, root: ElementTree.Element) -> tuple[int, int] | None:
    """None where the file leaves it at 0, as some programs do."""
    texts = [root.findtext("size/width") or "0", root.findtext("size/height") or "0"]
    width, height = parse_numbers(f"{file}: size", texts, 2)
    return (int(width), int(height)) if 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE else None


def _read_object(file: Path, item: ElementTree.Element) -> Mark:
    name = (item.findtext("name") or "").strip()
    if not name:
        raise ConfigError(f"{file}: expected a name in every object")
    where = f"{file}: object {name}"
    difficult = (item.findtext("difficult") or "0").strip() == "1"
    return Mark(name, _read_box(where, item), item.findtext("trackid"), ignore=difficult)


def _read_box(where: str, item: ElementTree.Element) -> XYXY:
    turned, outline = item.find("robndbox"), item.find("polygon")
    if item.find("bndbox") is not None:
        x1, y1, x2, y2 = parse_numbers(f"{where}: bndbox", [item.findtext(f"bndbox/{key}") for key in _TEXTS_OF], 4)
        return x1, y1, x2, y2
    if turned is not None:
        keys = ("cx", "cy", "w", "h", "angle")
        x, y, w, h, angle = parse_numbers(f"{where}: robndbox", [turned.findtext(key) for key in keys], 5)
        return box_around_turned((x - w / 2, y - h / 2, x + w / 2, y + h / 2), math.degrees(angle))
    if outline is not None and outline.find("pt") is not None:
        points = [[point.findtext("x"), point.findtext("y")] for point in outline.iterfind("pt")]
        return box_around([parse_numbers(f"{where}: polygon", point, 2) for point in points])
    raise ConfigError(f"{where}: expected bndbox, robndbox or polygon")
