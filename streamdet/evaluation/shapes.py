"""Average precision of masks and of keypoints, where the set has them and the detector gives them.

As COCO defines both: masks by their IoU, keypoints by the similarity of a person's 17 (OKS), at most 20 people a frame.
The same objects are judged as boxes are, see judged.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from streamdet.boxes import box_areas, xywh_from_xyxy
from streamdet.datasets.labels import Shape
from streamdet.detections import Detections
from streamdet.evaluation.average_precision import class_precision, mean_defined
from streamdet.evaluation.judged import FrameLabels, JudgedFrame, JudgedSet, Pairs
from streamdet.masks import unpacked_runs
from streamdet.skeleton import COCO_PERSON

log = logging.getLogger("streamdet.evaluation")
_POINTS = len(COCO_PERSON.names)
Row = dict[str, Any]
_SIZES: Mapping[str, Mapping[str, int]] = {
    "segm": {"ap": 0, "ap50": 0, "ap75": 0, "ap_small": 1, "ap_medium": 2, "ap_large": 3},
    "keypoints": {"ap": 0, "ap50": 0, "ap75": 0, "ap_medium": 1, "ap_large": 2},
}
_THRESHOLDS = {"ap50": slice(0, 1), "ap75": slice(5, 6)}


@dataclass(frozen=True, slots=True, eq=False)
class _Frame:
    """A frame with labels, of a picture of this width and height."""

    labels: FrameLabels
    found: Detections
    judged: JudgedFrame
    size: tuple[int, int]


def shape_figures(pairs: Pairs, judged: JudgedSet) -> dict[str, Any]:
    """Average precision of masks and keypoints.

    Args:
        pairs: videos with one Detections a frame.
        judged: what judge() made of them.

    Returns:
        masks: ap, ap50, ap75, ap_small, ap_medium, ap_large over the frames in which every object has a mask;
        keypoints: ap, ap50, ap75, ap_medium, ap_large. Each is missing where the set has none, or the detector.
    """
    frames = list(_frames(pairs, judged))
    masked = [frame for frame in frames if all(shape.segmentation is not None for shape in _shapes(frame))]
    figures: dict[str, Any] = {}
    if _any(frames, "segmentation") and any(frame.found.masks is not None for frame in frames):
        figures["masks"] = _average_precision("segm", masked, judged, _masks_of, _found_masks)
    if _any(frames, "keypoints") and any(frame.found.keypoints is not None for frame in frames):
        if _are_of_people(frames):
            figures["keypoints"] = _average_precision("keypoints", frames, judged, _points_of, _found_points)
        else:
            log.warning("keypoints are not judged: that is defined for the %d of COCO's people alone", _POINTS)
    return figures


def _frames(pairs: Pairs, judged: JudgedSet) -> Iterator[_Frame]:
    for (video, predictions), of_video in zip(pairs, judged.videos, strict=True):
        for labels, found, frame in zip(video.labels, predictions, of_video.frames, strict=True):
            if labels is not None and frame is not None:
                yield _Frame(labels, found, frame, (video.width, video.height))


def _shapes(frame: _Frame) -> list[Shape]:
    """Of the objects that are judged."""
    shapes = frame.labels.shapes or (Shape(),) * len(frame.labels.boxes)
    return [shapes[row] for row in frame.judged.rows.tolist()]


def _any(frames: Sequence[_Frame], name: Literal["segmentation", "keypoints"]) -> bool:
    return any(getattr(shape, name) is not None for frame in frames for shape in _shapes(frame))


def _are_of_people(frames: Sequence[_Frame]) -> bool:
    marked = {len(shape.keypoints) // 3 for frame in frames for shape in _shapes(frame) if shape.keypoints is not None}
    given = {frame.found.keypoints.shape[1] for frame in frames if frame.found.keypoints is not None}
    return marked == given == {_POINTS}


def _average_precision(
    kind: Literal["segm", "keypoints"],
    frames: Sequence[_Frame],
    judged: JudgedSet,
    marked: Callable[[_Frame, int], Iterator[Row]],
    found: Callable[[_Frame, int], Iterator[Row]],
) -> dict[str, float | None]:
    images = [{"width": frame.size[0], "height": frame.size[1]} for frame in frames]

    def rows(of_frame: Callable[[_Frame, int], Iterator[Row]], class_id: int) -> Iterator[Row]:
        for image_id, frame in enumerate(frames, start=1):
            for row in of_frame(frame, class_id):
                yield {"image_id": image_id, **row}

    by_class = [
        class_precision(kind, images, rows(marked, class_id), rows(found, class_id))
        for class_id in range(len(judged.classes))
    ]
    precision = np.concatenate(by_class, axis=2)
    return {
        name: mean_defined(precision[_THRESHOLDS.get(name, slice(None)), ..., size])
        for name, size in _SIZES[kind].items()
    }


def _marked_objects(frame: _Frame, class_id: int) -> Iterator[tuple[Shape, Row]]:
    """Each object of a class, and what COCO says of it whatever is compared."""
    judged = frame.judged
    boxes, areas = xywh_from_xyxy(judged.boxes).tolist(), box_areas(judged.boxes).tolist()
    for n, shape in enumerate(_shapes(frame)):
        if judged.class_ids[n] == class_id:
            area = _area(shape) or areas[n]
            yield shape, {"bbox": boxes[n], "area": area, "iscrowd": int(judged.ignored[n])}


def _area(shape: Shape) -> float | None:
    """Square pixels of an object, as far as it is marked."""
    if shape.area is not None or shape.segmentation is None:
        return shape.area
    if isinstance(shape.segmentation, dict):
        counts = shape.segmentation["counts"]
        return float(sum((unpacked_runs(counts) if isinstance(counts, str) else counts)[1::2]))
    corners = (np.reshape(outline, (-1, 2)).T for outline in shape.segmentation)
    return sum(abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2 for x, y in corners)


def _masks_of(frame: _Frame, class_id: int) -> Iterator[Row]:
    for shape, row in _marked_objects(frame, class_id):
        yield {**row, "segmentation": shape.segmentation}


def _points_of(frame: _Frame, class_id: int) -> Iterator[Row]:
    for shape, row in _marked_objects(frame, class_id):
        points = list(shape.keypoints or [0.0] * (3 * _POINTS))
        yield {**row, "keypoints": points, "num_keypoints": sum(seen > 0 for seen in points[2::3])}


def _found_masks(frame: _Frame, class_id: int) -> Iterator[Row]:
    found = _found(frame, class_id)
    for mask, score in zip(found.rles(*frame.size) if len(found) else (), found.scores.tolist(), strict=True):
        yield {"segmentation": mask, "score": score}


def _found_points(frame: _Frame, class_id: int) -> Iterator[Row]:
    found = _found(frame, class_id)
    if found.keypoints is not None:
        for points, score in zip(found.keypoints.astype(np.float64), found.scores.tolist(), strict=True):
            yield {"keypoints": points.ravel().tolist(), "score": score}


def _found(frame: _Frame, class_id: int) -> Detections:
    """The detections of a class that are judged."""
    return frame.found[frame.judged.found_rows[frame.judged.found_class_ids == class_id]]
