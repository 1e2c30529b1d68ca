"""VGG Image Annotator 1 and 2: a project or an annotation file, JSON, of regions in pictures.

Of circles, ellipses and outlines the boxes around them are read; points are no boxes. The class is the region's
attribute that is called class, label, name, type, category or object, or the only one that there is; without
attributes everything is of one class, `object`.

Source: https://www.robots.ox.ac.uk/~vgg/software/via/
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, RootModel

from streamdet.datasets.files import Finite, read_json
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import XYXY
from streamdet.datasets.numbering import Order
from streamdet.datasets.outlines import box_around, box_around_ellipse
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures
from streamdet.errors import ConfigError

CLASS_KEYS = ("class", "label", "name", "type", "category", "object")


class _Shape(BaseModel):
    name: str
    x: Finite | None = None
    y: Finite | None = None
    width: Finite | None = None
    height: Finite | None = None
    cx: Finite | None = None
    cy: Finite | None = None
    r: Finite | None = None
    rx: Finite | None = None
    ry: Finite | None = None
    all_points_x: list[Finite] = Field(default_factory=list)
    all_points_y: list[Finite] = Field(default_factory=list)

    def box(self, where: str) -> XYXY | None:
        """None of a point."""
        if self.name == "point":
            return None
        if self.all_points_x and len(self.all_points_x) == len(self.all_points_y):
            return box_around(list(zip(self.all_points_x, self.all_points_y, strict=True)))
        if self.x is not None and self.y is not None and self.width is not None and self.height is not None:
            return self.x, self.y, self.x + self.width, self.y + self.height
        if self.cx is not None and self.cy is not None:
            radius_x, radius_y = self.rx or self.r, self.ry or self.r
            if radius_x is not None and radius_y is not None:
                return box_around_ellipse(self.cx, self.cy, radius_x, radius_y)
        raise ConfigError(f"{where}: shape {self.name!r} has no coordinates, or is not a shape of VIA")


class _Region(BaseModel):
    shape_attributes: _Shape
    region_attributes: dict[str, Any] = Field(default_factory=dict)


class _Picture(BaseModel):
    filename: str
    regions: list[_Region] | dict[str, _Region] = Field(default_factory=list)

    @property
    def shapes(self) -> Iterable[_Region]:
        return self.regions.values() if isinstance(self.regions, dict) else self.regions


class _Project(BaseModel):
    pictures: dict[str, _Picture] = Field(alias="_via_img_metadata")


class _File(RootModel[_Project | dict[str, _Picture]]):
    """A project, or what "Export Annotations (as JSON)" writes."""


def read_via(path: Path, order: Order) -> LabelledSet:
    """Read a project or an annotation file; every picture that it lists was reviewed.

    Raises:
        ConfigError: if the file is malformed, does not tell the classes, or its pictures are not found.
    """
    content = read_json(path, _File).root
    listed = list((content.pictures if isinstance(content, _Project) else content).values())
    key = _class_key(path, [region for picture in listed for region in picture.shapes])
    finder = PictureFinder(path)
    pictures = [_read_picture(path, picture, key, finder) for picture in listed]
    return labelled_pictures(path, path.stem, pictures, order)


def _class_key(path: Path, regions: list[_Region]) -> str | None:
    keys = sorted({key for region in regions for key in region.region_attributes})
    named = [key for wanted in CLASS_KEYS for key in keys if key.lower() == wanted]
    if not keys or named:
        return named[0] if named else None
    if len(keys) > 1:
        raise ConfigError(
            f"{path}: which attribute is the class: {', '.join(keys)}? Expected one called {', '.join(CLASS_KEYS)}"
        )
    return keys[0]


def _read_picture(path: Path, picture: _Picture, key: str | None, finder: PictureFinder) -> Picture:
    marks, faults = [], []
    for region in picture.shapes:
        where = f"{path}: {picture.filename}"
        box = region.shape_attributes.box(where)
        if box is None:
            faults.append("shapes that are no boxes (point), left out")
        else:
            marks.append(Mark(_class_name(where, region, key), box))
    return Picture(picture.filename, finder.find(picture.filename), marks, None, faults)


def _class_name(where: str, region: _Region, key: str | None) -> str:
    if key is None:
        return "object"
    value = region.region_attributes.get(key)
    if isinstance(value, dict):  # of check boxes: the names of those that are ticked
        value = next((name for name, ticked in value.items() if ticked), None)
    if not value:
        raise ConfigError(f"{where}: a region has no {key}; expected the name of its class")
    return str(value).strip()
