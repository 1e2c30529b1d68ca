"""KITTI object detection: label_2/000000.txt beside image_2/000000.png.

Rows are type, truncated, occluded, alpha, left, top, right, bottom and the box in space. DontCare and Misc are regions
in which nothing counts; names that KITTI does not have are classes of their own.

Source: Geiger et al. 2012; devkit_object, readme.txt.
"""

from pathlib import Path

from streamdet.datasets.files import parse_numbers, read_lines
from streamdet.datasets.kitti_tracking import CLASSES, IGNORED
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.numbering import Order
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures
from streamdet.errors import ConfigError


def read_kitti_object(path: Path, order: Order) -> LabelledSet:
    """Read a folder that holds label_2/ and image_2/; the pictures are stills unless the user says otherwise.

    Raises:
        ConfigError: if it has no labels, or one is malformed or without pictures.
    """
    files = sorted((path / "label_2").glob("*.txt"))
    if not files:
        raise ConfigError(f"{path}: expected label_2/<number>.txt")
    finder = PictureFinder(path / "image_2")
    pictures = [Picture(file.stem, finder.find(file.stem), _read_marks(file)) for file in files]
    # Neighbours in this set are of different drives.
    order = Order(True if order.stills is None else order.stills, order.fps)
    return labelled_pictures(path, path.name, pictures, order)


def _read_marks(file: Path) -> list[Mark]:
    marks = []
    for number, line in enumerate(read_lines(file), start=1):
        if line:
            kind, *columns = line.split()
            x1, y1, x2, y2 = parse_numbers(f"{file}: line {number}", columns[3:7], 4)
            marks.append(Mark(CLASSES.get(kind, kind), (x1, y1, x2, y2), ignore=kind in IGNORED))
    return marks
