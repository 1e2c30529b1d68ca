"""COCO JSON of pictures: stills, or frames of videos where their names or track ids tell.

`info.labelled` may name the classes that are marked exhaustively (all, if it is missing). In LVIS every picture says it
of its own: classes that it neither shows nor rules out are unknown there.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, model_validator

from streamdet.datasets.coco import Annotation, Annotations, Category, labelled_classes
from streamdet.datasets.files import Identifier, Side, read_json
from streamdet.datasets.frames import find_pictures
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import xywh_to_xyxy
from streamdet.datasets.numbering import Order
from streamdet.datasets.pictures import Mark, Picture, PictureFinder, labelled_pictures
from streamdet.errors import ConfigError


class _Image(BaseModel):
    id: Identifier
    file_name: str = ""
    coco_url: str = ""
    neg_category_ids: list[Identifier] | None = None
    not_exhaustive_category_ids: list[Identifier] = Field(default_factory=list)
    width: Side | None = None
    height: Side | None = None

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.file_name and not self.coco_url:
            raise ValueError("expected a file_name")
        return self

    @property
    def name(self) -> str:
        """Of its file; LVIS has its address instead."""
        return self.file_name or self.coco_url.rpartition("/")[2]

    @property
    def size(self) -> tuple[int, int] | None:
        return (self.width, self.height) if self.width and self.height else None


class _Info(BaseModel):
    labelled: list[str] | None = None


class _File(BaseModel):
    info: _Info = Field(default_factory=_Info)
    images: list[_Image] = Field(min_length=1)
    annotations: list[Annotation]
    categories: list[Category]


def read_coco_stills(path: Path, order: Order) -> LabelledSet:
    """Read a COCO JSON; pictures are looked for around the file.

    Raises:
        ConfigError: if the file is malformed or its pictures are not found.
    """
    file = read_json(path, _File)
    annotations = Annotations(path, file.annotations, file.categories, [image.id for image in file.images])
    if order.stills is None and annotations.tracked:
        order = Order(stills=False, fps=order.fps)
    find = _finder(path, [image.name for image in file.images])
    pictures = [
        Picture(
            image.name,
            find(image.name),
            _marks(annotations, image.id),
            image.size,
            labelled=_labelled_in(annotations, image),
        )
        for image in file.images
    ]
    labelled = labelled_classes(f"{path}: info", file.info.labelled, annotations.classes)
    name = f"{path.parent.name}/{path.stem}"
    note = "; ".join(annotations.notes)
    return labelled_pictures(path, name, pictures, order, annotations.classes, note, labelled)


def _marks(annotations: Annotations, image_id: Identifier) -> list[Mark]:
    return [
        Mark(annotations.class_name(row), xywh_to_xyxy(row.bbox), row.track, bool(row.iscrowd), row.shape)
        for row in annotations.of(image_id)
    ]


def _labelled_in(annotations: Annotations, image: _Image) -> set[str] | None:
    """Names of the classes of which an image of LVIS shows all objects; None of other files."""
    if image.neg_category_ids is None:
        return None
    shown = {annotations.class_name(row) for row in annotations.of(image.id)}
    ruled_out, partly = (
        {name for name in map(annotations.name_of, ids) if name is not None}
        for ids in (image.neg_category_ids, image.not_exhaustive_category_ids)
    )
    return (shown | ruled_out) - partly


def _finder(path: Path, names: list[str]) -> Callable[[str], Path]:
    """Names are relative to one folder near the file; else, such as paths of another machine, each is looked for."""
    try:
        folder = find_pictures(path, names)
    except ConfigError:
        return PictureFinder(path).find
    return lambda name: folder / name
