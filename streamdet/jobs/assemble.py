"""A job as a run: the stages that it asks for, put together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from streamdet.flow import Run, Stage
from streamdet.jobs.config import BatchConfig, PipelineConfig
from streamdet.jobs.streams import Streams
from streamdet.jobs.video_outputs import video_outputs
from streamdet.media.locations import SourceSpec
from streamdet.models.contract import Detector
from streamdet.sinks.detection_files import Format, RunHeader
from streamdet.sinks.failures import Deliveries, Failures
from streamdet.stages.annotate import annotate
from streamdet.stages.batch import batch, batch_newest
from streamdet.stages.detect import detect
from streamdet.stages.encode import encode
from streamdet.stages.record import record
from streamdet.stages.track import track

_FRAMES_PER_CLIP = 8
_MOST_LIVE_STREAMS = 16


@dataclass(frozen=True, slots=True)
class Recording:
    """Where detections go.

    Attributes:
        files: by name of the stream; "-" is standard output, an address is sent to. Looked up when a stream starts.
        form: of the files.
        header: what JSON Lines begin with.
    """

    files: Mapping[str, str | Path]
    form: Format
    header: RunHeader


@dataclass(frozen=True, slots=True)
class OutputFailures:
    """Outputs that failed while the others went on: (stream, error) each.

    Attributes:
        videos, detections: those that were given up, or did not get all at the end.
        deliveries: what those that may fail and recover count meanwhile.
    """

    videos: Failures = field(default_factory=list)
    detections: Failures = field(default_factory=list)
    deliveries: Deliveries = field(default_factory=dict)


def streams_of(config: PipelineConfig, specs: Sequence[SourceSpec], **options: Any) -> Streams:
    """The streams of a job, as `assemble` takes them.

    Args:
        config: which part of each is read, how live ones are, and how many files at the same time.
        specs: the sources.
        options: of `Streams`.
    """
    return Streams(specs, config.decode, side_by_side=config.batch.max_streams or 1, **options)


def assemble(
    config: PipelineConfig,
    streams: Streams,
    detector: Detector,
    *,
    videos: Mapping[str, str | Path] | None = None,
    recording: Recording | None = None,
    failures: OutputFailures | None = None,
    mode: Literal["threaded", "inline"] = "threaded",
) -> Run:
    """Put the stages of a job together.

    Args:
        config: which stages, and their settings.
        streams: what is read.
        detector: the detector that detect runs.
        videos: files and addresses that encode writes to, by name of the stream.
        recording: files that record writes.
        failures: gets the outputs that failed.
        mode: as in `Run`.

    Returns:
        the run, which yields a Result for every frame, and the streams' markers.
    """
    failures = failures or OutputFailures()
    build: Mapping[str, Callable[[], Stage]] = {
        "batch": lambda: _batch(config.batch, streams),
        "detect": lambda: detect(
            detector,
            image_size=config.detect.image_size,
            options=config.detect,
            memory=config.detect.memory,
        ),
        "track": track,
        "annotate": annotate,
        "encode": lambda: encode(
            video_outputs(config.encode, config.decode, videos or {}, failures.deliveries), failures.videos
        ),
        "record": lambda: _record(recording, failures),
    }
    stages = [build[name]() for name in config.stages if name != "decode"]
    if streams.live:  # what waits gets old; but results of a clip of several streams come all at once
        stages = [replace(stage, capacity=min(stage.capacity, len(streams.stages) > 1)) for stage in stages]
    run = Run(streams.stages, stages, mode)
    streams.join(run)
    return run


def _batch(config: BatchConfig, streams: Streams) -> Stage:
    if streams.live:
        return batch_newest(config.max_streams or _MOST_LIVE_STREAMS, config.deadline_s)
    side_by_side = len(streams.stages)
    frames_per_clip = config.frames_per_clip or (_FRAMES_PER_CLIP if side_by_side == 1 else 1)
    # One clip may wait: it is many frames already, which memory has to hold and a stop has to finish.
    return replace(batch(frames_per_clip, side_by_side), capacity=1)


def _record(recording: Recording | None, failures: OutputFailures) -> Stage:
    if recording is None:
        raise ValueError("a job with the stage record needs to know where detections go")
    return record(recording.files, recording.form, recording.header, failures.detections, failures.deliveries)
