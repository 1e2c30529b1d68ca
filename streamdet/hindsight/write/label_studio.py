"""Labels as Label Studio JSON, which `datasets.label_studio` reads: a task a video, a region an object.

The project's labelling configuration needs a Video named `video`, a VideoRectangle named `box`, and Labels with the
classes and `ignore`. Boxes are keyframes between which Label Studio moves them linearly.

Source: https://labelstud.io/tags/videorectangle; https://labelstud.io/guide/export
"""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from streamdet.hindsight.write.labelled_file import LabelledFile, Span, spans_of_tracks


def label_studio(files: Sequence[LabelledFile], classes: Sequence[str], path: Path) -> Iterator[str]:
    """The text of one file for all videos, piece by piece; see coco_vid."""
    yield "[\n"
    for number, file in enumerate(files):
        task = {
            "id": number + 1,
            "data": {"video": os.path.relpath(file.path, path.parent)},
            "annotations": [{"result": [_region(file, *track) for track in spans_of_tracks(file, tuple(classes))]}],
        }
        yield f"{',' if number else ''}{json.dumps(task)}\n"
    yield "]\n"


def _region(file: LabelledFile, track_id: int, name: str, spans: Sequence[Span]) -> dict[str, Any]:
    step_s = float(np.median(np.diff(file.times_s))) if len(file.times_s) > 1 else 0.0
    return {
        "id": str(track_id),
        "type": "videorectangle",
        "from_name": "box",
        "to_name": "video",
        "origin": "prediction",
        "value": {
            "framesCount": len(file.times_s),
            "duration": round(float(file.times_s[-1] - file.times_s[0]) + step_s, 3),
            "sequence": [key for span in spans for key in _keys(file, span)],
            "labels": [name],
        },
    }


def _keys(file: LabelledFile, span: Span) -> Iterator[dict[str, Any]]:
    """Percent of the frame; frames count from 1; the last key of a span says that the box ends there."""
    width, height = file.size
    for frame, (x1, y1, x2, y2) in zip(span.frames.tolist(), span.boxes.tolist(), strict=True):
        yield {
            "frame": frame + 1,
            "time": round(float(file.times_s[frame] - file.times_s[0]), 4),
            "enabled": frame != int(span.frames[-1]),
            "rotation": 0,
            "x": round(100 * x1 / width, 4),
            "y": round(100 * y1 / height, 4),
            "width": round(100 * (x2 - x1) / width, 4),
            "height": round(100 * (y2 - y1) / height, 4),
        }
