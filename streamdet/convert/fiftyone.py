"""Detections in the layout of FiftyOneVideoLabelsDataset: a file of labels for each video, and a manifest.

Source: https://docs.voxel51.com/user_guide/import_datasets.html
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from streamdet.convert.found import Found
from streamdet.errors import SinkError
from streamdet.result import Result


def write_fiftyone(found: Found, folder: Path, video: Path | None) -> None:
    """Write manifest.json and labels/<source>.json; frames count from 1, boxes are fractions of the picture.

    The manifest names the videos as data/<source>.mp4; with a video, data/ has a link to it.

    Args:
        found: what is written.
        folder: it is made.
        video: the file of the only source.

    Raises:
        ConfigError: a video is given for several sources.
        SinkError: something cannot be written.
    """
    if video is not None:
        found.single("--video")
    ending = ".mp4" if video is None else video.suffix
    try:
        for name in ("labels", "data"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for source in found.sources:
            with (folder / "labels" / f"{source}.json").open("w", encoding="utf-8") as file:
                _write(file, found.of(source).results())
            link = folder / "data" / f"{source}{ending}"
            if video is not None and not link.is_symlink():
                link.symlink_to(os.path.relpath(video, link.parent))
        index = [{"data": f"data/{source}{ending}", "labels": f"labels/{source}.json"} for source in found.sources]
        manifest = {"type": "eta.core.datasets.LabeledVideoDataset", "description": "", "index": index}
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise SinkError(f"{folder}: cannot be written: {error.strerror}") from error


def _write(file: TextIO, results: Iterator[Result]) -> None:
    file.write('{"frames": {')
    for number, result in enumerate(results):
        objects = [_object(row, result.width, result.height) for row in result.detections.to_dicts()]
        frame = {"frame_number": result.index + 1, "objects": {"objects": objects}}
        file.write(f'{"," if number else ""}\n"{result.index + 1}": {json.dumps(frame)}')
    file.write("\n}}\n")


def _object(row: dict[str, Any], width: int, height: int) -> dict[str, Any]:
    x1, y1, x2, y2 = row["box"]
    corners = {"top_left": (x1, y1), "bottom_right": (x2, y2)}
    box = {name: {"x": round(x / width, 6), "y": round(y / height, 6)} for name, (x, y) in corners.items()}
    found = {"label": row["class"], "confidence": row["score"], "bounding_box": box}
    return found if row["track"] is None else {**found, "index": row["track"]}
