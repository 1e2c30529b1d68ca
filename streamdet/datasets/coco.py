"""What COCO-VID and COCO JSON of stills have in common: categories and annotations."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from streamdet.datasets.files import Box, Identifier
from streamdet.datasets.marks import Marks, xywh_to_xyxy
from streamdet.errors import ConfigError


class Category(BaseModel):
    """A class."""

    id: Identifier
    name: str


class Annotation(BaseModel):
    """A box, left top width height in pixels; a crowd is a region in which nothing counts."""

    id: Identifier | None = None
    image_id: Identifier
    category_id: Identifier
    bbox: Box
    iscrowd: int = 0
    instance_id: Identifier | None = None
    track_id: Identifier | None = None


class Annotations:
    """The annotations of a file by image, their categories as class indices.

    Raises:
        ConfigError: if an annotation refers to a category or an image that is not there.
    """

    def __init__(
        self,
        path: Path,
        annotations: Sequence[Annotation],
        categories: Sequence[Category],
        image_ids: Collection[Identifier],
    ) -> None:
        self.classes, self._class_ids = index_categories(categories)
        self._by_image: dict[Identifier, list[Annotation]] = defaultdict(list)
        images = frozenset(image_ids)
        for annotation in annotations:
            if annotation.category_id not in self._class_ids:
                raise ConfigError(f"{path}: annotation {annotation.id}: no category has id {annotation.category_id}")
            if annotation.image_id not in images:
                raise ConfigError(f"{path}: annotation {annotation.id}: no image has id {annotation.image_id}")
            self._by_image[annotation.image_id].append(annotation)

    def mark(self, image_id: Identifier, marks: Marks, frame: int) -> None:
        """Mark one frame as annotated, with the boxes and ignore regions of one image."""
        marks.annotated(frame)
        for annotation in self._by_image.get(image_id, ()):
            box = xywh_to_xyxy(annotation.bbox)
            if annotation.iscrowd:
                marks.ignore(frame, box)
            else:
                identity = annotation.instance_id if annotation.track_id is None else annotation.track_id
                marks.box(frame, box, self._class_ids[annotation.category_id], identity)


def index_categories(categories: Sequence[Category]) -> tuple[tuple[str, ...], Mapping[Identifier, int]]:
    """Class names in order, and the index of every category id; categories of one name are one class."""
    classes = tuple(dict.fromkeys(category.name for category in categories))
    return classes, {category.id: classes.index(category.name) for category in categories}


def labelled_classes(where: str, names: Sequence[str] | None, classes: tuple[str, ...]) -> frozenset[int]:
    """Indices of the classes that are marked exhaustively; all where the file does not say."""
    unknown = set(names or ()) - set(classes)
    if unknown:
        raise ConfigError(f"{where}: labelled names {sorted(unknown)}, expected names of its categories {classes}")
    return frozenset(i for i, name in enumerate(classes) if names is None or name in names)
