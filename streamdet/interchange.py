"""Columns of detections as rows of COCO, and as those of the supervision library and back."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import xywh_from_xyxy
from streamdet.columns import OPTIONAL
from streamdet.masks import GRID, grid_of, grid_of_rle, pixels_of

if TYPE_CHECKING:
    import supervision


def coco_rows(
    image_id: int,
    category_ids: Sequence[int],
    columns: Mapping[str, NDArray[Any]],
    masks: Sequence[Mapping[str, Any]] | None,
) -> list[dict[str, Any]]:
    """Rows of a COCO results file; see `Detections.to_coco`.

    Args:
        image_id: of the frame.
        category_ids: of the N boxes.
        columns: of detections.
        masks: of the N boxes, as run lengths.
    """
    boxes = xywh_from_xyxy(columns["boxes"].astype(np.float64)).round(2).tolist()
    rows: list[dict[str, Any]] = [
        {"image_id": image_id, "category_id": category_id, "bbox": box, "score": round(score, 5)}
        for category_id, box, score in zip(category_ids, boxes, columns["scores"].tolist(), strict=True)
    ]
    for row, mask in zip(rows, masks or (), strict=masks is not None):
        row["segmentation"] = mask
    if "keypoints" in columns:
        for row, points in zip(rows, np.nan_to_num(columns["keypoints"].astype(np.float64)).round(4), strict=True):
            row["keypoints"] = points.ravel().tolist()
    return rows


def coco_columns(rows: Sequence[Mapping[str, Any]], boxes: NDArray[np.floating[Any]]) -> dict[str, Any]:
    """Masks and keypoints of rows of COCO results, where all have them; boxes are (N, 4) xyxy."""
    columns: dict[str, Any] = {}
    if rows and all(isinstance(row.get("segmentation"), dict) for row in rows):
        columns["masks"] = [grid_of_rle(row["segmentation"], box) for row, box in zip(rows, boxes, strict=True)]
    if rows and all("keypoints" in row for row in rows):
        columns["keypoints"] = np.array([row["keypoints"] for row in rows], np.float32).reshape(len(rows), -1, 3)
    return columns


def to_supervision(
    columns: Mapping[str, NDArray[Any]], class_names: NDArray[np.str_], planes: NDArray[np.bool_] | None
) -> "supervision.Detections":
    """Its detections, of copies; optional columns are in its `data`. Track ids are left out where there are none.

    Args:
        columns: of detections.
        class_names: (N,) of them.
        planes: (N, height, width) bool, masks.

    Raises:
        ModuleNotFoundError: supervision is not installed.
    """
    try:
        import supervision
    except ModuleNotFoundError as error:
        if error.name != "supervision":
            raise
        raise ModuleNotFoundError(
            "to_supervision needs supervision, which is not installed: pip install supervision", name="supervision"
        ) from error
    track_ids = columns["track_ids"]
    converted: supervision.Detections = supervision.Detections(
        xyxy=columns["boxes"].copy(),
        confidence=columns["scores"].copy(),
        class_id=columns["class_ids"].astype(int),
        tracker_id=track_ids.astype(int) if (track_ids >= 0).any() else None,
        mask=planes,
        data={"class_name": class_names} | {name: columns[name].copy() for name in columns if name in OPTIONAL},
    )
    return converted


def from_supervision(found: "supervision.Detections") -> dict[str, Any]:
    """The optional columns that its `data` has; masks are made of its pixel masks where it has no grids."""
    columns = {name: found.data[name] for name in OPTIONAL if name in found.data}
    if "masks" not in columns and found.mask is not None:
        planes = np.asarray(found.mask)
        rectangles = pixels_of(np.asarray(found.xyxy, np.float32), planes.shape[2], planes.shape[1]).tolist()
        grids = [grid_of(plane[y1:y2, x1:x2]) for plane, (x1, y1, x2, y2) in zip(planes, rectangles, strict=True)]
        columns["masks"] = np.array(grids, np.uint8).reshape(-1, GRID, GRID)
    return columns
