"""Formats that keep whole tracks: their writers are those of labels in hindsight."""

from array import array
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamdet.convert.found import Found
from streamdet.convert.shapes import label_outlines, label_shapes
from streamdet.errors import ConfigError
from streamdet.hindsight.labels import ClipLabels
from streamdet.hindsight.write.formats import write_labels
from streamdet.hindsight.write.labelled_file import LabelledFile

_SHAPES = {"coco-vid": label_shapes, "cvat": label_outlines}


class _Columns:
    """The boxes of one source, 66 bytes each, and what else they have where it is asked for."""

    def __init__(self) -> None:
        self.frames, self.class_ids, self.track_ids = array("q"), array("q"), array("q")
        self.boxes, self.scores = array("d"), array("d")
        self.times: dict[int, float] = {}
        self.shapes: list[dict[str, Any]] = []
        self.size = (0, 0)

    def labels(self, min_frames: int) -> ClipLabels:
        track_ids = np.array(self.track_ids, np.int64)
        loose = np.flatnonzero(track_ids < 0)  # each is an object of its own
        track_ids[loose] = track_ids.max(initial=-1) + 1 + np.arange(len(loose))
        ids, counts = np.unique(track_ids, return_counts=True)
        sure = np.ones(len(track_ids), bool)
        labels = ClipLabels(
            np.array(self.frames, np.int64),
            np.array(self.boxes, np.float64).reshape(-1, 4),
            np.array(self.scores, np.float64),
            np.array(self.class_ids, np.int64),
            track_ids,
            sure,
            sure,
            shapes=np.array(self.shapes, np.object_) if any(self.shapes) else None,
        )
        return labels if min_frames < 2 else labels[np.isin(track_ids, ids[counts >= min_frames])]

    def times_s(self) -> NDArray[np.float64]:
        """Of every frame up to the last one; those that were not looked at are between their neighbours."""
        known = np.array(sorted(self.times))
        return np.interp(np.arange(known[-1] + 1), known, [self.times[number] for number in known.tolist()])


def write_tracks(found: Found, path: Path, form: str, video: Path | None, tolerance_px: float, min_frames: int) -> None:
    """Write coco-vid, cvat or label-studio.

    A track whose class changes has that of most of its boxes where the format gives a track one class.

    Args:
        found: what is written.
        path: the file.
        form: one of these formats.
        video: the file of the only source; without one, <source>.mp4 beside the output is named.
        tolerance_px: how far a box may be off between two keyframes.
        min_frames: shorter tracks are left out.

    Raises:
        ConfigError: the format cannot hold it.
        SinkError: it cannot be written.
    """
    if form == "cvat" or video is not None:
        found.single("cvat" if form == "cvat" else "--video")
    columns = {source: _Columns() for source in found.sources}
    for result in found.results():
        mine, boxes = columns[result.source], result.detections
        mine.times[result.index] = result.pts_s
        mine.size = result.width, result.height
        mine.frames.extend([result.index] * len(boxes))
        mine.boxes.extend(boxes.boxes.ravel().tolist())
        mine.scores.extend(boxes.scores.tolist())
        mine.class_ids.extend(boxes.class_ids.tolist())
        mine.track_ids.extend(boxes.track_ids.tolist())
        if form in _SHAPES:
            mine.shapes.extend(_SHAPES[form](result))
    files = [
        LabelledFile(
            video or path.parent / f"{source}.mp4",
            mine.size,
            mine.times_s(),
            _of_one_class(mine.labels(min_frames)) if form != "coco-vid" else mine.labels(min_frames),
            tolerance_px,
            found.skeleton,
        )
        for source, mine in columns.items()
        if mine.times
    ]
    if not files:
        raise ConfigError(f"output {path}: there are no frames to write")
    write_labels(files, found.classes, path, form)


def _of_one_class(labels: ClipLabels) -> ClipLabels:
    ids, track = np.unique(labels.track_ids, return_inverse=True)
    classes = int(labels.class_ids.max(initial=0)) + 1
    votes = np.bincount(track * classes + labels.class_ids, minlength=len(ids) * classes).reshape(-1, classes)
    labels.class_ids[:] = votes.argmax(axis=1)[track]
    return labels
