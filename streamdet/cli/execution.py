"""From a job's configuration to its exit status: checks all of it, runs it, says and reports how it went."""

import difflib
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from streamdet.cli.exit_status import DONE, FAILED
from streamdet.cli.messages import log
from streamdet.cli.progress import ShownProgress, expected_frames, make_progress
from streamdet.cli.signals import StopOnSignal
from streamdet.errors import ConfigError, SinkError, StageError
from streamdet.flow import Cancelled
from streamdet.frames import StreamEnded, StreamStarted
from streamdet.jobs.assemble import OutputFailures, Recording, assemble, streams_of
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.outputs import Outputs, plan_outputs
from streamdet.jobs.report import Failure, Outcome, of_outputs, write_report
from streamdet.jobs.resume.resuming import Continued, Keeper, go_on, interrupted_job, same_runtime
from streamdet.jobs.sources import find_sources
from streamdet.jobs.tally import Tally
from streamdet.jobs.watched import Members, SourcesFile, Watching
from streamdet.media.locations import SourceSpec
from streamdet.models.contract import Detector
from streamdet.result import Result
from streamdet.runtimes.loading import load
from streamdet.sinks.detection_files import RunHeader
from streamdet.version import __version__

_MOST_NAMED = 8  # of written files; more of them are counted by folder


@dataclass(frozen=True, slots=True)
class Job:
    """A job of which everything is checked and nothing is written."""

    config: PipelineConfig
    specs: tuple[SourceSpec, ...]
    outputs: Outputs
    detector: Detector
    continued: Continued


def prepare(config: PipelineConfig, inputs: Iterable[Path] = ()) -> Job:
    """Check all that can be wrong before anything is written.

    Args:
        config: the job.
        inputs: files that are read besides the sources, and so must not be written.

    Raises:
        ConfigError: the job is wrong: a source is missing, an output is in the way, a class is unknown.
        ModelError: the detector cannot be loaded.
    """
    specs = find_sources(config.sources)
    lists = [Path(source[1:]) for source in config.sources if source.startswith("@")]
    files = [Path(spec.location) for spec in specs if spec.kind in ("file", "images")]
    state = [Path(config.state_in)] if config.state_in else []
    read = [*files, *lists, *state, Path(config.detect.model), *inputs]
    outputs = plan_outputs(config, [spec.name for spec in specs], read)
    noted = interrupted_job(config, specs, outputs)
    part = same_runtime(noted, config.detect)
    detector = load(part.model, device=part.device, precision=part.precision, runtime=part.runtime)
    _check_classes(config.detect.classes or (), detector.spec.classes)
    return Job(config, specs, outputs, detector, go_on(config, specs, outputs, detector, noted))


def _check_classes(wanted: Sequence[str], known: Sequence[str]) -> None:
    mistakes = []
    for name in wanted:
        if name not in known:
            near = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {near[0]}? The" if near else "the"
            mistakes.append(f"unknown class {name}; {hint} model knows {', '.join(known)}")
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def execute(job: Job, progress: bool | None, sources: SourcesFile | None = None) -> Outcome:
    """Run a job to its end, or until a signal; say how it went, and write its report.

    Args:
        job: from `prepare`.
        progress: as in `make_progress`.
        sources: names the sources of a live job, and may be changed while it runs.
    """
    tally = Tally(job.specs)
    failures, continued = OutputFailures(), job.continued
    for name, counted in continued.counted.items():
        tally.go_on(name, counted, ended=name in continued.done)
    left = [spec for spec in job.specs if spec.name not in continued.done]
    streams = streams_of(job.config, left, watch=tally.timed, continuation=continued.continuation)
    keeper = Keeper(continued, job.config, job.outputs, tally, failures)
    try:
        job.outputs.make_folders()
    except OSError as error:
        raise ConfigError(f"cannot make folder {error.filename}: {error.strerror}") from error
    keeper.begin()
    before = job.outputs.versions()
    started = datetime.now(UTC)
    outputs = job.outputs
    shared = dict.fromkeys((spec.name for spec in job.specs), outputs.shared) if outputs.shared is not None else None
    recording = _recording(job, outputs.detections if shared is None else shared)
    run = assemble(job.config, streams, job.detector, videos=outputs.videos, recording=recording, failures=failures)
    members = Members(job.config, job.specs, outputs, streams, tally, shared)
    crash = None
    with make_progress(progress, len(job.specs)) as bars, StopOnSignal(run) as stop:
        try:
            with run, Watching(sources if streams.live else None, members):
                for item in run:
                    tally.count(item)
                    keeper.see(item)
                    _show(item, bars)
                    stop.announce()
                    if _writes_nothing_more(job, tally, failures):
                        run.stop()
        except StageError as error:
            crash = error
            log.debug("the run failed", exc_info=error)
        except Cancelled:
            pass  # the second Ctrl-C
    for name, source in tally.sources.items():
        source.drops = dict(streams.dropped(name))
        source.dropped = sum(source.drops.values()) or source.dropped
    written = outputs.written_since(before) | frozenset(outputs.results_of(continued.done))
    failed, hint = list(_failed(tally, failures, crash)), None
    try:
        hint = keeper.end(complete=not failed and stop.received is None, stopped=bool(stop.received or crash))
    except SinkError as error:
        failed.append(Failure("state", None, str(error)))
    status = stop.exit_status or (FAILED if failed else DONE)
    outcome = Outcome(started, tally, run.stats, tuple(failed), written, failures.deliveries, status)
    _say(job, outcome)
    if hint is not None:
        log.info("%s", hint)
    return _report(job, outcome)


def _show(item: Any, bars: ShownProgress) -> None:
    if isinstance(item, Result):
        bars.advance(item.source)
    elif isinstance(item, StreamStarted):
        bars.begin(item.source, expected_frames(item.info), 0 if item.resume is None else item.resume.frames)
    elif isinstance(item, StreamEnded):
        bars.end(item.source)
        if item.error:
            log.error("%s", item.error)


def _recording(job: Job, files: Mapping[str, str | Path]) -> Recording | None:
    if job.outputs.form is None:
        return None
    header = RunHeader(__version__, job.detector.spec.name, job.detector.spec.sha256 or None, job.detector.spec.classes)
    return Recording(files, job.outputs.form, header)


def _writes_nothing_more(job: Job, tally: Tally, failures: OutputFailures) -> bool:
    """True where every output of every source that has not ended has failed: going on would be for nothing."""
    if not failures.videos and not failures.detections:
        return False
    outputs = job.outputs
    open_sources = {name for name, source in tally.sources.items() if not source.ended}
    wanted = {("video", name) for name in outputs.videos} | {("detections", name) for name in outputs.detections}
    failed = {("video", name) for name, _ in failures.videos} | {
        ("detections", name) for name, _ in failures.detections
    }
    if outputs.shared is not None and not failures.detections:
        return False
    return not {(kind, name) for kind, name in wanted - failed if name in open_sources}


def _failed(tally: Tally, failures: OutputFailures, crash: StageError | None) -> Iterator[Failure]:
    for source in tally.sources.values():
        if source.error:
            yield Failure("source", source.name, source.error)
    yield from of_outputs(failures)
    if crash is not None:
        yield Failure("run", None, str(crash))


def _say(job: Job, outcome: Outcome) -> None:
    """What went wrong and was not said yet, and what there is now."""
    for failure in outcome.failures:
        if failure.what != "source":
            log.log(logging.DEBUG if failure.expected else logging.ERROR, "%s", failure.message)
    for source in outcome.tally.sources.values():
        if source.undecodable:
            packets = "1 packet" if source.undecodable == 1 else f"{source.undecodable} packets"
            log.warning("%s: %s could not be decoded", source.location, packets)
        if source.seems_cut_off and source.error is None and job.config.decode.max_frames is None:
            log.warning(
                "%s: ends after %.1f s, but announces %.1f s: it may be cut off",
                source.location,
                source.read_s,
                source.announced_s,
            )
    if outcome.tally.frames:
        _say_pace(outcome, job.detector.runtime)
    _say_written([path for path in job.outputs.paths() if path in outcome.written])
    for path, delivery in outcome.deliveries.items():
        if Path(path) not in outcome.written or delivery.dropped:
            log.info("%s", delivery, extra={"fields": delivery.to_dict()})
    if outcome.exit_status > FAILED:
        log.warning("stopped before the end; what was written is complete up to there")


def _say_written(paths: Sequence[Path]) -> None:
    if len(paths) <= _MOST_NAMED:
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
        "%d frames in %.1f s, %.1f fps with %s; %s bounds the run (busy %.0f %% of it)",
        frames,
        stats.wall_s,
        outcome.fps,
        runtime,
        stats.bound_by,
        100 * busiest,
        extra={"fields": figures | {"runtime": runtime, "bound_by": stats.bound_by}},
    )


def _report(job: Job, outcome: Outcome) -> Outcome:
    path = job.outputs.report
    if path is None:
        return outcome
    try:
        write_report(path, outcome.to_dict(job.config, job.detector, job.outputs))
    except SinkError as error:
        log.error("%s", error)
        failures = (*outcome.failures, Failure("report", None, str(error)))
        return replace(outcome, failures=failures, exit_status=outcome.exit_status or FAILED)
    return outcome
