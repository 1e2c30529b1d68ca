"""What COCO-VID and COCO JSON of stills have in common: categories and annotations."""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError, model_validator

from streamdet.datasets.files import Box, Identifier, Side
from streamdet.datasets.labels import Segmentation, Shape
from streamdet.datasets.marks import XYXY, Marks, xywh_to_xyxy
from streamdet.datasets.outlines import box_around_flat, box_around_runs
from streamdet.errors import ConfigError
from streamdet.masks import unpacked_runs


class Category(BaseModel):
    """A class."""

    id: Identifier
    name: str


class Attributes(BaseModel):
    """What CVAT and Datumaro add."""

    track_id: Identifier | None = None


class Runs(BaseModel):
    """A mask: lengths of runs by columns, as numbers or as COCO's text; (height, width)."""

    counts: list[int] | str
    size: tuple[Side, Side]

    def box(self) -> XYXY | None:
        """The box around it; None where it is empty."""
        counts = unpacked_runs(self.counts) if isinstance(self.counts, str) else self.counts
        return box_around_runs(counts, self.size[0])


class Annotation(BaseModel):
    """A box, left top width height in pixels; a crowd is a region in which nothing counts.

    Without `bbox` it is the box around `segmentation`.
    """

    id: Identifier | None = None
    image_id: Identifier
    category_id: Identifier
    bbox: Box
    iscrowd: int | None = None
    instance_id: Identifier | None = None
    track_id: Identifier | None = None
    attributes: Attributes | None = None
    segmentation: Any = None
    keypoints: Any = None
    area: Any = None

    @property
    def shape(self) -> Shape | None:
        """Masks and keypoints; None where there are none, or what is there is neither."""
        area = float(self.area) if _are_numbers([self.area]) else None
        shape = Shape(_segmentation(self.segmentation), _keypoints(self.keypoints), area)
        return None if shape.segmentation is None and shape.keypoints is None else shape

    @property
    def track(self) -> Identifier | None:
        """The track id, under any of its keys."""
        given = (self.track_id, self.attributes.track_id if self.attributes else None, self.instance_id)
        return next((track for track in given if track is not None), None)

    @model_validator(mode="before")
    @classmethod
    def _complete(cls, row: Any) -> Any:
        if isinstance(row, dict) and not row.get("bbox") and row.get("segmentation"):
            return row | {"bbox": _around(row["segmentation"])}
        return row


class Annotations:
    """The annotations of a file by image, their categories as class indices.

    Attributes:
        classes: names in order.
        notes: what a user should know of how they were read.

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
        self._by_image: dict[str, list[Annotation]] = defaultdict(list)
        # Some programs write an id once as a number and once as text.
        images = {str(image_id): type(image_id) for image_id in image_ids}
        repeated = [image_id for image_id, times in Counter(map(str, image_ids)).items() if times > 1]
        if repeated:
            raise ConfigError(f"{path}: {len(repeated)} ids belong to several images, such as {repeated[0]}")
        mixed = 0
        for annotation in annotations:
            if str(annotation.category_id) not in self._class_ids:
                raise ConfigError(f"{path}: annotation {annotation.id}: no category has id {annotation.category_id}")
            if str(annotation.image_id) not in images:
                raise ConfigError(f"{path}: annotation {annotation.id}: no image has id {annotation.image_id}")
            mixed += not isinstance(annotation.image_id, images[str(annotation.image_id)])
            self._by_image[str(annotation.image_id)].append(annotation)
        text = "ids of images are numbers in one place and text in another; they are read as the same"
        self.notes = (text,) if mixed else ()

    @property
    def tracked(self) -> bool:
        """Whether a track id is found in more than one image."""
        found = Counter(track for rows in self._by_image.values() for track in {row.track for row in rows})
        return any(times > 1 for track, times in found.items() if track is not None)

    def mark(self, image_id: Identifier, marks: Marks, frame: int) -> None:
        """Mark one frame as annotated, with the boxes and ignore regions of one image."""
        marks.annotated(frame)
        for annotation in self.of(image_id):
            box = xywh_to_xyxy(annotation.bbox)
            if annotation.iscrowd:
                marks.ignore(frame, box)
            else:
                marks.box(frame, box, self._class_ids[str(annotation.category_id)], annotation.track, annotation.shape)

    def of(self, image_id: Identifier) -> Sequence[Annotation]:
        """The annotations of one image."""
        return self._by_image.get(str(image_id), ())

    def name_of(self, category_id: Identifier) -> str | None:
        """The name of a category; None where there is none of this id."""
        index = self._class_ids.get(str(category_id))
        return None if index is None else self.classes[index]

    def class_name(self, annotation: Annotation) -> str:
        """The name of an annotation's class."""
        return self.classes[self._class_ids[str(annotation.category_id)]]


def index_categories(categories: Sequence[Category]) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """Class names in order, and the index of every category id as text; categories of one name are one class."""
    classes = tuple(dict.fromkeys(category.name for category in categories))
    return classes, {str(category.id): classes.index(category.name) for category in categories}


def labelled_classes(where: str, names: Sequence[str] | None, classes: tuple[str, ...]) -> frozenset[int]:
    """Indices of the classes that are marked exhaustively; all where the file does not say."""
    unknown = set(names or ()) - set(classes)
    if unknown:
        raise ConfigError(f"{where}: labelled names {sorted(unknown)}, expected names of its categories {classes}")
    return frozenset(i for i, name in enumerate(classes) if names is None or name in names)


def _segmentation(given: Any) -> Segmentation | None:
    if isinstance(given, dict):
        try:
            Runs.model_validate(given)
        except ValidationError:
            return None
        return given
    if not isinstance(given, list) or not given:
        return None
    outlines = given if isinstance(given[0], list) else [given]
    fine = all(isinstance(outline, list) and len(outline) >= 6 and _are_numbers(outline) for outline in outlines)
    return outlines if fine else None


def _keypoints(given: Any) -> list[float] | None:
    return given if isinstance(given, list) and given and len(given) % 3 == 0 and _are_numbers(given) else None


def _are_numbers(given: list[Any]) -> bool:
    return all(isinstance(number, int | float) and math.isfinite(number) for number in given)


def _around(segmentation: Any) -> list[float] | None:
    """Left, top, width, height around outlines or a mask; None where they are no such thing."""
    if isinstance(segmentation, dict):
        box = Runs.model_validate(segmentation).box()
    else:
        outlines = segmentation if isinstance(segmentation[0], list) else [segmentation]
        box = box_around_flat([float(number) for outline in outlines for number in outline])
    return None if box is None else [box[0], box[1], box[2] - box[0], box[3] - box[1]]
