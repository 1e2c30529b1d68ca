"""A job while it runs: started, watched and stopped by whoever made it, without a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from time import sleep
from types import TracebackType
from typing import Literal, Self

from streamdet.errors import SinkError, StageError
from streamdet.flow import Cancelled, RunStats
from streamdet.frames import Checkpoint, StreamEnded, StreamGap, StreamStarted
from streamdet.jobs.adjust import Adjustments
from streamdet.jobs.assemble import assemble, looks_of
from streamdet.jobs.config import PipelineConfig
from streamdet.jobs.events import (
    Event,
    JobFailed,
    JobFinished,
    JobWarning,
    Listener,
    NothingToResume,
    SourceComplete,
    SourceJoined,
    SourceLeft,
    SourceResumed,
)
from streamdet.jobs.outcome import Failure, Outcome, failures_of
from streamdet.jobs.plan import SourceJob, make_folders, plan_joining
from streamdet.jobs.privacy import packets_of
from streamdet.jobs.resume.checkpoints import write_checkpoint
from streamdet.jobs.resume.journals import Journals
from streamdet.jobs.resume.resuming import about_state, read_state, same_runtime
from streamdet.jobs.streams import Streams
from streamdet.jobs.tally import Tally
from streamdet.media.locations import SourceSpec, expand_sources
from streamdet.models.contract import Detector
from streamdet.result import Result
from streamdet.runtimes.loading import load
from streamdet.stages.batch import BatchSettings
from streamdet.stages.decode import DecodeSettings, Input, OnError
from streamdet.stages.detect import DetectSettings
from streamdet.stages.outputs import OutputLog
from streamdet.stages.registry import stage_entry

_PAUSED_S = 0.05


def load_detector(jobs: Sequence[SourceJob]) -> Detector:
    """Load the detector that a job asks for; of one that was interrupted, as it ran then.

    Raises:
        ConfigError: a journal cannot be read.
        ModelError: it cannot be loaded.
    """
    settings = same_runtime(jobs, jobs[0].config.settings(DetectSettings))
    wanted = settings.model_dump(include={"device", "precision", "runtime", "layout", "class_names"})
    return load(settings.model, **wanted)


def run_source(job: SourceJob, detector: Detector, listeners: Sequence[Listener] = ()) -> Outcome:
    """Do all of the work on one source; arguments and errors are those of `Session`."""
    return Session([job], detector, listeners).wait()


class Session:
    """A job that runs: over files to their end, over live sources until it is stopped.

        session = Session(plan(config), detector, [print])
        outcome = session.wait()

    Args:
        jobs: from `plan`; all of one job.
        detector: what detect runs.
        listeners: are told what happens.
        on_error: what happens when a source fails: "end" ends that source alone, "raise" the session.
        pictures: whether the pictures of results are looked at; then all frames are decoded.
        config: see `LastingSession`; None: that of the jobs.

    Attributes:
        config: of the job.
        streams, adjustments: what is read, where a source can be paused; and what can be changed.

    Raises:
        ConfigError: the job does not fit the detector, or what earlier runs have left; nothing was written.
    """

    def __init__(
        self,
        jobs: Sequence[SourceJob],
        detector: Detector,
        listeners: Sequence[Listener] = (),
        *,
        on_error: OnError = "end",
        pictures: bool = True,
        mode: Literal["threaded", "inline"] = "threaded",
        config: PipelineConfig | None = None,
    ) -> None:
        lasting = config is not None
        self.config = config = config or jobs[0].config
        self._jobs, self._listeners = {job.name: job for job in jobs}, tuple(listeners)
        self._telling = RLock()
        self._about = about_state(config, detector)
        memory = read_state(config, self._about)
        self._log = OutputLog(self.tell)
        self._journals = Journals(jobs, detector, lambda message: self.tell(JobWarning(message)))
        self._tally = Tally([job.spec for job in jobs])
        for name, earlier in self._journals.earlier.items():
            if earlier.counted is not None:
                self._tally.restore(name, earlier.counted, ended=earlier.complete)
        left = [self._input(job, memory) for job in jobs if not self._journals.earlier[job.name].complete]
        self.streams = Streams(
            left,
            config.settings(DecodeSettings),
            side_by_side=config.settings(BatchSettings).max_streams or 1,
            on_error=on_error,
            packets=packets_of(config),
            every=1 if pictures else looks_of(config),
            watch=self._journals.started_by,
            lasting=lasting,
        )
        self.adjustments = Adjustments(config, detector)
        self._run = assemble(config, self.streams, detector, self._log, self.adjustments.changes, mode)
        self._running = ExitStack()
        self._started: datetime | None = None
        self._before: dict[Path, tuple[int, int] | None] = {}
        self._state_failure: SinkError | None = None
        self._state_written = config.state_out is None
        self._stopped = self._paused = False

    def start(self) -> None:
        """Make what outputs need, and start to read. A second call does nothing.

        Raises:
            ConfigError: a folder cannot be made, or another run is at work on the same job.
        """
        if self._started is not None:
            return
        make_folders(self._jobs.values())
        self._journals.start()
        self._tell_what_was_there()
        self._before = {path: _version(path) for path in self._files()}
        self._started = datetime.now(UTC)
        self._running.enter_context(self._run)

    def results(self) -> Iterator[Result]:
        """Results of all sources as they come; starts the session where it is not. Ended early, it ends all of it.

        Raises:
            StageError: a stage failed.
            Cancelled: `cancel` was called.
        """
        self.start()
        with self._running:
            for item in self._run:
                self._take(item)
                if isinstance(item, Result):
                    yield item
                while self._paused and not self._stopped:
                    sleep(_PAUSED_S)

    def wait(self) -> Outcome:
        """Work until all sources have ended, or the session was stopped; its outputs are closed in any case."""
        crash: StageError | None = None
        try:
            for _ in self.results():
                pass
        except StageError as error:
            crash = error
            self.tell(JobFailed(error))
        except Cancelled:
            pass
        outcome = self._outcome(crash)
        self.tell(JobFinished(outcome))
        return outcome

    def stop(self) -> None:
        """End soon, with what is in flight. Takes no lock: from any thread, and in a signal handler."""
        self._stopped = True
        self._run.stop()

    def cancel(self) -> None:
        """End now; what is in flight is dropped. Safe where `stop` is."""
        self._stopped = True
        self._run.cancel()

    def pause(self) -> None:
        """Take no results until `resume`; frames of live sources are dropped meanwhile. Safe where `stop` is."""
        self._paused = True

    def resume(self) -> None:
        """Continue after `pause`."""
        self._paused = False

    def close(self) -> None:
        """End now, where that has not happened."""
        self._running.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def listen(self, listener: Listener) -> None:
        """Tell one more listener what happens from now on."""
        with self._telling:
            self._listeners = (*self._listeners, listener)

    @property
    def jobs(self) -> list[SourceJob]:
        """Of all sources, those that have joined and left included."""
        return list(self._jobs.values())

    @property
    def sources(self) -> frozenset[str]:
        """Names of the sources that were asked for and not removed."""
        return self.streams.names

    @property
    def live(self) -> bool:
        """Whether one of the sources at the start is a camera or a live stream."""
        return self.streams.live

    @property
    def stats(self) -> RunStats:
        """Where its time goes; from any thread."""
        return self._run.stats

    @property
    def tally(self) -> Tally:
        """What came out so far."""
        return self._tally

    def add(self, sources: Sequence[str]) -> list[str]:
        """Let sources join, from any thread; gives their names.

        Args:
            sources: files, folders, globs, addresses.

        Raises:
            ConfigError, SourceOpenError: there is no such source, or its outputs cannot be written.
            ValueError: a live source cannot join files.
            RuntimeError: the session has not started, or is over.
        """
        for spec in (specs := expand_sources(sources, self.streams.all_names)):
            self._join(plan_joining(self.config, spec, self._specs()))
        return [spec.name for spec in specs]

    def remove(self, name: str) -> None:
        """Let a source end; results that are on their way still come. From any thread.

        Raises:
            KeyError: there is no such source.
        """
        self.streams.remove(name)
        self.tell(SourceLeft(name))

    def _specs(self) -> list[SourceSpec]:
        return [self._jobs[name].spec for name in self.streams.names]

    def _join(self, job: SourceJob, before: Checkpoint | None = None) -> None:
        self._tally.add(job.spec)
        self._jobs[job.name] = job
        try:
            self.streams.add(self._input(job, before))
        except (ValueError, RuntimeError):
            self._tally.discard(job.name)
            del self._jobs[job.name]
            raise
        self.tell(SourceJoined(job.name))

    def _input(self, job: SourceJob, memory: Checkpoint | None = None) -> Input:
        checkpoint = self._journals.checkpoint_of(job.name)
        return Input(
            job.spec,
            {output.stage: output.target for output in job.outputs},
            checkpoint or memory,
            other_file=checkpoint is None and memory is not None and memory.place is None,
            checkpoint_frames=self._journals.checkpoint_frames(job.name),
            checkpoint_at_end=self.config.state_out is not None,
        )

    def _take(self, item: object) -> None:
        """One item came out of the run."""
        self._tally.count(item)
        if isinstance(item, Checkpoint):
            self._keep(item)
        elif isinstance(item, StreamEnded) and self._is_complete(item):
            self._journals.finish(item.source, self._tally.counted(item.source))
        if isinstance(item, StreamStarted | Result | StreamGap | StreamEnded):
            self.tell(item)
        if self._log.failures and not self.streams.lasting and self._writes_nothing_more():
            self._run.stop()

    def _keep(self, checkpoint: Checkpoint) -> None:
        if not checkpoint.last:
            if self._is_whole(checkpoint):
                self._journals.commit(checkpoint, self._tally.counted(checkpoint.source))
        elif self.config.state_out is not None:
            self._state_written = True
            try:
                write_checkpoint(Path(self.config.state_out), checkpoint, self._about)
            except SinkError as error:
                self._state_failure = error

    def _is_whole(self, checkpoint: Checkpoint) -> bool:
        """Whether all stages have added what is needed: an output that failed does not."""
        entries = [stage_entry(name) for name in self.config.stages]
        written = {output.stage for output in self._jobs[checkpoint.source].outputs}
        wanted = {each.name for each in entries if each.state and (each.output is None or each.name in written)}
        return wanted <= set(checkpoint.sections)

    def tell(self, event: Event) -> None:
        """Tell the listeners; from any thread."""
        with self._telling:
            for listener in self._listeners:
                listener(event)

    def _tell_what_was_there(self) -> None:
        if not self.config.resume:
            return
        earlier = self._journals.earlier
        for name, found in earlier.items():
            if found.complete:
                self.tell(SourceComplete(name))
        for name, found in earlier.items():
            if found.checkpoint is not None:
                self.tell(SourceResumed(name, found.checkpoint.frames))
            elif found.lost:
                self.tell(JobWarning(f"{name}: what was written cannot be continued; it starts from the beginning"))
        if not any(found.complete or found.checkpoint is not None or found.lost for found in earlier.values()):
            self.tell(NothingToResume())

    def _is_complete(self, ended: StreamEnded) -> bool:
        failed = {failure.source for failure in self._log.failures}
        return not ended.error and ended.source not in failed and self._state_failure is None

    def _writes_nothing_more(self) -> bool:
        """True where every output of every source that has not ended has failed: to continue would be for nothing."""
        failures = self._log.failures
        failed = {(each.stage, each.source) for each in failures}
        stages = {each.stage for each in failures}
        jobs = self.jobs
        wanted = [
            (output.stage in stages) if output.shared else (output.stage, job.name) in failed
            for job in jobs
            if not self._tally.sources[job.name].ended
            for output in job.outputs
        ]
        return all(wanted)

    def _outcome(self, crash: StageError | None) -> Outcome:
        failures = list(self._failures(crash))
        complete = not failures and not self._stopped
        interrupted = self._stopped or crash is not None or bool(self._log.failures)
        resumable = self._journals.end(complete=complete, interrupted=interrupted)
        files = self._files()
        written = {path for path in files if (now := _version(path)) is not None and now != self._before.get(path)}
        written |= {path for name, job in self._jobs.items() if self._journals.is_complete(name) for path in job.files}
        deliveries = self._log.deliveries
        return Outcome(
            self._started or datetime.now(UTC),
            self._tally,
            self._run.stats,
            tuple(failures),
            frozenset(written),
            {target: delivery.snapshot() for target, delivery in deliveries.items()},
            self._stopped,
            resumable,
        )

    def _failures(self, crash: StageError | None) -> Iterator[Failure]:
        yield from failures_of(self._tally, self._log.failures)
        if crash is not None:
            yield Failure("run", None, str(crash))
        if self._state_failure is not None:
            yield Failure("state", None, str(self._state_failure))
        elif not self._state_written:
            path = self.config.state_out
            yield Failure("state", None, f"{path}: not written: the source was not read to its end")

    def _files(self) -> list[Path]:
        return list(dict.fromkeys(path for job in self.jobs for path in job.files))


def _version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
