"""`streamdet run`: video in, annotated video and detections out."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from streamdet.cli import options as shared
from streamdet.cli import run_options as own
from streamdet.cli.job_options import overrides_of, refuse_what_excludes_each_other, with_stages
from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import start_messages
from streamdet.errors import ConfigError
from streamdet.yaml_file import Override, find_yaml

if TYPE_CHECKING:
    from streamdet.jobs.config import PipelineConfig


def run(
    context: typer.Context,
    sources: own.Sources = None,
    start: own.Start = None,
    end: own.End = None,
    max_frames: own.MaxFrames = None,
    stride: own.Stride = None,
    mode: own.Mode = None,
    max_staleness: own.MaxStaleness = None,
    output: own.Output = None,
    no_video: own.NoVideo = False,
    annotate: own.Annotate = None,
    show: own.Show = False,
    detections: own.Detections = None,
    masks: own.Masks = None,
    csv: own.Csv = None,
    save_crop: own.SaveCrop = None,
    report: own.Report = None,
    segment: shared.Segment = None,
    track_index: own.TrackIndex = None,
    encode: shared.Encode = None,
    codec: shared.Codec = None,
    crf: shared.Crf = None,
    preset: shared.Preset = None,
    audio: shared.Audio = None,
    overwrite: own.Overwrite = None,
    model: own.Model = None,
    layout: shared.Layout = None,
    class_names: shared.ClassNames = None,
    conf: own.Conf = None,
    iou: own.Iou = None,
    max_det: own.MaxDet = None,
    classes: own.Classes = None,
    anonymise: own.Anonymise = None,
    imgsz: own.Imgsz = None,
    memory: own.Memory = None,
    every: own.Every = None,
    classify: own.Classify = None,
    track: own.Track = None,
    device: own.Device = None,
    runtime: own.Runtime = None,
    precision: own.Precision = None,
    resume: own.Resume = None,
    state_in: own.StateIn = None,
    state_out: own.StateOut = None,
    pipeline: own.Pipeline = None,
    settings: own.Settings = None,
    shard: own.Shard = None,
    ray: own.Ray = None,
    split: own.Split = None,
    progress: shared.Progress = None,
    log_format: shared.LogFormat = "text",
    verbose: shared.Verbose = False,
    quiet: shared.Quiet = False,
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

    file = None if pipeline is None else find_yaml(pipeline, "pipelines")
    config = with_stages(load_job(file, overrides), options)
    inputs = [] if file is None else [file]
    if split is not None or ray is not None or needs_pieces(config):
        if show:
            raise ConfigError("--show needs the pictures here; not with --split, --ray and buckets")
        return _run_in_pieces(config, progress, ray, split, inputs)
    watched = None
    if file is not None and not sources:
        watched = SourcesFile(file, lambda: load_job(file, overrides).sources)
    if show:
        check_display()
    return run_job(config, progress, inputs, watched, Windows() if show else None).exit_status


def _run_in_pieces(
    config: "PipelineConfig", progress: bool | None, ray: str | None, split: str | None, inputs: list[Path]
) -> int:
    from streamdet.cli.files import run_files, run_split_job

    if split is not None:
        return run_split_job(config, split, ray, inputs)
    return run_files(config, progress, ray, inputs)
