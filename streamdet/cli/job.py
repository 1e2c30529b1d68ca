"""A job at a terminal: a listener shows what happens, signals stop it, and its report is written."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import NamedTuple

from streamdet.cli.exit_status import DONE, FAILED
from streamdet.cli.loading import collector_at_rest
from streamdet.cli.messages import log
from streamdet.cli.progress import ShownProgress, expected_frames, make_progress
from streamdet.cli.signals import StopOnSignal
from streamdet.cli.window import Windows
from streamdet.errors import SinkError
from streamdet.frames import StreamEnded, StreamStarted
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.events import (
    Event,
    JobFailed,
    JobProblem,
    JobWarning,
    NothingToResume,
    SourceComplete,
    SourceJoined,
    SourceLeft,
    SourceResumed,
)
from streamdet.jobs.outcome import Outcome
from streamdet.jobs.plan import SourceJob, plan
from streamdet.jobs.report import report_of, write_report
from streamdet.jobs.resume.resuming import all_complete
from streamdet.jobs.session import Session, load_detector
from streamdet.jobs.watched import SourcesFile, Watching
from streamdet.result import Result
from streamdet.stages.decode import DecodeSettings
from streamdet.stages.outputs import OutputChanged

_MAX_NAMED = 8  # of written files; more of them are counted by folder


class Done(NamedTuple):
    """How a job at a terminal ended.

    Attributes:
        exit_status: of the command.
        fps: frames of all sources by the run's duration.
    """

    exit_status: int
    fps: float = 0.0


class Terminal:
    """A listener: bars, and messages on standard error.

    Args:
        bars: show how far each source is.
        stop: says that a signal came, where one did.
    """

    def __init__(self, bars: ShownProgress, stop: StopOnSignal) -> None:
        self._bars, self._stop = bars, stop

    def __call__(self, event: Event) -> None:
        """Show an event."""
        self._stop.announce()
        match event:
            case Result():
                self._bars.advance(event.source)
            case StreamStarted():
                self._bars.begin(event.source, expected_frames(event.info), event.frames_before)
            case StreamEnded():
                self._bars.end(event.source)
                if event.error:
                    log.error("%s", event.error)
            case _:
                _say_event(event)


def _say_event(event: Event) -> None:
    match event:
        case SourceComplete():
            log.info("%s: is complete already", event.source)
        case SourceResumed():
            log.info("%s: continues from frame %d", event.source, event.frames)
        case NothingToResume():
            log.info("nothing to continue; starting from the beginning")
        case SourceJoined():
            log.info("%s: joined", event.source)
        case SourceLeft():
            log.info("%s: left", event.source)
        case OutputChanged(problem=None):
            log.info("%s: works again", event.target)
        case OutputChanged():
            log.warning("%s", event.problem)
        case JobWarning():
            log.warning("%s", event.message)
        case JobProblem():
            log.error("%s", event.message)
        case JobFailed():
            log.debug("the run failed", exc_info=event.error)
        case _:
            pass


def run_job(
    config: PipelineConfig,
    progress: bool | None,
    inputs: Iterable[Path] = (),
    sources: SourcesFile | None = None,
    windows: Windows | None = None,
) -> Done:
    """Run a job to its end, or until a signal; say how it went, and write its report.

    Args:
        config: the job.
        progress: as in `make_progress`.
        inputs: files that are read besides the sources, and so must not be written.
        sources: names the sources of a live job, and may be changed while it runs.
        windows: shows the pictures while the job runs.

    Raises:
        ConfigError: the job is wrong; nothing was written.
        ModelError: the detector cannot be loaded.
    """
    jobs = plan(config, inputs)
    if not jobs:
        log.info("shard %s: there are fewer sources than shards, and nothing to do for this one", config.shard)
        return Done(DONE)
    if config.resume and all_complete(jobs):
        log.info("%s; --overwrite starts again", _complete(jobs))
        return Done(DONE)
    with collector_at_rest():
        detector = load_detector(jobs)
    session = Session(jobs, detector, pictures=windows is not None)
    showing = nullcontext() if windows is None else closing(windows)
    with make_progress(progress, len(jobs)) as bars, StopOnSignal(session) as stop, showing:
        session.listen(Terminal(bars, stop))
        if windows is not None:
            session.listen(windows)
        session.start()
        with Watching(sources if session.live else None, session, jobs):
            outcome = session.wait()
    # A source that never worked is a failure, also where someone had to end the waiting.
    status = FAILED if outcome.never_worked else stop.exit_status or (FAILED if outcome.failures else DONE)
    _say(config, outcome, detector.runtime)
    _say_written([path for job in session.jobs for path in job.files if path in outcome.written])
    if windows is None and config.report is None and not any(job.outputs for job in session.jobs):
        log.info("nothing was written; name an output, such as --detections found.jsonl")
    for target, delivery in outcome.deliveries.items():
        if Path(target) not in outcome.written or delivery.dropped:
            log.info("%s", delivery, extra={"fields": delivery.to_dict()})
    if status > FAILED:
        log.warning("stopped before the end; the outputs are complete up to that point")
    if outcome.resumable:
        log.info("the same command with --resume continues it")
    if config.report is not None:
        try:
            write_report(Path(config.report), report_of(outcome, session.jobs, detector, status))
        except SinkError as error:
            log.error("%s", error)
            status = status or FAILED
    return Done(status, outcome.fps)


def _complete(jobs: Sequence[SourceJob]) -> str:
    paths = [path for job in jobs for path in job.files]
    if len(paths) <= _MAX_NAMED:
        return f"{', '.join(map(str, paths))}: complete already"
    return f"all {len(jobs)} sources are complete already"


def _say(config: PipelineConfig, outcome: Outcome, runtime: str) -> None:
    """What went wrong and was not said yet, and how fast it was."""
    for failure in outcome.failures:
        if failure.what != "source":
            log.log(logging.INFO if failure.expected else logging.ERROR, "%s", failure.message)
    for source in outcome.tally.sources.values():
        if source.undecodable:
            packets = "1 packet" if source.undecodable == 1 else f"{source.undecodable} packets"
            log.warning("%s: %s could not be decoded", source.location, packets)
        if source.seems_cut_off and source.error is None and config.settings(DecodeSettings).max_frames is None:
            log.warning(
                "%s: ends after %.1f s, but its header says %.1f s: it may be cut off",
                source.location,
                source.read_s,
                source.announced_s,
            )
        if source.zones:
            counted = (f"{name} {_counted(counts)}" for name, counts in source.zones.items())
            log.info("%s: %s", source.name, "; ".join(counted), extra={"fields": {"zones": source.zones}})
    if outcome.tally.frames:
        _say_pace(outcome, runtime)


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {what}" for what, count in counts.items() if what != "inside")


def _say_written(paths: Sequence[Path]) -> None:
    if len(paths) <= _MAX_NAMED:
        for path in paths:
            log.info("wrote %s", path, extra={"fields": {"path": str(path)}})
        return
    for folder, count in Counter(path.parent for path in paths).items():
        log.info("wrote %d files into %s", count, folder, extra={"fields": {"folder": str(folder), "files": count}})


def _say_pace(outcome: Outcome, runtime: str) -> None:
    stats = outcome.stats
    for stage in (*stats.stages, stats.consumer):
        log.debug(
            "%s: busy %.0f %%, waiting for input %.0f %%, waiting for room %.0f %%",
            stage.name,
            100 * stage.busy_share,
            100 * stage.waiting_in_share,
            100 * stage.waiting_out_share,
        )
    busiest = max(stage.busy_share for stage in (*stats.stages, stats.consumer))
    frames = outcome.tally.frames_of_this_run
    figures = {"frames": frames, "wall_s": round(stats.wall_s, 3), "fps": round(outcome.fps, 2)}
    log.info(
        "%d %s in %.1f s, %.1f fps with %s; %s limits the speed (busy %.0f %% of the time)",
        frames,
        "frame" if frames == 1 else "frames",
        stats.wall_s,
        outcome.fps,
        runtime,
        stats.bound_by,
        100 * busiest,
        extra={"fields": figures | {"runtime": runtime, "bound_by": stats.bound_by}},
    )
