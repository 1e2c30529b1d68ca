"""A job as a run: the stages that it asks for, put together; and the Python way to run one."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from streamdet.config import BatchConfig, PipelineConfig
from streamdet.errors import ConfigError, SourceError, StageError
from streamdet.flow import Run, Stage
from streamdet.frames import StreamStarted
from streamdet.media.locations import SourceSpec, expand_sources
from streamdet.media.writer import VideoWriter
from streamdet.runtimes.contract import Detector
from streamdet.runtimes.loading import load
from streamdet.stages.annotate import annotate
from streamdet.stages.batch import batch, batch_newest
from streamdet.stages.detect import detect
from streamdet.stages.detection_files import Format, RunHeader
from streamdet.stages.encode import encode
from streamdet.stages.record import record
from streamdet.stages.result import Result
from streamdet.stages.sinks import Failures
from streamdet.stages.streams import Streams
from streamdet.stages.track import track
from streamdet.yaml_file import Override, load_yaml

_FRAMES_PER_CLIP = 8
_MOST_LIVE_STREAMS = 16


@dataclass(frozen=True, slots=True)
class Recording:
    """Where detections go.

    Attributes:
        files: by name of the stream; "-" is standard output.
        form: of the files.
        header: what JSON Lines begin with.
    """

    files: Mapping[str, str | Path]
    form: Format
    header: RunHeader


@dataclass(frozen=True, slots=True)
class OutputFailures:
    """Outputs that failed while the others went on: (stream, error) each."""

    videos: Failures = field(default_factory=list)
    detections: Failures = field(default_factory=list)


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
    videos: Mapping[str, Path] | None = None,
    recording: Recording | None = None,
    failures: OutputFailures | None = None,
    mode: Literal["threaded", "inline"] = "threaded",
) -> Run:
    """Put the stages of a job together.

    Args:
        config: which stages, and their settings.
        streams: what is read.
        detector: the detector that detect runs.
        videos: files that encode writes, by name of the stream.
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
            conf=config.detect.conf,
            iou=config.detect.iou,
            max_detections=config.detect.max_detections,
            classes=config.detect.classes,
            memory=config.detect.memory,
        ),
        "track": track,
        "annotate": annotate,
        "encode": lambda: encode(_writers(config, videos or {}), failures.videos),
        "record": lambda: _record(recording, failures.detections),
    }
    stages = [build[name]() for name in config.stages if name != "decode"]
    if streams.live:  # what waits gets old
        stages = [replace(stage, capacity=min(stage.capacity, 1)) for stage in stages]
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


def _writers(config: PipelineConfig, videos: Mapping[str, Path]) -> Callable[[StreamStarted], VideoWriter | None]:
    part, settings = config.decode, config.encode

    def open_writer(started: StreamStarted) -> VideoWriter | None:
        if started.source not in videos:
            return None
        return VideoWriter(
            videos[started.source],
            started.info,
            codec=settings.codec,
            crf=settings.crf,
            preset=settings.preset,
            audio=settings.audio,
            start_s=part.start_s or None,
            end_s=part.end_s,
        )

    return open_writer


def _record(recording: Recording | None, failures: Failures) -> Stage:
    if recording is None:
        raise ValueError("a job with the stage record needs to know where detections go")
    return record(recording.files, recording.form, recording.header, failures)


def stream(
    source: str | Path | Sequence[str | Path],
    detector: Detector | str | Path = "street",
    *,
    conf: float = 0.25,
    iou: float = 0.6,
    max_detections: int = 300,
    classes: Sequence[str] | None = None,
    image_size: int | tuple[int, int] | None = None,
    memory: Literal["carry", "reset"] = "carry",
    track: bool = True,
    start_s: float = 0.0,
    end_s: float | None = None,
    max_frames: int | None = None,
    stride: int = 1,
    frames_per_clip: int = 8,
) -> Generator[Result]:
    """Find objects in videos, frame by frame, in constant memory.

    Reading and detecting go on in threads while the caller looks at a result; they end when the iterator does.

    Args:
        source: a file, a folder or glob of images or videos, an address, or several of them, read one after another.
        detector: from `load`, or what `load` takes.
        conf: lowest score of a box.
        iou: boxes of one class that overlap more are one.
        max_detections: most boxes in a frame.
        classes: only these.
        image_size: longer side, or height and width, in pixels that the detector sees; None: its own.
        memory: "reset" forgets after every frame.
        track: give boxes identities that hold from frame to frame.
        start_s, end_s, max_frames, stride: the part of each source that is read.
        frames_per_clip: frames that the detector takes at once; a result comes when its clip is full.

    Returns:
        a generator of a Result for every frame, in order; close() ends it early.

    Raises:
        ConfigError: an argument is wrong.
        SourceError: a source cannot be read.
        ModelError: the detector cannot be loaded or run.
    """
    settings = {
        "detect.conf": conf,
        "detect.iou": iou,
        "detect.max_detections": max_detections,
        "detect.classes": None if classes is None else list(classes),
        "detect.image_size": list(image_size) if isinstance(image_size, tuple) else image_size,
        "detect.memory": memory,
        "decode.start_s": start_s,
        "decode.end_s": end_s,
        "decode.max_frames": max_frames,
        "decode.stride": stride,
        "batch.frames_per_clip": frames_per_clip,
        "stages": ["decode", "batch", "detect", *(["track"] if track else [])],
    }
    config = load_yaml(
        None, PipelineConfig, [Override(key, value, key.rpartition(".")[2]) for key, value in settings.items()]
    )
    specs = expand_sources([str(source)] if isinstance(source, str | Path) else [str(each) for each in source])
    if not specs:
        raise ConfigError("no source given; expected a file, a folder, a glob, an address, or a list of them")
    if isinstance(detector, str | Path):
        detector = load(detector)
    return _results(assemble(config, streams_of(config, specs, on_error="raise"), detector))


def _results(run: Run) -> Generator[Result]:
    try:
        with run:
            for item in run:
                if isinstance(item, Result):
                    yield item
    except StageError as error:
        if isinstance(error.__cause__, SourceError):  # it names its source; which stage met it is of no interest
            raise error.__cause__ from error.__cause__.__cause__
        raise
