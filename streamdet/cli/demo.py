"""`streamdet demo`: the main job on the embedded scene, and how much of the scene's truth it found."""

import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import LogFormat, Progress, Quiet, Verbose
from streamdet.jobs.config import PipelineConfig
from streamdet.yaml_file import Override, load_yaml

Box = Sequence[float]  # x1 y1 x2 y2
Objects = Mapping[int, Sequence[tuple[str, Box]]]  # by frame: class and box

# What a viewer would expect to be found: more than half of it in sight, and not a speck.
_VISIBLE_FRACTION = 0.5
_SMALLEST_SIDE_PX = 16
# A street in daylight, seen from a pole: people on the pavement and the crossing, cars, a bus, things that hide them.
_FPS = Fraction(25)
_SCENE: Mapping[str, Any] = {"seed": 3, "view": "pole", "hour": 0.1, "width": 960, "height": 540, "fps": _FPS}
_FILES = {
    "demo.annotated.mp4": "the street with boxes and identities; open it in a player or a browser",
    "demo.jsonl": "every box of every frame, one JSON object a line",
    "demo.report.json": "how fast it was, and which stage bounds it",
}


def demo(
    seconds: Annotated[float, typer.Option(metavar="S", min=0.2, max=60.0, help="Duration of the scene.")] = 8.0,
    progress: Progress = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Find everyone in a synthetic street: writes demo.annotated.mp4, demo.jsonl and demo.report.json here."""
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)

    from streamdet.cli.execution import execute, prepare
    from streamdet.cli.scene import film
    from streamdet.jobs.outputs import check_files
    from streamdet.scenes.ground_truth import GroundTruth
    from streamdet.scenes.scene import SceneSpec

    check_files([Path(name) for name in _FILES], overwrite=True)
    video, detections, report = _FILES
    with tempfile.TemporaryDirectory(prefix="streamdet-demo-") as folder:
        street = Path(folder) / "street.mp4"
        street.touch()  # it has to be there when the job is checked; that comes first, rendering takes a while
        config = _job(street, video, detections, report)
        job = prepare(config)
        truth = GroundTruth()
        spec = SceneSpec(**_SCENE, frames=round(seconds * _FPS))
        log.info("rendering %g s of a street", seconds)
        film(spec, street, truth, progress)
        outcome = execute(job, progress)
    if outcome.exit_status == DONE:
        _conclude(truth.to_dict(), Path(detections), outcome.fps)
    return outcome.exit_status


def _job(street: Path, video: str, detections: str, report: str) -> PipelineConfig:
    settings = {
        "sources": [str(street)],
        "stages": ["decode", "batch", "detect", "track", "annotate", "encode", "record"],
        "encode.path": video,
        "record.path": detections,
        "report": report,
        "overwrite": True,
    }
    return load_yaml(None, PipelineConfig, [Override(key, value, key) for key, value in settings.items()])


def _conclude(labels: Mapping[str, Any], detections: Path, fps: float) -> None:
    found, there = recall(true_objects(labels), found_objects(detections.read_text(encoding="utf-8").splitlines()))
    width = max(map(len, _FILES))
    for name, what in _FILES.items():
        typer.echo(f"{name:{width}}  {what}")
    share = f"{100 * found / there:.0f} % of " if there else ""
    typer.echo(f"Found {share}the {there} objects that are well in sight (IoU of at least 0.5), at {fps:.0f} fps.")
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
