"""Average precision as COCO defines it: over IoU 0.50 to 0.95, at 0.50 and 0.75, and by object size.

Computed by faster-coco-eval, which gives pycocotools' numbers. At most 100 detections a frame and class count; small is
under 32² square pixels of the original frame, large over 96². Unlike COCO, a class is judged only in the videos that
label it, and nothing mostly inside an ignore region counts.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from streamdet.boxes import xywh_from_xyxy
from streamdet.errors import ConfigError
from streamdet.evaluation.judged import JudgedFrame, JudgedSet, Pairs, judge

# Where a figure stands in COCO's precision array: its IoU thresholds (0.50 is 0, 0.75 is 5) and its size (0 is all).
_CURVES: dict[str, tuple[slice, int]] = {
    "ap": (slice(None), 0),
    "ap50": (slice(0, 1), 0),
    "ap75": (slice(5, 6), 0),
    "ap_small": (slice(None), 1),
    "ap_medium": (slice(None), 2),
    "ap_large": (slice(None), 3),
}


def average_precision(pairs: Pairs, classes: Sequence[str], only: Collection[str] | None = None) -> dict[str, Any]:
    """AP of predictions against labels.

    Args:
        pairs: videos with one Detections a frame; frames without labels are passed over.
        classes: names of the set's classes, in the order of its class ids; matched by name with the detector's.
        only: names to judge; all by default.

    Returns:
        ap, ap50, ap75, ap_small, ap_medium, ap_large, each 0 to 1 or None where no such object is labelled (a mean
        over the classes that have some), and per_class: the same six for each judged class, by name.

    Raises:
        ConfigError: if set and detector share no class, or faster-coco-eval is not installed.
        ValueError: if a video does not have one Detections a frame.

    Source: Lin et al. 2014 (Microsoft COCO); the detection challenge's metrics.
    """
    return judged_average_precision(judge(pairs, classes, only))


def judged_average_precision(judged: JudgedSet) -> dict[str, Any]:
    """The same, of boxes that judge() has prepared."""
    precision = _precision(judged)
    by_class = {name: _figures(precision[:, :, index : index + 1]) for index, name in enumerate(judged.classes)}
    return {**_figures(precision), "per_class": by_class}


def _figures(precision: NDArray[np.float64]) -> dict[str, float | None]:
    return {name: mean_defined(precision[thresholds, ..., size]) for name, (thresholds, size) in _CURVES.items()}


def mean_defined(precision: NDArray[np.float64]) -> float | None:
    """COCO writes -1 where a class has no object of that size."""
    defined = precision[precision > -1]
    return float(defined.mean()) if defined.size else None


def require_coco_eval() -> None:
    """Say what is missing before any work is done.

    Raises:
        ConfigError: if faster-coco-eval is not installed.
    """
    if find_spec("faster_coco_eval") is None:
        raise ConfigError(
            "average precision needs faster-coco-eval, which is not installed: pip install faster-coco-eval"
        )


def _precision(judged: JudgedSet) -> NDArray[np.float64]:
    """Precision at (10 IoU thresholds, 101 recalls, classes, 4 sizes)."""
    frames = [frame for video in judged.videos for frame in video.frames if frame is not None]
    # Class by class, which gives the same: a row of every box of a long video takes much memory.
    by_class = [
        class_precision("bbox", [{}] * len(frames), _annotations(frames, class_id), _results(frames, class_id))
        for class_id in range(len(judged.classes))
    ]
    return np.concatenate(by_class, axis=2)


def class_precision(
    kind: Literal["bbox", "segm", "keypoints"],
    images: Sequence[Mapping[str, Any]],
    annotations: Iterable[dict[str, Any]],
    results: Iterable[dict[str, Any]],
) -> NDArray[np.float64]:
    """Precision of one class at (10 thresholds, 101 recalls, 1 class, sizes); -1 where nothing of a size is labelled.

    Args:
        kind: what is compared.
        images: as COCO has them; they get the ids 1 and on.
        annotations, results: rows as COCO has them, of category 1; ids of annotations are given here.

    Raises:
        ConfigError: if faster-coco-eval is not installed.
    """
    require_coco_eval()
    from faster_coco_eval import COCO, COCOeval_faster

    # From 1: COCO reads 0 as "unmatched".
    rows = [{"id": number, "category_id": 1, **row} for number, row in enumerate(annotations, start=1)]
    content = {
        "images": [{**image, "id": image_id} for image_id, image in enumerate(images, start=1)],
        "categories": [{"id": 1, "name": "object"}],
        "annotations": rows,
    }
    truth = COCO(content)
    found = truth.loadRes([{"category_id": 1, **row} for row in results])
    evaluation = COCOeval_faster(truth, found, iouType=kind)
    evaluation.evaluate()
    evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"])[..., -1]


def _annotations(frames: Sequence[JudgedFrame], class_id: int) -> Iterator[dict[str, Any]]:
    for image_id, frame in enumerate(frames, start=1):
        rows = frame.class_ids == class_id
        for box, ignored in zip(xywh_from_xyxy(frame.boxes[rows]).tolist(), frame.ignored[rows], strict=True):
            yield {"image_id": image_id, "bbox": box, "area": box[2] * box[3], "iscrowd": int(ignored)}


def _results(frames: Sequence[JudgedFrame], class_id: int) -> Iterator[dict[str, Any]]:
    for image_id, frame in enumerate(frames, start=1):
        rows = frame.found_class_ids == class_id
        boxes = xywh_from_xyxy(frame.found_boxes[rows]).tolist()
        for box, score in zip(boxes, frame.found_scores[rows].tolist(), strict=True):
            yield {"image_id": image_id, "bbox": box, "score": score}
