"""`streamdet demo`: the main job on a synthetic street, compared with the exact truth of that street."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import LogFormat, Progress, Quiet, Verbose
from streamdet.yaml_file import Override

if TYPE_CHECKING:
    from streamdet.jobs.config import PipelineConfig

Box = Sequence[float]  # x1 y1 x2 y2
Objects = Mapping[int, Sequence[tuple[str, Box]]]  # by frame: class and box

# Clearly visible: more than half of the object in sight, and not tiny.
_VISIBLE_FRACTION = 0.5
_SMALLEST_SIDE_PX = 16
# Larger than usual: of the synthetic people, 320 pixels show too little.
_IMAGE_SIZE = 640
# A street in daylight, seen from a pole: people on the pavement and the crossing, cars, a bus, things that hide them.
_FPS = Fraction(25)
_SCENE: Mapping[str, Any] = {"seed": 3, "view": "pole", "hour": 0.1, "width": 960, "height": 540, "fps": _FPS}
_FILES = {
    "demo.mp4": "the street",
    "demo.annotated.mp4": "the street with boxes and track ids; open it in a player or a browser",
    "demo.jsonl": "every box of every frame, one JSON object a line",
    "demo.report.json": "speed, and the stage that limits it",
}


def demo(
    seconds: Annotated[
        float, typer.Option(metavar="S", min=0.2, max=60.0, help="Duration of the clip in seconds.")
    ] = 8.0,
    progress: Progress = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Try streamdet on a synthetic street.

    Renders a clip, finds and follows the objects in it, and compares the result with the truth. Writes demo.mp4,
    demo.annotated.mp4, demo.jsonl and demo.report.json to the current folder; those of an earlier demo are replaced.
    """
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)

    from streamdet.cli.job import run_job
    from streamdet.cli.scene import film
    from streamdet.jobs.outputs import check_files
    from streamdet.scenes.ground_truth import GroundTruth
    from streamdet.scenes.scene import SceneSpec

    clip, video, detections, report = map(Path, _FILES)
    check_files([clip], overwrite=report.exists())  # a clip without a report may be the user's own
    check_files([video, detections, report], overwrite=True)
    truth = GroundTruth()
    log.info("rendering %g s of a street", seconds)
    film(SceneSpec(**_SCENE, frames=round(seconds * _FPS)), clip, truth, progress)
    done = run_job(_job(clip, video, detections, report), progress)
    if done.exit_status == DONE:
        _conclude(truth.to_dict(), detections, done.fps)
    return done.exit_status


def _job(clip: Path, video: Path, detections: Path, report: Path) -> "PipelineConfig":
    from streamdet.jobs.config import load_job

    settings = {
        "sources": [str(clip)],
        "detect.image_size": str(_IMAGE_SIZE),
        "stages": ["decode", "batch", "detect", "track", "annotate", "encode", "record"],
        "encode.path": str(video),
        "record.path": str(detections),
        "report": str(report),
        "overwrite": True,
    }
    return load_job(None, [Override(key, value, key) for key, value in settings.items()])


def _conclude(labels: Mapping[str, Any], detections: Path, fps: float) -> None:
    found, there = recall(true_objects(labels), found_objects(detections.read_text(encoding="utf-8").splitlines()))
    width = max(map(len, _FILES))
    for name, what in _FILES.items():
        typer.echo(f"{name:{width}}  {what}")
    share = f"{100 * found / there:.0f} % of " if there else ""
    typer.echo(
        f"Found {share}the {there} boxes of objects that are clearly visible (IoU of at least 0.5), at {fps:.0f} fps "
        f"with images of {_IMAGE_SIZE} pixels."
    )
    typer.echo("Next: streamdet run your-video.mp4")


def true_objects(labels: Mapping[str, Any]) -> Objects:
    """Objects of a scene's ground truth that are well in sight."""
    names = {category["id"]: category["name"] for category in labels["categories"]}
    frames = {image["id"]: image["frame_id"] for image in labels["images"]}
    objects = defaultdict(list)
    for row in labels["annotations"]:
        x, y, width, height = row["bbox"]
        if row["visible_fraction"] >= _VISIBLE_FRACTION and min(width, height) >= _SMALLEST_SIDE_PX:
            objects[frames[row["image_id"]]].append((names[row["category_id"]], (x, y, x + width, y + height)))
    return objects


def found_objects(lines: Sequence[str]) -> Objects:
    """Objects of a file of JSON Lines."""
    rows = [json.loads(line) for line in lines]
    return {
        row["frame"]: [(found["class"], found["box"]) for found in row["detections"]]
        for row in rows
        if row["type"] == "frame"
    }


def recall(true: Objects, found: Objects) -> tuple[int, int]:
    """How many true objects have a box of their class with an IoU of at least 0.5, and how many there are."""
    import numpy as np

    from streamdet.boxes import box_iou

    hits = 0
    for frame, objects in true.items():
        for name in {name for name, _ in objects}:
            boxes, others = (
                np.reshape([box for kind, box in rows if kind == name], (-1, 4))
                for rows in (objects, found.get(frame, ()))
            )
            hits += int((box_iou(boxes, others).max(axis=1, initial=0.0) >= 0.5).sum())
    return hits, sum(map(len, true.values()))
