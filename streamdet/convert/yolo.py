"""Detections as a YOLO folder: a text file a frame, and its picture where the video is at hand."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from streamdet.convert.found import Found
from streamdet.convert.shapes import outline_of, visible_keypoints
from streamdet.errors import SinkError
from streamdet.jobs.read import with_pictures
from streamdet.result import Result


def write_yolo(found: Found, folder: Path, video: Path | None) -> None:
    """Write data.yaml, labels/ and, with a video, images/ of the same names; masks as outlines, keypoints as for pose.

    Args:
        found: what is written.
        folder: it is made.
        video: the file of the only source.

    Raises:
        ConfigError: a video is given for several sources.
        SourceError: the video cannot be read.
        SinkError: something cannot be written.
    """
    results: Iterator[Result] = found.results()
    if video is not None:
        results = with_pictures(results, found.single("--video"), video)
    try:
        for name in ("labels", "images") if video else ("labels",):
            (folder / name).mkdir(parents=True, exist_ok=True)
        about: dict[str, Any] = {
            "path": ".",
            "train": "images",
            "val": "images",
            "names": dict(enumerate(found.classes)),
        }
        for result in results:
            if result.detections.keypoints is not None and result.detections.masks is None:
                about["kpt_shape"] = list(result.detections.keypoints.shape[1:])
            name = f"{result.source}_{result.index:06}"
            (folder / "labels" / f"{name}.txt").write_text("".join(_lines(result)), encoding="utf-8")
            if video is not None:
                _, data = cv2.imencode(".jpg", result.image[..., ::-1])
                (folder / "images" / f"{name}.jpg").write_bytes(data.tobytes())
        (folder / "data.yaml").write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{folder}: cannot be written: {error.strerror}") from error


def _lines(result: Result) -> Iterator[str]:
    """Class, then an outline where there are masks; else centre and size, and keypoints where there are some.

    All are fractions of the picture.
    """
    found = result.detections.finite()
    size = np.array([result.width, result.height])
    outlines = [] if found.masks is None else found.polygons()
    points = visible_keypoints(found)
    for n, row in enumerate(found):
        box = np.array(row.box).reshape(2, 2)
        if outlines:
            values = (outline_of(outlines[n], row.box) / size).ravel().tolist()
        else:
            values = [*(box.mean(axis=0) / size), *((box[1] - box[0]) / size)]
            values += [
                value for x, y, seen in (points[n] if points else ()) for value in (x / size[0], y / size[1], seen)
            ]
        yield f"{row.class_id} {' '.join(f'{value:.6f}' for value in values)}\n"
