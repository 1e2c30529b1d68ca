"""How the options of `streamdet run` change a job."""

import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from streamdet.errors import ConfigError
from streamdet.yaml_file import Override

if TYPE_CHECKING:
    from streamdet.jobs.config import PipelineConfig
    from streamdet.stages.overlay import OverlaySettings

# Which option sets which key of the job; an option that is not given leaves the file's value.
_KEYS = {
    "output": "encode.path",
    "segment": "encode.segment_s",
    "detections": "record.path",
    "masks": "record.masks",
    "csv": "table.path",
    "save_crop": "crops.path",
    "model": "detect.model",
    "layout": "detect.layout",
    "class_names": "detect.class_names",
    "conf": "detect.conf",
    "iou": "detect.iou",
    "max_det": "detect.max_detections",
    "classes": "detect.classes",
    "anonymise": "anonymise",
    "imgsz": "detect.image_size",
    "device": "detect.device",
    "runtime": "detect.runtime",
    "precision": "detect.precision",
    "every": "detect.every",
    "classify": "classify.model",
    "mode": "decode.mode",
    "max_staleness": "decode.max_staleness_s",
    "start": "decode.start_s",
    "end": "decode.end_s",
    "max_frames": "decode.max_frames",
    "stride": "decode.stride",
    "track_index": "decode.track_index",
    "encode": "encode.pictures",
    "codec": "encode.codec",
    "crf": "encode.crf",
    "preset": "encode.preset",
    "audio": "encode.audio",
    "shard": "shard",
    "report": "report",
    "state_in": "state_in",
    "state_out": "state_out",
    "overwrite": "overwrite",
    "resume": "resume",
}
_AFTER_CLASSIFY = ("annotate", "encode", "overlay", "record")
# What an option changes of a video that is encoded.
_OF_ENCODING = ("encode", "codec", "crf", "preset", "segment")


class Scores(NamedTuple):
    """What --conf says.

    Attributes:
        conf: lowest score; None where it names classes alone.
        class_conf: the same of single classes.
    """

    conf: float | None
    class_conf: dict[str, float]


def scores_of(text: str) -> Scores:
    """Read 0.25, person=0.5, or both with a comma.

    Raises:
        typer.BadParameter: it is none of these.
    """
    general: list[float] = []
    classes: dict[str, float] = {}
    for part in text.split(","):
        name, equals, score = part.rpartition("=")
        try:
            value = float(score)
        except ValueError:
            value = None
        if value is None or (equals and not name.strip()) or (not equals and general):
            raise typer.BadParameter(f"{text}: expected a score such as 0.25, or 0.25,person=0.5 for one class")
        if equals:
            classes[name.strip()] = value
        else:
            general.append(value)
    return Scores(general[0] if general else None, classes)


def refuse_what_excludes_each_other(options: Mapping[str, Any]) -> None:
    """Make sure that the options can be meant together.

    Raises:
        ConfigError: they cannot.
    """
    if options["resume"] and options["overwrite"]:
        raise ConfigError("--resume and --overwrite exclude each other; expected one of them")
    if options["track"] is False and options["memory"] in ("both", "objects"):
        raise ConfigError(
            f"--no-track and --memory {options['memory']} exclude each other: the memory of objects is that of their "
            "tracks; expected features or none"
        )
    if options["max_staleness"] is not None and options["mode"] == "every-frame":
        raise ConfigError("--max-staleness and --mode every-frame exclude each other; expected one of them")
    if options["output"] == "-" and sys.stdout.isatty():
        raise ConfigError("-o -: standard output is a terminal; expected a pipe or a file, such as -o - | ffplay -")
    if options["no_video"] and options["output"] is not None:
        raise ConfigError("--no-video and --output exclude each other; expected one of them")
    if options["masks"] and options["detections"] is None and options["pipeline"] is None:
        raise ConfigError("--masks says what --detections hold; expected --detections as well, such as found.jsonl")
    if options["annotate"] not in (None, "draw", "overlay"):
        raise ConfigError(f"--annotate: expected draw or overlay, got {options['annotate']}")
    if options["annotate"] is not None and options["no_video"]:
        raise ConfigError("--no-video and --annotate exclude each other; expected one of them")
    if options["encode"] == "changed":
        _refuse_beside_copies(options)
    for name in _OF_ENCODING if options["annotate"] == "overlay" else ():
        if options[name] is not None:
            raise ConfigError(f"--annotate overlay and --{name} exclude each other: the video is copied as it is")


def _refuse_beside_copies(options: Mapping[str, Any]) -> None:
    reasons = {
        "no_video": "there is nothing to encode",
        "codec": "the codec is that of the source",
        "segment": "it writes one file",
        "stride": "copied groups of pictures have all frames",
    }
    for name, reason in reasons.items():
        if options[name]:
            raise ConfigError(f"--encode changed and --{name.replace('_', '-')} exclude each other: {reason}")


def overrides_of(options: Mapping[str, Any]) -> Iterator[Override]:
    """What the options change in the job."""
    if options["sources"]:
        yield Override("sources", list(options["sources"]), "SOURCE")
    if options["memory"] is not None:
        from streamdet.jobs.memory import memory_overrides

        yield from memory_overrides(options["memory"], "--memory")
    for name, key in _KEYS.items():
        value = options[name]
        if isinstance(value, Scores):
            if value.class_conf:
                yield Override("detect.class_conf", value.class_conf, "--conf")
            value = value.conf
        if name in ("classes", "anonymise") and value is not None:
            value = [part for part in (part.strip() for part in value.split(",")) if part]
        if value is not None:
            yield Override(key, value, f"--{name.replace('_', '-')}")


def with_stages(config: "PipelineConfig", options: Mapping[str, Any]) -> "PipelineConfig":
    """The job with the stages that the options about outputs and --track take away or add."""
    stages = list(config.stages)
    drawn = ("encode",) if options["show"] else ("annotate", "encode")  # a window shows what is drawn
    if options["no_video"]:
        stages = [stage for stage in stages if stage not in (*drawn, "overlay")]
    if options["track"] is False and "zones" in stages:
        raise ConfigError("--no-track: this job has the stage zones, which follows objects by their track ids")
    if options["track"] is False:
        stages = [stage for stage in stages if stage != "track"]
    if options["track"] and "track" not in stages:
        stages.insert(3, "track")
    if options["annotate"] == "draw":
        stages = [stage for stage in stages if stage != "overlay"]
    overlaid = options["annotate"] == "overlay" or "overlay" in stages
    if overlaid:
        stages = [stage for stage in stages if stage not in drawn]
        stages += [] if "overlay" in stages else ["overlay"]
    elif "encode" not in stages and (options["annotate"] == "draw" or options["output"] is not None):
        stages += [stage for stage in ("annotate", "encode") if stage not in stages]
    if options["classify"] is not None and "classify" not in stages:
        before = [stages.index(stage) for stage in _AFTER_CLASSIFY if stage in stages]
        stages.insert(min(before, default=len(stages)), "classify")
    if options["detections"] is not None and "record" not in stages:
        stages.append("record")
    if options["save_crop"] is not None and "crops" not in stages:
        # Before boxes are drawn.
        stages.insert(stages.index("annotate") if "annotate" in stages else len(stages), "crops")
    if options["csv"] is not None and "table" not in stages:
        stages.append("table")
    changes: dict[str, Any] = {"stages": tuple(stages)}
    if overlaid:
        changes["overlay"] = _overlay(config, options)
    return config.model_copy(update=changes)


def _overlay(config: "PipelineConfig", options: Mapping[str, Any]) -> "OverlaySettings":
    """Its own section before those of annotate and encode, whose place it takes; the options before all."""
    own: OverlaySettings = config.settings_of("overlay")
    annotate, encode = config.settings_of("annotate"), config.settings_of("encode")
    inherited = {**annotate.model_dump(), "path": encode.path, "audio": encode.audio}
    stated = {name: getattr(own, name) for name in own.model_fields_set}
    options_of = {"path": "output", "audio": "audio"}
    given = {name: getattr(encode, name) for name, option in options_of.items() if options[option] is not None}
    return type(own)(**{**inherited, **stated, **given})
