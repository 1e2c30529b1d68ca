"""What a detector finds in one frame, as columns of equal length."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import compress
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from streamdet.boxes import Letterbox, xywh_from_xyxy, xyxy_from_xywh
from streamdet.columns import COLUMNS, OPTIONAL, Detection, check_columns, indices
from streamdet.interchange import coco_columns, coco_rows, from_supervision, to_supervision
from streamdet.masks import Plane, Rectangle, coco_rle, outlines, over_other_boxes, pasted, pixels_of
from streamdet.skeleton import Skeleton
from streamdet.tables import OBJECT_COLUMNS, data_frame, object_row

if TYPE_CHECKING:
    import pandas
    import supervision


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """N boxes of one frame. Iterating over it gives a Detection for each.

    Attributes:
        boxes: (N, 4) float32, xyxy, pixels of the original frame, clipped to it.
        scores: (N,) float32, 0 to 1, descending as a detector returns them.
        class_ids: (N,) int64, index into classes.
        track_ids: (N,) int64, equal for the same object in all frames; -1 where a box has none yet.
        classes: the model's class names.
        class_scores: (N, K) float32, 0 to 1, the score of each of the model's K classes; None where not known,
            as with all columns from here on.
        masks: (N, 28, 28) uint8, how sure each cell of a grid over the box is part of the object, 0 to 255.
        keypoints: (N, P, 3) float32, x and y in pixels of the original frame, and a score of 0 to 1.
        embeddings: (N, D) float32, alike for objects that look alike.
        support: (N,) float32, 0 to 1, how much of the detection is due to earlier frames.
        carried: (N,) bool, True where the box was not found in this frame but predicted from earlier ones.
        inside: (N, Z) bool, in which of the areas of `Result.zones` each object is.
        speeds_mps: (N,) float32, metres a second on the ground; NaN where not known.
        skeleton: what the P keypoints are, where the detector says it.

    Raises:
        ValueError: a column has another number of rows or another shape than these, or class_ids has no name.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    track_ids: NDArray[np.int64]
    classes: tuple[str, ...]
    class_scores: NDArray[np.float32] | None = None
    masks: NDArray[np.uint8] | None = None
    keypoints: NDArray[np.float32] | None = None
    embeddings: NDArray[np.float32] | None = None
    support: NDArray[np.float32] | None = None
    carried: NDArray[np.bool_] | None = None
    inside: NDArray[np.bool_] | None = None
    speeds_mps: NDArray[np.float32] | None = None
    skeleton: Skeleton | None = None

    def __post_init__(self) -> None:
        n = len(self.scores)
        check_columns(self.columns(), n)
        if n and not 0 <= self.class_ids.min() <= self.class_ids.max() < len(self.classes):
            raise ValueError(f"class_ids must be 0 to {len(self.classes) - 1}, got {np.unique(self.class_ids)}")

    @classmethod
    def of(
        cls,
        boxes: ArrayLike,
        scores: ArrayLike,
        class_ids: ArrayLike,
        classes: Sequence[str],
        track_ids: ArrayLike | None = None,
        skeleton: Skeleton | None = None,
        **optional: ArrayLike | None,
    ) -> Detections:
        """Build from numbers of any type; without track_ids every one is -1.

        Args:
            boxes, scores, class_ids, track_ids: the columns.
            classes: the model's class names.
            skeleton: of the keypoints.
            optional: further columns by name.
        """
        if unknown := set(optional) - set(OPTIONAL):
            raise TypeError(f"no column is called {min(unknown)}; there are {', '.join(OPTIONAL)}")
        n = len(np.asarray(scores))
        return cls(
            boxes=np.asarray(boxes, np.float32).reshape(n, 4),
            scores=np.asarray(scores, np.float32),
            class_ids=np.asarray(class_ids, np.int64),
            track_ids=np.full(n, -1, np.int64) if track_ids is None else np.asarray(track_ids, np.int64),
            classes=tuple(classes),
            skeleton=skeleton,
            **{name: np.asarray(column, OPTIONAL[name][0]) for name, column in optional.items() if column is not None},
        )

    @classmethod
    def empty(cls, classes: Sequence[str], skeleton: Skeleton | None = None) -> Detections:
        """No boxes."""
        return cls.of(np.zeros((0, 4)), [], [], classes, skeleton=skeleton)

    @classmethod
    def concatenate(cls, parts: Sequence[Detections]) -> Detections:
        """All rows of several, which must have the same classes and, but for empty ones, the same columns.

        Raises:
            ValueError: there are none, or they differ.
        """
        if not parts or any(part.classes != parts[0].classes for part in parts):
            raise ValueError("expected at least one Detections to concatenate, all of the same classes")
        filled = [part for part in parts if len(part)] or [parts[0]]
        names = [tuple(part.columns()) for part in filled]
        if len(set(names)) > 1:
            differing = sorted(set(sum(names, ())) - set(names[0]).intersection(*names))
            raise ValueError(f"{', '.join(differing)}: only some of the detections to concatenate have it")
        columns = {name: np.concatenate([part.columns()[name] for part in filled]) for name in names[0]}
        return cls(classes=parts[0].classes, skeleton=filled[0].skeleton, **columns)

    def __len__(self) -> int:
        return len(self.scores)

    def __iter__(self) -> Iterator[Detection]:
        columns = (self.boxes, self.scores, self.class_ids, self.track_ids)
        for box, score, class_id, track_id in zip(*(column.tolist() for column in columns), strict=True):
            yield Detection(tuple(box), score, class_id, self.classes[class_id], track_id)

    def __getitem__(self, rows: slice | ArrayLike) -> Detections:
        """Rows by index, array of indices, mask (array or list) or slice, such as `found[found.scores > 0.5]`.

        Raises:
            ValueError: a mask does not have one value a box.
            TypeError: it is none of these.
        """
        chosen = rows if isinstance(rows, slice) else indices(rows, len(self))
        columns: dict[str, Any] = {name: column[chosen] for name, column in self.columns().items()}
        return replace(self, **columns)

    @property
    def xyxy(self) -> NDArray[np.float32]:
        """The same as boxes."""
        return self.boxes

    @property
    def conf(self) -> NDArray[np.float32]:
        """The same as scores."""
        return self.scores

    @property
    def cls(self) -> NDArray[np.int64]:
        """The same as class_ids."""
        return self.class_ids

    @property
    def id(self) -> NDArray[np.int64]:
        """The same as track_ids: -1 where a box has no track."""
        return self.track_ids

    @property
    def class_names(self) -> NDArray[np.str_]:
        """(N,) name of each box's class, so that `found[found.class_names == "person"]` gives the people."""
        names: NDArray[np.str_] = np.array(self.classes, np.str_)[self.class_ids]
        return names

    def columns(self) -> dict[str, NDArray[Any]]:
        """The columns that are there, by name."""
        columns = {name: getattr(self, name) for name in COLUMNS}
        return {name: column for name, column in columns.items() if column is not None}

    def of_class(self, *names: str) -> Detections:
        """The boxes of these classes.

        Raises:
            ValueError: the model has no such class.
        """
        for name in names:
            if name not in self.classes:
                close = get_close_matches(name, self.classes, 1)
                hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(self.classes)}"
                raise ValueError(f"no class is called {name}; {hint}")
        return self[np.isin(self.class_ids, [self.classes.index(name) for name in names])]

    def finite(self) -> Detections:
        """The boxes that are numbers: neither a picture nor a file has a place for NaN."""
        rows = np.isfinite(self.boxes).all(axis=1) & np.isfinite(self.scores)
        return self if rows.all() else self[rows]

    def with_track_ids(self, track_ids: ArrayLike) -> Detections:
        """The same boxes with other track ids."""
        return replace(self, track_ids=np.asarray(track_ids, np.int64))

    def with_zones(self, inside: ArrayLike, speeds_mps: ArrayLike | None) -> Detections:
        """The same boxes with the areas that they are in, and their speeds where the ground is known."""
        speeds = None if speeds_mps is None else np.asarray(speeds_mps, np.float32)
        return replace(self, inside=np.asarray(inside, np.bool_), speeds_mps=speeds)

    def with_boxes(self, boxes: ArrayLike) -> Detections:
        """The same objects with other boxes, for example in pixels of another picture."""
        return replace(self, boxes=np.asarray(boxes, np.float32))

    def mask(self, row: int, width: int, height: int) -> Plane:
        """The mask of one object.

        Args:
            row: of the detections.
            width, height: of the picture, pixels.

        Returns:
            (height, width) bool, True where the object is.

        Raises:
            ValueError: there are no masks.
        """
        plane = np.zeros((height, width), np.bool_)
        for (left, top, right, bottom), part in self[[row]].planes(width, height):
            plane[top:bottom, left:right] = part
        return plane

    def polygons(self) -> list[list[NDArray[np.float32]]]:
        """The outer outlines of each object's parts, (P, 2) float32 x and y in pixels; holes are filled.

        Raises:
            ValueError: there are no masks.
        """
        return [outlines(plane, *rectangle[:2]) for rectangle, plane in self.planes()]

    def rles(self, width: int, height: int) -> list[dict[str, Any]]:
        """The masks as COCO's tools read them: {"size": [height, width], "counts": text} for each object.

        Args:
            width, height: of the picture, pixels.

        Raises:
            ValueError: there are no masks.
        """
        return [coco_rle(plane, *at[:2], width, height) for at, plane in self.planes(width, height)]

    def planes(self, width: int | None = None, height: int | None = None) -> Iterator[tuple[Rectangle, Plane]]:
        """The pixels of each box, and which of them are the object; arguments as of `rles`."""
        if self.masks is None:
            raise ValueError("these detections have no masks: their detector gives boxes alone")
        for grid, rectangle in zip(self.masks, pixels_of(self.boxes, width, height).tolist(), strict=True):
            yield rectangle, pasted(grid, rectangle)

    def to_dicts(self, areas: Sequence[str] = (), masks_of: tuple[int, int] | None = None) -> list[dict[str, Any]]:
        """What JSON Lines hold of each box; those that are no numbers are left out.

        Args:
            areas: names of the columns of `inside`.
            masks_of: width and height of the picture, pixels, for masks as well, where there are some.
        """
        found = self.finite()
        return [
            {
                "box": [round(edge, 2) for edge in row.box],
                "class": row.class_name,
                "class_id": row.class_id,
                "score": round(row.score, 4),
                "track": row.track_id if row.track_id >= 0 else None,
                **more,
            }
            for row, more in zip(found, found._optional_dicts(areas, masks_of), strict=True)
        ]

    def _optional_dicts(self, areas: Sequence[str], masks_of: tuple[int, int] | None) -> list[dict[str, Any]]:
        """What each detection has beside what all have, where a stage gives it."""
        rows: list[dict[str, Any]] = [{} for _ in range(len(self))]
        if self.support is not None:
            for row, support in zip(rows, self.support.tolist(), strict=True):
                row["support"] = round(support, 3)
        if self.carried is not None:
            for row, carried in zip(rows, self.carried.tolist(), strict=True):
                row.update({"carried": True} if carried else {})
        if self.masks is not None and masks_of is not None:
            for row, rle in zip(rows, self.rles(*masks_of), strict=True):
                row["mask"] = rle
        if self.keypoints is not None:
            known = np.where(np.isfinite(self.keypoints).all(axis=2, keepdims=True), self.keypoints, 0)
            for row, points in zip(rows, known.tolist(), strict=True):
                row["keypoints"] = [[round(x, 2), round(y, 2), round(score, 4)] for x, y, score in points]
        if self.inside is not None:
            for row, inside in zip(rows, self.inside.tolist(), strict=True):
                row.update({"zones": names} if (names := list(compress(areas, inside))) else {})
        if self.speeds_mps is not None:
            for row, speed in zip(rows, self.speeds_mps.tolist(), strict=True):
                row.update({"speed_mps": round(speed, 2)} if math.isfinite(speed) else {})
        return rows

    def to_df(self) -> pandas.DataFrame:
        """A table with a row for each box: track, class, class_id, score, x1, y1, x2, y2, and what else there is.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        return data_frame(map(object_row, self.to_dicts()), OBJECT_COLUMNS)

    def restored(self, box: Letterbox) -> Detections:
        """Boxes, masks and keypoints of the model image as those of the frame, boxes clipped to it."""
        scale = np.array([box.width / box.scaled_width, box.height / box.scaled_height] * 2, np.float32)
        found = self.with_boxes(box.restore(self.boxes))
        if self.masks is not None:
            found = replace(found, masks=over_other_boxes(self.masks, self.boxes * scale, found.boxes))
        if self.keypoints is not None:
            found = replace(found, keypoints=self.keypoints * np.append(scale[:2], np.float32(1)))
        return found

    def to_supervision(self, size: tuple[int, int] | None = None) -> supervision.Detections:
        """Convert for the supervision library; optional columns are found in its `data`.

        Args:
            size: width and height of the picture, pixels: masks are then (N, height, width) bool in its `mask`.

        Raises:
            ModuleNotFoundError: supervision is not installed.
        """
        planes = None
        if size is not None and self.masks is not None:
            planes = np.array([self.mask(row, *size) for row in range(len(self))], np.bool_).reshape(-1, *size[::-1])
        return to_supervision(self.columns(), self.class_names, planes)

    @classmethod
    def from_supervision(cls, found: supervision.Detections, classes: Sequence[str]) -> Detections:
        """Convert from the supervision library; of its pixel masks, grids are kept.

        Args:
            found: its class_id are indices into classes; without them all are 0, and without confidence all scores 1.
            classes: names of the classes.
        """
        n = len(found)
        return cls.of(
            found.xyxy,
            np.ones(n) if found.confidence is None else found.confidence,
            np.zeros(n) if found.class_id is None else found.class_id,
            classes,
            found.tracker_id,
            **from_supervision(found),
        )

    def to_coco(
        self, image_id: int, category_ids: Sequence[int] | None = None, masks_of: tuple[int, int] | None = None
    ) -> list[dict[str, Any]]:
        """Rows of a COCO results file: xywh boxes, and keypoints where there are some.

        Args:
            image_id: of the frame.
            category_ids: class index to id; index + 1 by default.
            masks_of: as in `to_dicts`.
        """
        ids = range(1, len(self.classes) + 1) if category_ids is None else category_ids
        masks = self.rles(*masks_of) if self.masks is not None and masks_of is not None else None
        return coco_rows(image_id, [ids[class_id] for class_id in self.class_ids.tolist()], self.columns(), masks)

    @classmethod
    def from_coco(
        cls, rows: Sequence[Mapping[str, Any]], classes: Sequence[str], category_ids: Sequence[int] | None = None
    ) -> Detections:
        """From rows of one image of a COCO results file, with masks and keypoints where all have them.

        Args:
            rows: of the file.
            classes: names of the classes.
            category_ids: as in `to_coco`.

        Raises:
            ValueError: a row has a category that is not among them.
        """
        ids = list(range(1, len(classes) + 1)) if category_ids is None else list(category_ids)
        if unknown := {row["category_id"] for row in rows} - set(ids):
            raise ValueError(f"category_id {min(unknown)} is not one of {', '.join(map(str, ids))}")
        boxes = xyxy_from_xywh(np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4))
        class_ids = [ids.index(row["category_id"]) for row in rows]
        return cls.of(boxes, [row["score"] for row in rows], class_ids, classes, **coco_columns(rows, boxes))

    def to_mot(self, frame_number: int) -> list[str]:
        """Lines of a MOTChallenge file; frame_number counts from 1. The format has no column for classes."""
        boxes = xywh_from_xyxy(self.boxes.astype(np.float64)).tolist()
        return [
            f"{frame_number},{row.track_id},{x:.2f},{y:.2f},{width:.2f},{height:.2f},{row.score:.4f},-1,-1,-1"
            for row, (x, y, width, height) in zip(self, boxes, strict=True)
        ]

    @classmethod
    def from_mot(cls, lines: Sequence[str], classes: Sequence[str]) -> Detections:
        """From lines of one frame of a MOTChallenge result file; every box is of the first of the classes."""
        table = np.array([line.split(",")[:7] for line in lines], np.float64).reshape(-1, 7)
        boxes = xyxy_from_xywh(table[:, 2:6])
        return cls.of(boxes, table[:, 6], np.zeros(len(table)), classes, table[:, 1])
