"""`streamdet eval`: how good a detector is on labelled footage, and what its memory is worth."""

import json
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.detections import Detections

_MEMORIES = ("carry", "reset", "shuffle")


def evaluate(
    data: Annotated[
        Path, typer.Argument(metavar="DATA", help="Labels: COCO-VID, COCO, MOT, YOLO, CVAT, KITTI, ... file or folder.")
    ],
    model: Annotated[str, typer.Option(metavar="NAME|PATH", help="street, or a checkpoint.")] = "street",
    split: Annotated[str | None, typer.Option(metavar="S", help="Part of a set that has several.")] = None,
    memory: Annotated[
        str,
        typer.Option(metavar="carry|reset|shuffle", help="reset: forget every frame; shuffle: frames out of order."),
    ] = "carry",
    classes: Annotated[str | None, typer.Option(metavar="A,B", help="Only these classes.")] = None,
    track: Annotated[bool, typer.Option("--track/--no-track", help="Identities, for HOTA and IDF1.")] = True,
    imgsz: Annotated[int | None, typer.Option(metavar="N", min=64, max=4096, help="Longer side, pixels.")] = None,
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Where to run.")] = "auto",
    json_path: Annotated[Path | None, typer.Option("--json", metavar="OUT", help="The figures as JSON.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace OUT if it is there.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Details and tracebacks.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
) -> int:
    """Judge a detector on labelled footage: accuracy, motion, flicker, stability, identities, speed."""
    start_messages(verbose=verbose, quiet=quiet)
    if memory not in _MEMORIES:
        raise ConfigError(f"--memory: expected {', '.join(_MEMORIES)}, got {memory}")

    from rich.console import Console

    from streamdet.cli.outputs import check_files
    from streamdet.datasets.mix import map_classes
    from streamdet.datasets.open_set import open_set
    from streamdet.evaluation.report import report, report_table
    from streamdet.runtimes.loading import load
    from streamdet.runtimes.predict import predict

    if json_path is not None:
        check_files([json_path], overwrite=overwrite)
    detector = load(model, device=device)
    labelled = map_classes(open_set(data, split), detector.classes)
    only = None if classes is None else [name.strip() for name in classes.split(",")]
    begun_s = time.perf_counter()
    pairs, latencies_s = [], []
    for video in labelled.videos:
        log.debug("%s: %d frames", video.name, len(video))
        seen = predict(detector, video, memory=memory, image_size=imgsz)  # type: ignore[arg-type]
        pairs.append((video, _follow(seen.detections, video.times_s) if track else seen.detections))
        latencies_s += seen.latency_s.tolist()
    figures = report(
        pairs, labelled.classes, only=only, latencies_s=latencies_s, elapsed_s=time.perf_counter() - begun_s
    )
    if json_path is not None:
        facts = {"model": detector.name, "model_sha256": detector.sha256, "data": data.name, "memory": memory}
        json_path.write_text(json.dumps(facts | figures, indent=2) + "\n", encoding="utf-8")
    Console().print(report_table({f"{detector.name} {memory}": figures}))
    return DONE


def _follow(frames: "Sequence[Detections]", times_s: Iterable[float]) -> "list[Detections]":
    """Identities for the boxes that a run would show; the others stay, without one, for average precision."""
    import numpy as np

    from streamdet.config import DetectConfig
    from streamdet.tracking.byte_tracker import ByteTracker

    tracker, least = ByteTracker(), DetectConfig().conf
    followed = []
    for found, time_s in zip(frames, times_s, strict=True):
        shown = found.scores >= least
        ids = np.full(len(found), -1, np.int64)
        ids[shown] = tracker.update(found[shown], float(time_s)).track_ids
        followed.append(found.with_track_ids(ids))
    return followed
