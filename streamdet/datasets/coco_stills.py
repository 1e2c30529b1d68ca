"""COCO JSON of stills; `info.labelled` may name the classes that are marked exhaustively (all, if it is missing)."""

from pathlib import Path

from pydantic import BaseModel, Field

from streamdet.datasets.coco import Annotation, Annotations, Category, labelled_classes
from streamdet.datasets.files import Identifier, Side, read_json
from streamdet.datasets.frames import ImageFiles, find_pictures
from streamdet.datasets.labels import LabelledSet
from streamdet.datasets.marks import Marks


class _Image(BaseModel):
    id: Identifier
    file_name: str
    width: Side
    height: Side


class _Info(BaseModel):
    labelled: list[str] | None = None


class _File(BaseModel):
    info: _Info = Field(default_factory=_Info)
    images: list[_Image] = Field(min_length=1)
    annotations: list[Annotation]
    categories: list[Category]


def read_coco_stills(path: Path) -> LabelledSet:
    """Read a COCO JSON; every still is a video of one frame, pictures are looked for around the file.

    Raises:
        ConfigError: if the file is malformed or its pictures are not found.
    """
    file = read_json(path, _File)
    annotations = Annotations(path, file.annotations, file.categories, [image.id for image in file.images])
    labelled = labelled_classes(f"{path}: info", file.info.labelled, annotations.classes)
    folder = find_pictures(path, [image.file_name for image in file.images])
    videos = []
    for image in file.images:
        marks = Marks(image.width, image.height)
        annotations.mark(image.id, marks, frame=0)
        frames = ImageFiles([folder / image.file_name], (image.width, image.height))
        videos.append(marks.still(image.file_name, frames, labelled))
    return LabelledSet(name=f"{path.parent.name}/{path.stem}", classes=annotations.classes, videos=tuple(videos))
