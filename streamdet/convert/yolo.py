"""Detections as a YOLO folder: a text file a frame, and its picture where the video is at hand."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import yaml

from streamdet.convert.found import Found
from streamdet.errors import SinkError
from streamdet.jobs.read import with_pictures
from streamdet.result import Result


def write_yolo(found: Found, folder: Path, video: Path | None) -> None:
    """Write data.yaml, labels/ and, with a video, images/ of the same names.

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
        about = {"path": ".", "train": "images", "val": "images", "names": dict(enumerate(found.classes))}
        (folder / "data.yaml").write_text(yaml.safe_dump(about, sort_keys=False), encoding="utf-8")
        for result in results:
            name = f"{result.source}_{result.index:06}"
            (folder / "labels" / f"{name}.txt").write_text("".join(_lines(result)), encoding="utf-8")
            if video is not None:
                _, data = cv2.imencode(".jpg", result.image[..., ::-1])
                (folder / "images" / f"{name}.jpg").write_bytes(data.tobytes())
    except OSError as error:
        raise SinkError(f"{folder}: cannot be written: {error.strerror}") from error


def _lines(result: Result) -> Iterator[str]:
    """Class, then centre and size as fractions of the picture."""
    for found in result.detections.finite():
        x1, y1, x2, y2 = found.box
        centre = (x1 + x2) / 2 / result.width, (y1 + y2) / 2 / result.height
        size = (x2 - x1) / result.width, (y2 - y1) / result.height
        yield f"{found.class_id} {' '.join(f'{value:.6f}' for value in (*centre, *size))}\n"
