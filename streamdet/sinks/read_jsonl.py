"""Reads what JSON Lines hold of frames, as results again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from streamdet.detections import Detections
from streamdet.errors import ConfigError
from streamdet.frames import Frame, Image, Picture
from streamdet.masks import grid_of_rle
from streamdet.result import ClipClass, Result
from streamdet.skeleton import Skeleton

_NAN = float("nan")


class NoPicture:
    """What stands for the picture of a frame that was read from a file of detections.

    Args:
        width, height: pixels.
        path: of that file.
    """

    def __init__(self, width: int, height: int, path: Path) -> None:
        self.width, self.height, self._path = width, height, path

    def rgb(self) -> Image:
        """There is none.

        Raises:
            ValueError: always.
        """
        raise ValueError(f"{self._path} holds no pictures; read(path, video) takes them from the video")

    def scaled(self, width: int, height: int) -> Image:
        """See rgb."""
        return self.rgb()

    def copy(self) -> "NoPicture":
        """Itself."""
        return self


def read_lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a file of JSON Lines with their numbers, one at a time. A torn last line is left out.

    Raises:
        ConfigError: it cannot be read, or a line is none of streamdet.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, 1):
                if not text.endswith("\n"):
                    return
                yield number, _parsed(path, number, text)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def read_frames(path: str | Path) -> Iterator[Result]:
    """Results without pictures, in the order of the file; memory does not grow with it.

    Raises:
        ConfigError: it cannot be read, or a line is none of streamdet.
    """
    path = Path(path)
    classes: tuple[str, ...] = ()
    skeleton: Skeleton | None = None
    for number, line in read_lines(path):
        try:
            if line["type"] == "run":
                classes, skeleton = tuple(map(str, line["classes"])), skeleton_in(line)
            elif line["type"] == "frame":
                picture = NoPicture(int(line["width"]), int(line["height"]), path)
                yield result_of(line, classes, picture, skeleton)
        except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
            raise ConfigError(f"{path}:{number}: is no line of streamdet ({type(error).__name__}: {error})") from error


def skeleton_in(line: Mapping[str, Any]) -> Skeleton | None:
    """What the line of the run says of keypoints; raises what Python raises where it is none."""
    if "keypoints" not in line:
        return None
    return Skeleton(tuple(map(str, line["keypoints"])), tuple((int(a), int(b)) for a, b in line.get("skeleton", ())))


def result_of(
    line: Mapping[str, Any], classes: Sequence[str], picture: Picture, skeleton: Skeleton | None = None
) -> Result:
    """A line of type frame as a result; raises what Python raises where something is missing."""
    wall_time = line.get("wall_time")
    frame = Frame(
        str(line["source"]),
        int(line["session"]),
        int(line["frame"]),
        int(line["pts"]),
        Fraction(line["time_base"]),
        picture,
        wall_time=None if wall_time is None else datetime.fromisoformat(wall_time),
        dropped_before=int(line.get("dropped_before", 0)),
        pixel_aspect=Fraction(line.get("pixel_aspect", 1)),
    )
    said = line.get("clip_class")
    clip_class = said and ClipClass(
        tuple(said["probabilities"]), np.array(list(said["probabilities"].values()), np.float32)
    )
    found = detections_of(line["detections"], classes, skeleton)
    return Result(frame, found, line.get("latency_s"), clip_class=clip_class)


def detections_of(
    rows: Sequence[Mapping[str, Any]], classes: Sequence[str], skeleton: Skeleton | None = None
) -> Detections:
    """Those of one line; of masks, grids over the boxes."""
    boxes = np.array([row["box"] for row in rows], np.float32).reshape(-1, 4)
    optional: dict[str, Any] = {}
    if any("support" in row for row in rows):
        optional["support"] = [row.get("support", 0.0) for row in rows]
    if any("carried" in row for row in rows):
        optional["carried"] = [bool(row.get("carried", False)) for row in rows]
    if rows and all("keypoints" in row for row in rows):
        optional["keypoints"] = [row["keypoints"] for row in rows]
    if rows and all("mask" in row for row in rows):
        optional["masks"] = [grid_of_rle(row["mask"], box) for row, box in zip(rows, boxes, strict=True)]
    if any("speed_mps" in row for row in rows):
        optional["speeds_mps"] = [row.get("speed_mps", _NAN) for row in rows]
    return Detections.of(
        boxes,
        [row["score"] for row in rows],
        [row["class_id"] for row in rows],
        classes,
        [-1 if row["track"] is None else row["track"] for row in rows],
        skeleton=skeleton,
        **optional,
    )


def _parsed(path: Path, number: int, text: str) -> dict[str, Any]:
    try:
        line = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path}:{number}: expected a line of JSON, as run --detections x.jsonl writes") from error
    if not isinstance(line, dict) or "type" not in line:
        raise ConfigError(f"{path}:{number}: expected an object with a type, as run --detections x.jsonl writes")
    return line
