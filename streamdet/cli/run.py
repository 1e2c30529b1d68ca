"""`streamdet run`: video in, annotated video and detections out."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import start_messages
from streamdet.cli.options import LogFormat, Progress, Quiet, Verbose
from streamdet.errors import ConfigError
from streamdet.jobs.config import PipelineConfig, StageName
from streamdet.yaml_file import Override, load_yaml

# Which option sets which key of the job; an option that is not given leaves the file's value.
_KEYS = {
    "output": "encode.path",
    "segment": "encode.segment_s",
    "detections": "record.path",
    "model": "detect.model",
    "conf": "detect.conf",
    "iou": "detect.iou",
    "max_det": "detect.max_detections",
    "classes": "detect.classes",
    "imgsz": "detect.image_size",
    "device": "detect.device",
    "runtime": "detect.runtime",
    "precision": "detect.precision",
    "memory": "detect.memory",
    "mode": "decode.mode",
    "max_staleness": "decode.max_staleness_s",
    "start": "decode.start_s",
    "end": "decode.end_s",
    "max_frames": "decode.max_frames",
    "stride": "decode.stride",
    "codec": "encode.codec",
    "crf": "encode.crf",
    "preset": "encode.preset",
    "audio": "encode.audio",
    "report": "report",
    "state_in": "state_in",
    "state_out": "state_out",
    "overwrite": "overwrite",
    "resume": "resume",
}


def run(
    context: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Files, folders or globs of images or videos, rtsp, rtmp or http(s) addresses, a camera's number, "
            "or @list.txt.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH|DIR|URL",
            help="Annotated video: .mp4, .mkv or a folder, .m3u8 (HLS), or rtsp:// to publish it. "
            "Default: <stem>.annotated.mp4 here.",
        ),
    ] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="90s|10m|1h", help="A new video file so often, named after its start.")
    ] = None,
    no_video: Annotated[bool, typer.Option("--no-video", help="Write no video.")] = False,
    detections: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|DIR|-|URL",
            help="Detections: .jsonl, .txt (MOTChallenge) or .json (COCO); - for standard output; "
            "mqtt://host/topic or http(s):// to send them.",
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME|PATH", help="street (default), or a checkpoint.")] = None,
    conf: Annotated[float | None, typer.Option(metavar="0..1", help="Lowest score of a box. Default: 0.25.")] = None,
    iou: Annotated[
        float | None, typer.Option(metavar="0..1", help="Boxes of one class that overlap more are one. Default: 0.6.")
    ] = None,
    max_det: Annotated[int | None, typer.Option(metavar="N", help="Most boxes in a frame. Default: 300.")] = None,
    classes: Annotated[str | None, typer.Option(metavar="A,B", help="Only these classes.")] = None,
    imgsz: Annotated[
        str | None, typer.Option(metavar="N|HxW", help="Longer side, or height and width, that the detector sees.")
    ] = None,
    device: Annotated[str | None, typer.Option(metavar="auto|cpu|cuda|cuda:N", help="Default: auto.")] = None,
    runtime: Annotated[
        str | None, typer.Option(metavar="auto|torch|openvino|onnxruntime", help="Default: auto.")
    ] = None,
    precision: Annotated[str | None, typer.Option(metavar="auto|fp32|bf16|fp16|int8", help="Default: auto.")] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="auto|every-frame|freshest", help="Which frames of live sources. auto (default): the freshest."
        ),
    ] = None,
    max_staleness: Annotated[
        float | None, typer.Option(metavar="S", help="Drop live frames that are older. Default: 0.5.")
    ] = None,
    memory: Annotated[str | None, typer.Option(metavar="carry|reset", help="reset: forget after every frame.")] = None,
    track: Annotated[bool | None, typer.Option("--track/--no-track", help="Identities that hold. Default: on.")] = None,
    start: Annotated[float | None, typer.Option(metavar="S", help="Begin here, in seconds.")] = None,
    end: Annotated[float | None, typer.Option(metavar="S", help="End here, in seconds.")] = None,
    max_frames: Annotated[int | None, typer.Option(metavar="N", help="At most so many frames of a source.")] = None,
    stride: Annotated[int | None, typer.Option(metavar="N", help="Every n-th frame; times stay true.")] = None,
    codec: Annotated[str | None, typer.Option(metavar="h264|hevc|av1", help="Default: h264.")] = None,
    crf: Annotated[int | None, typer.Option(metavar="N", help="Quality, lower is better.")] = None,
    preset: Annotated[str | None, typer.Option(metavar="NAME", help="Encoder's speed, such as veryfast.")] = None,
    audio: Annotated[str | None, typer.Option(metavar="copy|drop", help="Default: copy.")] = None,
    overwrite: Annotated[bool | None, typer.Option("--overwrite", help="Replace outputs that are there.")] = None,
    resume: Annotated[
        bool | None, typer.Option("--resume", help="Go on with the same job where it was interrupted.")
    ] = None,
    state_in: Annotated[
        str | None, typer.Option(metavar="PATH", help="Begin with the memory that --state-out has written.")
    ] = None,
    state_out: Annotated[
        str | None, typer.Option(metavar="PATH", help="Write the memory at the end, for the file that continues this.")
    ] = None,
    report: Annotated[str | None, typer.Option(metavar="PATH", help="Run report as JSON.")] = None,
    pipeline: Annotated[str | None, typer.Option(metavar="FILE.yaml", help="A job, see pipelines/.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override one value of the job.")
    ] = None,
    progress: Progress = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Find objects in videos; write them with boxes, and what was found."""
    options = context.params
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)
    _refuse_what_excludes_each_other(options)
    overrides: list[str | Override] = [*(settings or ()), *_overrides(options)]
    config = with_stages(load_yaml(pipeline, PipelineConfig, overrides), options)

    with collector_at_rest():
        from streamdet.cli.execution import execute, prepare  # loads torch: not before the options are right
        from streamdet.jobs.watched import SourcesFile

        job, watched = prepare(config, [] if pipeline is None else [Path(pipeline)]), None
    if pipeline is not None and not options["sources"]:
        watched = SourcesFile(Path(pipeline), lambda: load_yaml(pipeline, PipelineConfig, overrides).sources)
    return execute(job, progress, watched).exit_status


def _refuse_what_excludes_each_other(options: Mapping[str, Any]) -> None:
    if options["resume"] and options["overwrite"]:
        raise ConfigError("--resume and --overwrite exclude each other; expected one of them")
    if options["max_staleness"] is not None and options["mode"] == "every-frame":
        raise ConfigError("--max-staleness and --mode every-frame exclude each other; expected one of them")
    if options["no_video"] and options["output"] is not None:
        raise ConfigError("--no-video and --output exclude each other; expected one of them")


def _overrides(options: Mapping[str, Any]) -> Iterator[Override]:
    """What the options change in the job."""
    if options["sources"]:
        yield Override("sources", list(options["sources"]), "SOURCE")
    for name, key in _KEYS.items():
        value = options[name]
        if name == "classes" and value is not None:
            value = [part for part in (part.strip() for part in value.split(",")) if part]
        if value is not None:
            yield Override(key, value, f"--{name.replace('_', '-')}")


def with_stages(config: PipelineConfig, options: Mapping[str, Any]) -> PipelineConfig:
    """The job with the stages that --no-video, --output, --detections and --track take away or add."""
    stages: list[StageName] = list(config.stages)
    if options["no_video"]:
        stages = [stage for stage in stages if stage not in ("annotate", "encode")]
    if options["track"] is False:
        stages = [stage for stage in stages if stage != "track"]
    if options["track"] and "track" not in stages:
        stages.insert(3, "track")
    if options["output"] is not None and "encode" not in stages:
        stages += ["encode"] if "annotate" in stages else ["annotate", "encode"]
    if options["detections"] is not None and "record" not in stages:
        stages.append("record")
    return config.model_copy(update={"stages": tuple(stages)})
