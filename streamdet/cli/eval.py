"""`streamdet eval`: how good a detector is on a labelled set."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from streamdet.cli.contenders import Contender, open_contender, parse_contender
from streamdet.cli.exit_status import DONE
from streamdet.cli.messages import log, start_messages
from streamdet.cli.options import (
    DETECTION,
    OUTPUT,
    ClassNames,
    Device,
    Fps,
    Layout,
    Overwrite,
    Quiet,
    Split,
    Stills,
    Verbose,
    option,
)
from streamdet.errors import ConfigError

if TYPE_CHECKING:
    from streamdet.datasets.labels import LabelledSet
    from streamdet.evaluation.intervals import Interval
    from streamdet.evaluation.trial import Trial
    from streamdet.models.contract import Detector

HOW = "Evaluation"
_FEW_CLIPS = 10

Data = Annotated[
    Path,
    typer.Argument(
        metavar="DATA", help="A labelled set, file or folder: COCO-VID, COCO, MOTChallenge, YOLO, CVAT, KITTI, ..."
    ),
]
Model = Annotated[
    str,
    option(DETECTION, "NAME|PATH", "The name of a model, or a model file (.safetensors, or .onnx of any detector)."),
]
Memory = Annotated[
    str,
    option(
        DETECTION,
        "both|objects|features|none|shuffle",
        "Which memories are used: of objects (an LSTM for each track) and of features (the detector's recurrent "
        "state), one of them, none (every frame for itself), or both over frames in random order. carry is both, "
        "reset is none.",
    ),
]
Compare = Annotated[
    tuple[str, str] | None,
    option(HOW, "A B", "Two models side by side, each MODEL[:MEMORY][:PRECISION], such as street:carry street:reset."),
]
Degrade = Annotated[
    str | None,
    option(
        HOW,
        "occlusion|blur|noise|dark|drop",
        "Evaluate on frames that are disturbed in this way for some seconds at a time.",
    ),
]
LatencyMs = Annotated[
    str | None,
    option(HOW, "MS|measured", "Also streaming AP: each frame takes this time, and late results count as wrong."),
]
Classes = Annotated[str | None, option(HOW, "A,B", "Only these classes. Default: all.")]
Track = Annotated[
    bool,
    option(HOW, None, "Follow objects, for HOTA and IDF1; without it there is no object memory.", "--track/--no-track"),
]
Imgsz = Annotated[
    str | None,
    option(
        DETECTION,
        "N|HxW",
        "Size of the picture that the detector gets, in pixels: the longer side, or height and width. Default: that "
        "of the model.",
    ),
]
JsonPath = Annotated[Path | None, option(OUTPUT, "PATH", "Write the figures as JSON.", "--json")]


def evaluate(
    data: Data,
    model: Model = "street",
    layout: Layout = None,
    class_names: ClassNames = None,
    split: Split = None,
    stills: Stills = None,
    fps: Fps = None,
    memory: Memory = "carry",
    compare: Compare = None,
    degrade: Degrade = None,
    latency_ms: LatencyMs = None,
    classes: Classes = None,
    track: Track = True,
    imgsz: Imgsz = None,
    device: Device = "auto",
    json_path: JsonPath = None,
    overwrite: Overwrite = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Evaluate a detector on a labelled set.

    Prints accuracy, accuracy by motion, flicker, stability of the boxes, identities and speed.
    """
    start_messages(verbose=verbose, quiet=quiet)
    contenders = [parse_contender(text, memory) for text in compare or (model,)]
    _check(contenders, degrade, latency_ms)
    image_size = _image_size(imgsz)

    from streamdet.datasets.mix import map_classes
    from streamdet.datasets.numbering import Order
    from streamdet.datasets.open_set import open_set
    from streamdet.evaluation.average_precision import require_coco_eval
    from streamdet.jobs.outputs import check_files

    require_coco_eval()
    if json_path is not None:
        check_files([json_path], overwrite=overwrite)
    labelled = open_set(data, split, order=Order(stills, fps))
    for note in labelled.notes:
        log.info("%s: %s", data, note)
    detectors = [open_contender(one.model, device, one.precision, layout, class_names) for one in contenders]
    known = [name for name in detectors[0].spec.classes if all(name in other.spec.classes for other in detectors)]
    if not known:
        raise ConfigError(f"{contenders[0].model} and {contenders[1].model} have no class in common")
    how = _How(_split(classes), track, image_size, latency_ms)
    ground = _Ground.of(map_classes(labelled, known), degrade)
    judged = [_judge(detector, one, ground, how) for detector, one in zip(detectors, contenders, strict=True)]
    intervals = _intervals(judged[0][0], judged[1][0], ground, how) if compare else {}
    if json_path is not None:
        facts = {"data": data.name, **ground.facts}
        rows = [
            {**_facts(detector, one), **facts, **figures}
            for detector, one, (_, figures) in zip(detectors, contenders, judged, strict=True)
        ]
        content = {"compared": rows, "intervals": _plain(intervals)} if compare else rows[0]
        json_path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    _print(_labels(contenders), [figures for _, figures in judged], intervals)
    return DONE


def _check(contenders: Sequence[Contender], degrade: str | None, latency_ms: str | None) -> None:
    from streamdet.evaluation.degrade import KINDS

    if len(set(contenders)) < len(contenders):
        raise ConfigError(f"--compare: both are {contenders[0].label}; expected two models, or two values of memory")
    if degrade not in (None, *KINDS):
        raise ConfigError(f"--degrade: expected {', '.join(KINDS)}, got {degrade}")
    if latency_ms is None:
        return
    try:
        good = latency_ms == "measured" or 0 <= float(latency_ms) < math.inf
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"--latency-ms: expected milliseconds or measured, got {latency_ms}")
    if any(contender.memory == "shuffle" for contender in contenders):
        raise ConfigError("--latency-ms: a live stream has an order; expected another memory than shuffle")


def _image_size(text: str | None) -> int | tuple[int, int] | None:
    from streamdet.models.options import read_image_size

    try:
        return read_image_size(text)
    except ValueError as error:
        raise ConfigError(f"--imgsz: {error}") from error


def _split(classes: str | None) -> list[str] | None:
    return None if classes is None else [name.strip() for name in classes.split(",")]


@dataclass(frozen=True, slots=True)
class _How:
    """What was asked for: classes to judge, identities, size of the model image, latency (milliseconds or
    `measured`)."""

    only: Sequence[str] | None
    track: bool
    image_size: int | tuple[int, int] | None
    latency_ms: str | None


@dataclass(frozen=True, slots=True, eq=False)
class _Ground:
    """What is judged on: the set, its bad moments alone where it was degraded, and what a file says about that."""

    labelled: "LabelledSet"
    affected: "LabelledSet | None" = None
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, labelled: "LabelledSet", degrade: str | None) -> "_Ground":
        from streamdet.evaluation.degrade import DESCRIPTIONS, KINDS, degrade_set

        for kind in KINDS:
            if kind == degrade:
                facts = {"degraded": {"kind": kind, "seed": 0, "description": DESCRIPTIONS[kind]}}
                return cls(*degrade_set(labelled, kind), facts)
        return cls(labelled)


def _facts(detector: "Detector", contender: Contender) -> dict[str, Any]:
    return {
        "model": detector.spec.name,
        "model_sha256": detector.spec.sha256,
        "runtime": detector.runtime,
        "memory": contender.memory,
    }


def _judge(detector: "Detector", contender: Contender, ground: _Ground, how: _How) -> "tuple[Trial, dict[str, Any]]":
    """Run one contender and judge it in every way that was asked for."""
    from streamdet.evaluation.predict import CHUNK_FRAMES
    from streamdet.evaluation.report import brief_report, report
    from streamdet.evaluation.trial import Way, run_trial, streaming_figures

    chunk_frames = 1 if how.latency_ms == "measured" else CHUNK_FRAMES
    way = Way(contender.memory, how.image_size, chunk_frames, None if how.only is None else tuple(how.only))
    log.debug("%s: %d videos", contender.label, len(ground.labelled.videos))
    trial, classes = run_trial(detector, ground.labelled.videos, way, tracked=how.track), ground.labelled.classes
    latencies_s = [seconds for video in trial.latencies_s for seconds in video.tolist()]
    figures = report(trial.pairs, classes, only=how.only, latencies_s=latencies_s, elapsed_s=trial.elapsed_s)
    if ground.affected is not None:
        figures["affected"] = brief_report(trial.labelled_by(ground.affected.videos), classes, only=how.only)
    if how.latency_ms is not None:
        latency_s = None if how.latency_ms == "measured" else float(how.latency_ms) / 1000
        figures["streaming"] = streaming_figures(detector, trial, way, classes, latency_s=latency_s, only=how.only)
    return trial, figures


def _intervals(first: "Trial", second: "Trial", ground: _Ground, how: _How) -> "dict[str, Interval]":
    from streamdet.evaluation.intervals import paired_intervals

    classes = ground.labelled.classes
    intervals = paired_intervals(first.pairs, second.pairs, classes, only=how.only)
    if ground.affected is not None:
        one, other = (trial.labelled_by(ground.affected.videos) for trial in (first, second))
        bad_moments = paired_intervals(one, other, classes, only=how.only)
        intervals |= {f"affected {name}": interval for name, interval in bad_moments.items()}
    return intervals


def _plain(intervals: "Mapping[str, Interval]") -> dict[str, dict[str, Any]]:
    return {name: asdict(interval) for name, interval in intervals.items()}


def _labels(contenders: Sequence[Contender]) -> list[str]:
    """Short ones, unless two files in different folders have the same name."""
    short = [one.label for one in contenders]
    return short if len(set(short)) == len(short) else [f"{one.model} {one.memory}" for one in contenders]


def _print(labels: Sequence[str], reports: Sequence[Mapping[str, Any]], intervals: "Mapping[str, Interval]") -> None:
    from rich.console import Console

    from streamdet.evaluation.intervals import FEWEST_CLIPS
    from streamdet.evaluation.report import comparison_table, report_table

    # Names of files may hold brackets.
    console = Console(markup=False, highlight=False)
    console.print(report_table(dict(zip(labels, reports, strict=True))))
    if intervals:
        console.print(comparison_table(intervals, *labels))
        clips = max(interval.clips for interval in intervals.values())
        if clips < _FEW_CLIPS:
            log.warning(
                "the set gives %d clips of up to 100 frames; below %d the intervals are rough, below %d there are none",
                clips,
                _FEW_CLIPS,
                FEWEST_CLIPS,
            )
