"""Labels as COCO-VID, which `datasets.coco_vid` reads.

Beyond what that says, an annotation has `score`, and `named`: 0 where the detectors do not agree on its class, so that
its class is only the likeliest or a general one. What is not sure has `iscrowd` 1: nothing inside it counts.
"""

import json
import os
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from streamdet.datasets.marks import unbroken_segments
from streamdet.hindsight.write.labelled_file import LabelledFile


def coco_vid(files: Sequence[LabelledFile], classes: Sequence[str], path: Path) -> Iterator[str]:
    """The text of one file for all videos, piece by piece.

    Args:
        files: the videos.
        classes: of the labels.
        path: where it will lie; videos are named relative to its folder.
    """
    points = next((file.skeleton for file in files if file.skeleton is not None), None)
    more = {} if points is None else {"keypoints": points.names, "skeleton": [[a + 1, b + 1] for a, b in points.links]}
    categories = [{"id": index + 1, "name": name, **more} for index, name in enumerate(classes)]
    videos = [_video(index + 1, file, classes, path.parent) for index, file in enumerate(files)]
    yield f'{{"categories": {json.dumps(categories)},\n"videos": {json.dumps(videos)},\n"images": [\n'
    yield from _rows(chain.from_iterable(_images(files)))
    yield '],\n"annotations": [\n'
    yield from _rows(_annotations(files))
    yield "]}\n"


def _rows(rows: Iterator[dict[str, Any]]) -> Iterator[str]:
    for number, row in enumerate(rows):
        yield f"{',' if number else ''}{json.dumps(row)}\n"


def _video(number: int, file: LabelledFile, classes: Sequence[str], folder: Path) -> dict[str, Any]:
    return {
        "id": number,
        "name": file.path.stem,
        "file_name": os.path.relpath(file.path, folder),
        "width": file.size[0],
        "height": file.size[1],
        "frames": len(file.times_s),
        "labelled": list(classes),
        "segments": unbroken_segments(file.times_s),
    }


def _images(files: Sequence[LabelledFile]) -> Iterator[list[dict[str, Any]]]:
    first = 1
    for number, file in enumerate(files, start=1):
        yield [
            {"id": first + frame, "video_id": number, "frame_id": frame, "time_s": round(float(time_s), 6)}
            for frame, time_s in enumerate(file.times_s)
        ]
        first += len(file.times_s)


def _annotations(files: Sequence[LabelledFile]) -> Iterator[dict[str, Any]]:
    first, number = 1, 1
    for file in files:
        labels = file.labels
        corners = np.round(labels.boxes, 2)
        for row in range(len(labels)):
            x1, y1, x2, y2 = corners[row].tolist()
            yield {
                "id": number,
                "image_id": first + int(labels.frames[row]),
                "category_id": int(labels.class_ids[row]) + 1,
                "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                "area": round((x2 - x1) * (y2 - y1), 2),
                "iscrowd": int(not labels.sure[row]),
                "track_id": int(labels.track_ids[row]),
                "score": round(float(labels.scores[row]), 4),
                "named": int(labels.named[row]),
                **({} if labels.shapes is None else labels.shapes[row]),
            }
            number += 1
        first += len(file.times_s)
