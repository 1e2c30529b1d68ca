"""`streamdet run`: video in, annotated video and detections out."""

from typing import Annotated

import typer

from streamdet.cli.job_options import Scores, overrides_of, refuse_what_excludes_each_other, scores_of, with_stages
from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import start_messages
from streamdet.cli.options import (
    DETECTION,
    EXECUTION,
    INPUT,
    OUTPUT,
    Audio,
    ClassNames,
    Codec,
    Crf,
    Encode,
    Layout,
    LogFormat,
    Preset,
    Progress,
    Quiet,
    Segment,
    Verbose,
)
from streamdet.errors import ConfigError
from streamdet.yaml_file import Override, find_yaml

CONTINUE = "Continue"
JOB = "Job file"
MANY = "Many files"


def run(
    context: typer.Context,
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SOURCE",
            help="Files, folders or globs of images or videos ('in/**/*.mp4' searches folders in folders); rtsp, rtmp, "
            "srt, udp or http(s) addresses; the number of a camera; - for standard input; or @list.txt.",
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            metavar="S|H:M:S", rich_help_panel=INPUT, help="Start at this time: 90, 1:30 or 00:01:30. Default: 0."
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option(metavar="S|H:M:S", rich_help_panel=INPUT, help="End at this time. Default: the end."),
    ] = None,
    max_frames: Annotated[
        int | None,
        typer.Option(metavar="N", rich_help_panel=INPUT, help="Stop after N frames of each source. Default: all."),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=INPUT,
            help="Use every N-th frame; times stay true. Default: {decode.stride}.",
        ),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="auto|every-frame|freshest",
            rich_help_panel=INPUT,
            help="Which frames are used. freshest: of live sources the newest, older ones are dropped. "
            "Default: auto (freshest for live sources, every frame for files).",
        ),
    ] = None,
    max_staleness: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            rich_help_panel=INPUT,
            help="Drop live frames that are older, in seconds. Default: {decode.max_staleness_s}.",
        ),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="PATH|DIR|-|URL",
            rich_help_panel=OUTPUT,
            help="The annotated video: .mp4, .mkv or a folder, .m3u8 (HLS), rtsp:// to publish it, or - for a "
            "Matroska stream on standard output; of pictures a folder or a picture. "
            "Default: <stem>.annotated.mp4 in the current folder.",
        ),
    ] = None,
    no_video: Annotated[bool, typer.Option("--no-video", rich_help_panel=OUTPUT, help="Do not write a video.")] = False,
    annotate: Annotated[
        str | None,
        typer.Option(
            metavar="draw|overlay",
            rich_help_panel=OUTPUT,
            help="draw: boxes are drawn into the pictures, and the video is encoded. overlay: the video is copied, and "
            "boxes are a subtitle track (.mkv) or files beside it (.mp4) that players show and hide. Default: draw.",
        ),
    ] = None,
    show: Annotated[
        bool,
        typer.Option(
            "--show",
            rich_help_panel=OUTPUT,
            help="Show the annotated pictures in a window while the job runs. Needs a display and Tk.",
        ),
    ] = False,
    detections: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|DIR|-|URL",
            rich_help_panel=OUTPUT,
            help="Write the detections: .jsonl, .txt (MOTChallenge), .json (COCO) or .csv; - for standard output; "
            "mqtt://host/topic or http(s):// to send them. Default: not written.",
        ),
    ] = None,
    masks: Annotated[
        bool | None,
        typer.Option(
            "--masks",
            rich_help_panel=OUTPUT,
            help="Write the masks of objects as well, into .jsonl and COCO's .json; of detectors that give some.",
        ),
    ] = None,
    csv: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|DIR",
            rich_help_panel=OUTPUT,
            help="Write a table as well, a row for each box, for spreadsheets: .csv or a folder. Default: not written.",
        ),
    ] = None,
    save_crop: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            rich_help_panel=OUTPUT,
            help="Write a picture of each object: of a track the best one, of still pictures every box. "
            "Default: not written.",
        ),
    ] = None,
    report: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            rich_help_panel=OUTPUT,
            help="Write a JSON report of the run: frames, speed, dropped frames, errors.",
        ),
    ] = None,
    segment: Segment = None,
    track_index: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=INPUT,
            help="Read this video track, as probe numbers them. Default: the one with the most to see.",
        ),
    ] = None,
    encode: Encode = None,
    codec: Codec = None,
    crf: Crf = None,
    preset: Preset = None,
    audio: Audio = None,
    overwrite: Annotated[
        bool | None, typer.Option("--overwrite", rich_help_panel=OUTPUT, help="Replace output files that exist.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|PATH",
            rich_help_panel=DETECTION,
            help="The name of a model, or a model file: .safetensors, or .onnx of any detector. "
            "Default: {detect.model}.",
        ),
    ] = None,
    layout: Layout = None,
    class_names: ClassNames = None,
    conf: Annotated[
        Scores | None,
        typer.Option(
            metavar="0..1",
            parser=scores_of,
            rich_help_panel=DETECTION,
            help="Lowest score of a box; 0.25,person=0.5 asks more of one class. Default: {detect.conf}.",
        ),
    ] = None,
    iou: Annotated[
        float | None,
        typer.Option(
            metavar="0..1",
            rich_help_panel=DETECTION,
            help="Two boxes of one class that overlap by more than this IoU count as one object; car, motorcycle, "
            "bus and truck are one class here. Default: {detect.iou}.",
        ),
    ] = None,
    max_det: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            rich_help_panel=DETECTION,
            help="Most boxes in a frame. Default: {detect.max_detections}.",
        ),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            rich_help_panel=DETECTION,
            help="Only these classes. The model street knows person, bicycle, car, motorcycle, bus and truck. "
            "Default: all.",
        ),
    ] = None,
    anonymise: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            rich_help_panel=OUTPUT,
            help="Pixelate objects of these classes in every picture that is written or shown.",
        ),
    ] = None,
    imgsz: Annotated[
        str | None,
        typer.Option(
            metavar="N|HxW",
            rich_help_panel=DETECTION,
            help="Size of the picture that the detector gets, in pixels: the longer side, or height and width. Larger "
            "finds smaller objects and is slower. Default: that of the model; street: 320.",
        ),
    ] = None,
    memory: Annotated[
        str | None,
        typer.Option(
            metavar="both|objects|features|none",
            rich_help_panel=DETECTION,
            help="Which memories are used: of objects (an LSTM for each track that steadies boxes, scores and classes, "
            "and holds objects through misses), of features (the detector's recurrent state), or none (every frame "
            "for itself). Default: both.",
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto",
            rich_help_panel=DETECTION,
            help="Let the detector look at every N-th frame; the memory of objects carries the others. auto: sooner "
            "where objects are fast, new or lost. Default: {detect.every}.",
        ),
    ] = None,
    classify: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            rich_help_panel=DETECTION,
            help="Say what is going on, by a classifier of clips: a .safetensors of train --task classify, or the "
            ".onnx of export. Default: not said.",
        ),
    ] = None,
    track: Annotated[
        bool | None,
        typer.Option(
            "--track/--no-track", rich_help_panel=DETECTION, help="Give each object a track id. Default: --track."
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="auto|cpu|cuda|cuda:N",
            rich_help_panel=EXECUTION,
            help="Where the detector runs. Default: {detect.device}.",
        ),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="auto|torch|openvino|onnxruntime",
            rich_help_panel=EXECUTION,
            help="What runs the detector. Default: {detect.runtime} (the fastest here, measured once).",
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="auto|fp32|bf16|fp16|int8",
            rich_help_panel=EXECUTION,
            help="Number format of the computation. Default: {detect.precision}.",
        ),
    ] = None,
    resume: Annotated[
        bool | None,
        typer.Option("--resume", rich_help_panel=CONTINUE, help="Continue the same job where it was interrupted."),
    ] = None,
    state_in: Annotated[
        str | None,
        typer.Option(
            metavar="PATH", rich_help_panel=CONTINUE, help="Start with the state that --state-out has written."
        ),
    ] = None,
    state_out: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            rich_help_panel=CONTINUE,
            help="Write recurrent state and tracks at the end, for the file that continues this one.",
        ),
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE.yaml",
            rich_help_panel=JOB,
            help="Read the job from a file: annotate_file, many_cameras or watch_rtsp in the package, or your own.",
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", rich_help_panel=JOB, help="Set one value of the job; may be repeated."
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            rich_help_panel=MANY,
            help="Only every N-th source, from the I-th on, counted from 0: one of N jobs that share the work. "
            "Default: all.",
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="[ADDRESS]",
            rich_help_panel=MANY,
            help="Give the files to the workers of a Ray cluster: host:port, ray://host:port, or auto for the one of "
            "this machine. Without an address: a Ray that is started here for this job. Needs streamdet[ray].",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="90s|10m|1h",
            rich_help_panel=MANY,
            help="Do one long video in parts of this length, side by side on all processors or with --ray; each starts "
            "128 frames early. Close to a run in one piece, and it says how close. Default: in one piece.",
        ),
    ] = None,
    progress: Progress = None,
    log_format: LogFormat = "text",
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> int:
    """Find and follow objects in video.

    Writes the video with boxes, and with --detections the detections. An option replaces the value that the file of
    --pipeline has; without --pipeline the defaults below apply.
    """
    options = context.params
    start_messages(verbose=verbose, quiet=quiet, log_format=log_format)
    refuse_what_excludes_each_other(options)
    overrides: list[str | Override] = [*(settings or ()), *overrides_of(options)]
    with collector_at_rest():
        from streamdet.cli.job import run_job  # loads NumPy, FFmpeg and OpenCV
        from streamdet.cli.window import Windows, check_display
        from streamdet.cluster.planning import needs_pieces
        from streamdet.jobs.config import load_job
        from streamdet.jobs.watched import SourcesFile

    if show:
        check_display()
    file = None if pipeline is None else find_yaml(pipeline, "pipelines")
    config = with_stages(load_job(file, overrides), options)
    watched = None
    if file is not None and not options["sources"]:
        watched = SourcesFile(file, lambda: load_job(file, overrides).sources)
    inputs = [] if file is None else [file]
    if split is not None:
        from streamdet.cli.files import run_split_job

        if show:
            raise ConfigError("--show needs the pictures here; not with --split")
        return run_split_job(config, split, ray, inputs)
    if ray is not None or needs_pieces(config):
        from streamdet.cli.files import run_files

        if show:
            raise ConfigError("--show needs the pictures here; not with --ray and buckets")
        return run_files(config, progress, ray, inputs)
    return run_job(config, progress, inputs, watched, Windows() if show else None).exit_status
