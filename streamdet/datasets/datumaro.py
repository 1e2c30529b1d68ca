"""Datumaro JSON: annotations/<subset>.json of items, with their pictures in images/<subset>/.

Of polygons, masks, skeletons and points the boxes around them are read; an annotation of several shapes in one
group is read as several. `track_id` among the attributes is the track id.

Source: https://open-edge-platform.github.io/datumaro/latest/docs/data-formats/formats/datumaro.html
"""

from os.path import isfile
from pathlib import Path

from pydantic import BaseModel, Field

from streamdet.datasets.coco import Attributes, Runs
from streamdet.datasets.files import Finite, Identifier, Side, read_json
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import XYXY, xywh_to_xyxy
from streamdet.datasets.numbering import Order
from streamdet.datasets.outlines import box_around_ellipse, box_around_flat
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures
from streamdet.errors import ConfigError

# Of the whole picture, not of a place in it.
_NO_SHAPES = frozenset({"label", "caption"})


class _Label(BaseModel):
    name: str


class _Labels(BaseModel):
    labels: list[_Label] = Field(default_factory=list)


class _Categories(BaseModel):
    label: _Labels = Field(default_factory=_Labels)


class _Shape(BaseModel):
    type: str
    label_id: int | None = None
    bbox: tuple[Finite, Finite, Finite, Finite] | None = None
    points: list[Finite] = Field(default_factory=list)
    rle: Runs | None = None
    elements: list["_Shape"] = Field(default_factory=list)
    attributes: Attributes = Field(default_factory=Attributes)

    def box(self, where: str) -> XYXY | None:
        """None of an empty mask."""
        if self.type == "mask" and self.rle is not None:
            return self.rle.box()
        if self.type == "bbox" and self.bbox is not None:
            return xywh_to_xyxy(self.bbox)
        if self.type == "ellipse" and len(self.points) == 4:
            x1, y1, x2, y2 = self.points
            return box_around_ellipse((x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / 2, (y2 - y1) / 2)
        points = self.points or [number for element in self.elements for number in element.points[:2]]
        if self.type in ("polygon", "polyline", "points", "skeleton") and len(points) >= 2:
            return box_around_flat(points[: len(points) // 2 * 2])
        raise ConfigError(f"{where}: annotation of type {self.type} is not read; expected bbox, polygon, mask, ...")


class _Media(BaseModel):
    path: str = ""
    size: tuple[Side, Side] | None = None  # height, width


class _Item(BaseModel):
    id: Identifier
    annotations: list[_Shape] = Field(default_factory=list)
    image: _Media | None = None
    media: _Media | None = None


class _File(BaseModel):
    categories: _Categories
    items: list[_Item]


def read_datumaro(path: Path, order: Order) -> LabelledSet:
    """Read one subset; its pictures are looked for in images/ beside annotations/.

    Raises:
        ConfigError: if the file is malformed or its pictures are not found.
    """
    content = read_json(path, _File)
    classes = [label.name for label in content.categories.label.labels]
    finder = PictureFinder(path)
    pictures = [_read_item(path, item, classes, finder) for item in content.items]
    return labelled_pictures(path, path.stem, pictures, order, classes)


def _read_item(path: Path, item: _Item, classes: list[str], finder: PictureFinder) -> Picture:
    media = item.image or item.media or _Media()
    where, marks = f"{path}: item {item.id}", []
    for shape in item.annotations:
        if shape.type in _NO_SHAPES:
            continue
        if shape.label_id is None or not 0 <= shape.label_id < len(classes):
            raise ConfigError(f"{where}: label_id {shape.label_id}, expected 0 to {len(classes) - 1}")
        box = shape.box(where)
        if box is not None:
            marks.append(Mark(classes[shape.label_id], box, shape.attributes.track_id))
    if not marks and item.annotations:
        raise ConfigError(f"{where}: has labels for whole pictures but no shapes; expected boxes or outlines")
    found = finder.find(media.path or str(item.id))
    if not isfile(found):
        found = finder.find(str(item.id))
    return Picture(str(item.id), found, marks, media.size and (media.size[1], media.size[0]))
