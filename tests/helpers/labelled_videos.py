"""Small labelled videos built from plain lists."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from streamdet.datasets.labels import LabelledVideo, Labels
from streamdet.detections import Detections

CLASSES = ("car", "person")


def labels(rows: Sequence[Sequence[float]], ignore: Sequence[Sequence[float]] = ()) -> Labels:
    """Rows of x1, y1, x2, y2, class_id, track_id."""
    table = np.array(rows, np.float64).reshape(-1, 6)
    return Labels(
        boxes=table[:, :4].astype(np.float32),
        class_ids=table[:, 4].astype(np.int64),
        track_ids=table[:, 5].astype(np.int64),
        ignore=np.array(ignore, np.float32).reshape(-1, 4),
    )


def found(rows: Sequence[Sequence[float]], classes: tuple[str, ...] = CLASSES) -> Detections:
    """Rows of x1, y1, x2, y2, class_id, score, track_id."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    return Detections.of(table[:, :4], table[:, 5], table[:, 4], classes, table[:, 6])


def video(frames: Sequence[Labels | None], /, **changes: Any) -> LabelledVideo:
    """A video of 640×480 at 10 frames a second, both classes labelled."""
    fields: dict[str, Any] = {
        "name": "clip",
        "width": 640,
        "height": 480,
        "times_s": np.arange(len(frames)) / 10,
        "labels": tuple(frames),
        "labelled": frozenset({0, 1}),
        "segments": ((0, len(frames)),),
        "frames": None,
    }
    return LabelledVideo(**{**fields, **changes})


class Build:
    """The builders above, and the classes they number."""

    classes = CLASSES
    labels = staticmethod(labels)
    found = staticmethod(found)
    video = staticmethod(video)
