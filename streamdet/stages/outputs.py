"""Stages that write: an output for each stream, or one for all; one that fails is given up, and the run continues."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import Protocol

from streamdet.errors import SinkError
from streamdet.flow import Inbox, Stage
from streamdet.frames import Checkpoint, Marker, StateSection, StreamEnded, StreamStarted
from streamdet.media.locations import redact
from streamdet.media.write.delivery import Delivery
from streamdet.result import Result

Target = Path | str
Item = Result | Marker


@dataclass(frozen=True, slots=True)
class OutputFailed:
    """An output was given up, or did not get everything.

    Attributes:
        stage: that writes it.
        source: name of the stream; None where several share it.
        error: what happened.
    """

    stage: str
    source: str | None
    error: SinkError


@dataclass(frozen=True, slots=True)
class OutputChanged:
    """An output that may fail and recover failed, or works again.

    Attributes:
        target: its path or address, without credentials.
        problem: why it fails, one line; None where it works again.
    """

    target: str
    problem: str | None


class OutputLog:
    """What becomes of outputs, told by the threads that write them.

    Args:
        listener: called with every change, from the thread that has noticed it.

    Attributes:
        before_write: called with a target before each item that it gets.
    """

    def __init__(self, listener: Callable[[OutputFailed | OutputChanged], None] = lambda change: None) -> None:
        self._listener = listener
        self.before_write: Callable[[Target], None] = lambda target: None
        self._lock = Lock()
        self._failures: list[OutputFailed] = []
        self._deliveries: dict[str, Delivery] = {}

    def fail(self, stage: str, source: str | None, error: SinkError) -> None:
        """Note an output that was given up, or did not get everything."""
        failed = OutputFailed(stage, source, error)
        with self._lock:
            self._failures.append(failed)
        self._listener(failed)

    def delivery(self, target: str, unit: str) -> Delivery:
        """What counts what arrives at a target; the same each time.

        Args:
            target: a path, or an address, credentials included.
            unit: what is counted.
        """
        with self._lock:
            if target not in self._deliveries:
                self._deliveries[target] = Delivery(redact(target), unit, changed=self._tell)
            return self._deliveries[target]

    @property
    def failures(self) -> tuple[OutputFailed, ...]:
        """In the order in which they happened."""
        with self._lock:
            return tuple(self._failures)

    @property
    def deliveries(self) -> Mapping[str, Delivery]:
        """By path or address, credentials included."""
        with self._lock:
            return dict(self._deliveries)

    def _tell(self, delivery: Delivery) -> None:
        self._listener(OutputChanged(delivery.shown, delivery.failing))


class Output(Protocol):
    """What a stream is written to. All methods raise SinkError."""

    def write(self, item: Result | Marker) -> None:
        """Add a frame or a marker."""
        ...

    def snapshot(self) -> StateSection | None:
        """Make sure that what was written survives a power cut; gives what continues it behind that."""
        ...

    def close(self) -> None:
        """Finish it."""
        ...


def output_stage(
    name: str, open_output: Callable[[StreamStarted | None, Target], Output], log: OutputLog, shared: str | None = None
) -> Stage:
    """Write every item to its stream's output; everything passes through.

    An output is finished at its stream's end, a shared one at the run's, and all of them when the run ends for
    whatever reason.

    Args:
        name: of the stage. A stream's target is `StreamStarted.outputs[name]`; a stream that has none is not written.
        open_output: opens a target for a stream that starts; of a shared one, None where the stream could not start.
        log: is told of each output that fails.
        shared: the target that all streams have, those included that could not be opened.
    """

    def process(inbox: Inbox[Item]) -> Iterator[Item]:
        outputs = _Outputs(name, open_output, log, shared)
        try:
            for item in inbox:
                outputs.write(item)
                yield item
        finally:
            outputs.close()

    return Stage(name, process)


class _Outputs:
    """The outputs of a run, by target; targets by stream."""

    def __init__(
        self,
        name: str,
        open_output: Callable[[StreamStarted | None, Target], Output],
        log: OutputLog,
        shared: str | None,
    ) -> None:
        self._name, self._open_output, self._log, self._shared = name, open_output, log, shared
        self._targets: dict[str, Target] = {}
        self._open: dict[Target, Output] = {}
        self._given_up: set[Target] = set()
        self._ends: dict[str, StreamEnded] = {}  # how each stream would end now

    def write(self, item: Item) -> None:
        """Write one item; what fails is told and given up."""
        started = item if isinstance(item, StreamStarted) else None
        if started is not None and self._name in started.outputs:
            self._targets[item.source] = started.outputs[self._name]
        target = self._targets.get(item.source, self._shared)
        if target is None or target in self._given_up:
            return
        self._count(item)
        self._log.before_write(target)
        try:
            output = self._open.get(target)
            if output is None:
                output = self._open[target] = self._open_output(started, target)
            if not isinstance(item, Checkpoint):
                output.write(item)
            elif not item.last and (section := output.snapshot()) is not None:
                item.sections[self._name] = section
            if isinstance(item, StreamEnded) and target != self._shared:
                del self._targets[item.source]
                self._open.pop(target).close()
        except SinkError as error:
            self._give_up(target)
            self._log.fail(self._name, item.source, error)

    def close(self) -> None:
        """Finish what is open, whatever happens to one; streams whose end did not come were interrupted."""
        with ExitStack() as stack:  # what is put in last is done first
            for target in list(self._open):
                stack.callback(self._finish, target)
            for ended in reversed(list(self._ends.values())):
                if self._targets.get(ended.source, self._shared) in self._open:
                    stack.callback(self.write, ended)

    def _finish(self, target: Target) -> None:
        if (output := self._open.get(target)) is None:
            return
        try:
            output.close()
        except SinkError as error:
            self._log.fail(self._name, None if target == self._shared else self._source_of(target), error)

    def _source_of(self, target: Target) -> str | None:
        return next((source for source, its_target in self._targets.items() if its_target == target), None)

    def _count(self, item: Item) -> None:
        if isinstance(item, StreamEnded):
            self._ends.pop(item.source, None)
        elif isinstance(item, StreamStarted):
            self._ends[item.source] = StreamEnded(item.source, item.frames_before, error="interrupted")
        elif isinstance(item, Result) and (so_far := self._ends.get(item.source)):
            dropped = so_far.dropped + item.frame.dropped_before
            self._ends[item.source] = replace(so_far, frames=so_far.frames + 1, dropped=dropped)

    def _give_up(self, target: Target) -> None:
        self._given_up.add(target)
        if broken := self._open.pop(target, None):
            with suppress(SinkError):  # what is wrong with it is already reported
                broken.close()
