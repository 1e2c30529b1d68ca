"""A run: sources and stages at work, threaded or inline, and what comes out of the last one."""

import atexit
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from threading import Lock, Thread
from time import perf_counter
from types import TracebackType
from typing import Any, Literal, Protocol, Self

from streamdet.errors import StageError
from streamdet.flow.channel import Cancelled, Channel, Outlet
from streamdet.flow.stage import Stage, Take, Worker
from streamdet.flow.stats import BUSY, OVER, WAITING_IN, Meter, RunStats, bounding_stage

# In the order in which they happened: the first is the cause, the others came with it.
Failures = list[tuple[Worker, BaseException]]


class _Engine(Protocol):
    sources: list[Worker]
    stages: list[Worker]
    channels: list[Channel[Any]]

    def start(self) -> None: ...
    def add(self, source: Stage) -> Worker: ...
    def take(self) -> Any: ...
    def cancel(self) -> None: ...
    def join(self) -> None: ...


class _Threaded:
    """A thread a stage, a bounded channel between two. Sources share the first channel."""

    def __init__(self, sources: Sequence[Stage], stages: Sequence[Stage], failures: Failures) -> None:
        self._failures = failures
        self._adding = Lock()
        self._over = False
        first: Channel[Any] = Channel(sum(source.capacity for source in sources), writers=len(sources))
        self.channels = [first, *(Channel[Any](stage.capacity) for stage in stages)]
        self._threads: list[Thread] = []
        self.sources = [self._prepare(source, 0) for source in sources]
        self.stages = [self._prepare(stage, number) for number, stage in enumerate(stages, 1)]

    def _prepare(self, stage: Stage, output: int) -> Worker:
        outlet = Outlet(self.channels[output])
        worker = Worker(stage, self.channels[output - 1].take if output else None, outlet)
        # Daemon: a stage stuck in native code must not keep the process alive after a second Ctrl-C.
        work = partial(self._work, worker, outlet, output)
        self._threads.append(Thread(target=work, name=f"streamdet:{stage.name}", daemon=True))
        return worker

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def add(self, source: Stage) -> Worker:
        with self._adding:  # join() must not miss a thread that is about to start
            if self._over or not self.channels[0].join(source.capacity):
                raise RuntimeError("this run is over")
            worker = self._prepare(source, 0)
            self.sources.append(worker)
            try:
                self._threads[-1].start()
            except RuntimeError:
                self.channels[0].finish()
                raise
            return worker

    def _work(self, worker: Worker, outlet: Outlet[Any], output: int) -> None:
        """Body of a stage's thread. Channels before `output` lead to this stage."""
        channel = self.channels[output]
        try:
            try:
                for item in worker:
                    outlet.put(item)
                    del item  # not kept alive while the next one is made
            finally:
                worker.close()
        except BaseException as error:
            # Recorded before the others can notice, so that what they do about it comes second.
            if not isinstance(error, Cancelled):
                self._failures.append((worker, error))
            channel.cancel(drop=False)
        else:
            outlet.finish()
        finally:
            # However this stage ended, the stages before it have no reader now.
            for upstream in self.channels[:output]:
                upstream.cancel(drop=True)

    def take(self) -> Any:
        return self.channels[-1].take()

    def cancel(self) -> None:
        for channel in self.channels:
            channel.cancel(drop=True)

    def join(self) -> None:
        with self._adding:
            self._over = True
        for thread in self._threads:
            if thread.ident is not None:  # where a thread could not be started, those after it were not
                thread.join()


class _Inline:
    """One thread: the consumer's pull goes up through the generators to a source. Sources run in turn."""

    def __init__(self, sources: Sequence[Stage], stages: Sequence[Stage], failures: Failures) -> None:
        self._failures = failures
        self._cancelled = False
        self.channels: list[Channel[Any]] = []
        self.sources = [Worker(source) for source in sources]
        self.stages: list[Worker] = []
        self._waiting_sources = iter(self.sources)
        self._source = next(self._waiting_sources)
        self._take: Take = self._take_from_sources
        for stage in stages:
            self.stages.append(Worker(stage, self._take))
            self._take = partial(self._take_from, self.stages[-1])

    def start(self) -> None:
        """Nothing runs until it is pulled."""

    def add(self, source: Stage) -> Worker:
        self.sources.append(Worker(source))
        return self.sources[-1]

    def _take_from_sources(self, timeout_s: float | None = None, wanted: int = 1) -> Any:
        while True:
            try:
                return self._take_from(self._source)
            except StopIteration:
                self._source = next(self._waiting_sources)  # its StopIteration is the end of all

    def _take_from(self, worker: Worker, timeout_s: float | None = None, wanted: int = 1) -> Any:
        """What the stage yields next. Its failure reaches the next stage as in a threaded run: as Cancelled."""
        if self._cancelled:
            raise Cancelled
        try:
            return next(worker)
        except (StopIteration, Cancelled, KeyboardInterrupt):
            raise
        except BaseException as error:
            self._failures.append((worker, error))
            raise Cancelled from None

    def take(self) -> Any:
        return self._take(None)

    def cancel(self) -> None:
        self._cancelled = True

    def join(self) -> None:
        """Close what is still open, the last stage first."""
        with ExitStack() as stack:
            for worker in [*self.sources, *self.stages]:
                stack.callback(self._close, worker)

    def _close(self, worker: Worker) -> None:
        try:
            worker.close()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            self._failures.append((worker, error))


class Run(Iterator[Any]):
    """Sources and stages at work; iterating yields what the last stage yields.

        with Run([decode], [batch, detect, annotate]) as run:
            for item in run:
                ...

    Leaving the block cancels what still runs and waits for it. A run is used once.

    Args:
        sources: at least one; they run side by side, their items in any order, those of one source in its own.
        stages: in order.
        mode: "threaded", a thread a stage; "inline", all in the caller's thread and sources in turn, for
            debugging. Both yield the same.

    Raises:
        StageError: when a stage has failed, from its cause; the output up to there comes first. Failures of other
            stages are its notes.
        Cancelled: when cancel() was called and no stage has failed.
    """

    def __init__(
        self, sources: Sequence[Stage], stages: Sequence[Stage], mode: Literal["threaded", "inline"] = "threaded"
    ) -> None:
        if not sources:
            raise ValueError("a run needs at least one source")
        if mode not in ("threaded", "inline"):
            raise ValueError(f"mode must be threaded or inline, got {mode!r}")
        self._mode = mode
        self._failures: Failures = []
        self._engine: _Engine = (_Threaded if mode == "threaded" else _Inline)(sources, stages, self._failures)
        self._consumer = Meter("consumer")
        self._stopping = False
        self._error: StageError | None = None
        self._inside_block = False
        self._started_s: float | None = None
        self._ended_s: float | None = None

    def __enter__(self) -> Self:
        if self._started_s is not None:
            raise RuntimeError("a run is used once")
        self._started_s = perf_counter()
        # A block inside a generator that is never closed is left at the interpreter's exit, when threads cannot run
        # any more and a join would wait forever.
        atexit.register(self._shut_down)
        try:
            self._engine.start()
            self._consumer.enter(BUSY)
            self._inside_block = True
        except BaseException:
            self._leave()
            raise
        return self

    def __next__(self) -> Any:
        if not self._inside_block:
            raise RuntimeError("iterate over a run inside its with block")
        self._consumer.enter(WAITING_IN)
        try:
            item = self._engine.take()
        except (StopIteration, Cancelled):
            self._join()
            self._raise_failure()
            raise
        finally:
            self._consumer.enter(BUSY if self._ended_s is None else OVER)
        self._consumer.items_in += 1
        return item

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._leave()
        if self._error is not None:  # already raised
            return
        if error is None or isinstance(error, GeneratorExit):  # left on purpose
            self._raise_failure()
        else:
            _note(error, self._failures)

    def _leave(self) -> None:
        self._inside_block = False
        try:
            self._shut_down()
        finally:
            atexit.unregister(self._shut_down)

    def _shut_down(self) -> None:
        self.cancel()
        self._join()

    def _join(self) -> None:
        self._engine.join()
        if self._ended_s is None:
            self._ended_s = perf_counter()
            self._consumer.enter(OVER)

    def _raise_failure(self) -> None:
        """If a stage has failed: the first failure from its cause, the others as notes. Once all stages have ended."""
        if not self._failures:
            return
        worker, cause = self._failures[0]
        if self._error is None:
            self._error = StageError(worker.describe(cause))
            _note(self._error, self._failures[1:])
        raise self._error from cause

    def stop(self) -> None:
        """Close the sources and let the items in progress run through the stages; the iteration then ends as usual.

        A source notices when it next yields, or looks at `inbox.stopping`. Takes no lock: safe in a signal handler,
        from any thread, at any time.
        """
        self._stopping = True
        for source in self._engine.sources:
            source.stop()

    def add(self, source: Stage) -> None:
        """Let one more source join, from any thread.

        Raises:
            RuntimeError: if the run has not started, or no source can join because all have ended.
        """
        if not self._inside_block and self._started_s is None:
            raise RuntimeError("a source joins a run inside its with block")
        worker = self._engine.add(source)
        if self._stopping:
            worker.stop()

    def cancel(self) -> None:
        """Raise Cancelled in every call on a channel, blocked ones included; items in progress are dropped.

        A stage notices when it next takes or yields an item; its finally blocks run. Safe where stop() is.
        """
        self._engine.cancel()

    @property
    def stats(self) -> RunStats:
        """Counts and times so far; from any thread, while the run continues and after it."""
        now_s = self._ended_s or perf_counter()
        wall_s = now_s - (self._started_s or now_s)
        sources, stages = (
            [worker.meter.stats(now_s, wall_s) for worker in workers]
            for workers in (self._engine.sources, self._engine.stages)
        )
        consumer = self._consumer.stats(now_s, wall_s)
        names = [" + ".join(dict.fromkeys(s.name for s in sources)), *(s.name for s in stages), consumer.name]
        return RunStats(
            mode=self._mode,
            wall_s=wall_s,
            bound_by=bounding_stage([*sources, *stages], consumer),
            stages=(*sources, *stages),
            consumer=consumer,
            channels=tuple(
                channel.stats(writer, reader, now_s, wall_s)
                for channel, writer, reader in zip(self._engine.channels, names, names[1:], strict=False)
            ),
        )


def _note(error: BaseException, failures: Failures) -> None:
    for worker, cause in failures:
        error.add_note(f"also failed: {worker.describe(cause)}")
