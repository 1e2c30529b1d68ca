"""CreateML JSON: a list of pictures, each with labels at a centre, with width and height, in pixels.

Source: https://developer.apple.com/documentation/createml/building-an-object-detector-data-source
"""

from pathlib import Path

from pydantic import BaseModel, Field, RootModel

from streamdet.datasets.files import Finite, read_json
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.numbering import Order
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures


class _Coordinates(BaseModel):
    x: Finite
    y: Finite
    width: Finite
    height: Finite


class _Box(BaseModel):
    label: str
    coordinates: _Coordinates


class _Picture(BaseModel):
    image: str
    annotations: list[_Box] = Field(default_factory=list)


class _File(RootModel[list[_Picture]]):
    pass


def read_createml(path: Path, order: Order) -> LabelledSet:
    """Read the JSON; every picture that it lists was reviewed.

    Raises:
        ConfigError: if the file is malformed or its pictures are not found.
    """
    finder = PictureFinder(path)
    pictures = [
        Picture(row.image, finder.find(row.image), [_mark(box) for box in row.annotations])
        for row in read_json(path, _File).root
    ]
    return labelled_pictures(path, path.parent.name, pictures, order)


def _mark(box: _Box) -> Mark:
    at = box.coordinates
    half_width, half_height = at.width / 2, at.height / 2
    return Mark(box.label, (at.x - half_width, at.y - half_height, at.x + half_width, at.y + half_height))
