"""A job as a run: the stages that it asks for, put together."""

from dataclasses import replace
from typing import Literal

from streamdet.flow import Run, Stage
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.streams import Streams
from streamdet.models.contract import Detector
from streamdet.stages.detect import DetectSettings
from streamdet.stages.entry import Changes, StageContext
from streamdet.stages.outputs import OutputLog
from streamdet.stages.registry import stage_entry


def assemble(
    config: PipelineConfig,
    streams: Streams,
    detector: Detector,
    log: OutputLog | None = None,
    changes: Changes | None = None,
    mode: Literal["threaded", "inline"] = "threaded",
) -> Run:
    """Put the stages of a job together.

    Args:
        config: which stages, and their settings.
        streams: what is read.
        detector: the detector that detect runs.
        log: is told what becomes of outputs.
        changes: of settings while the run continues.
        mode: as in `Run`.

    Returns:
        the run, which yields a Result for every frame, and the streams' markers.

    Raises:
        ConfigError: the detector does not know a class.
    """
    settings = config.settings(DetectSettings)
    context = StageContext(
        detector,
        settings.lowest_conf,
        sources=streams.all_names,
        tracked="track" in config.stages,
        live=streams.live,
        side_by_side=len(streams.stages),
        log=OutputLog() if log is None else log,
        lowest_score=min(
            stage_entry(name).lowest_score(config.settings_of(name), settings.lowest_conf) for name in config.stages
        ),
        show=settings,
        changes=changes or Changes(),
    )
    stages = [stage for name in config.stages if (stage := _built(name, config, context)) is not None]
    if streams.live:  # what waits gets old; but results of a clip of several streams come all at once
        most = 1 if streams.lasting or len(streams.stages) > 1 else 0
        stages = [replace(stage, capacity=min(stage.capacity, most)) for stage in stages]
    run = Run(streams.stages, stages, mode)
    streams.join(run)
    return run


def _built(name: str, config: PipelineConfig, context: StageContext) -> Stage | None:
    build = stage_entry(name).build
    return None if build is None else build(config.settings_of(name), context)


def looks_of(config: PipelineConfig) -> int:
    """N, where pictures of a job serve only the detector, and that looks at every N-th frame of a file; else 1.

    With auto it is known too late, when frames far ahead have been decoded.
    """
    every = config.settings(DetectSettings).every
    shown = any(stage_entry(name).shows_pictures for name in config.stages)
    return 1 if shown or every == "auto" else int(every)
