"""A stage is a generator function over its inbox; a worker is one that runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, cast

from streamdet.errors import StreamdetError
from streamdet.flow.channel import Cancelled
from streamdet.flow.stats import BUSY, OVER, WAITING_IN, WAITING_OUT, Meter

T = TypeVar("T")


class Take(Protocol):
    """Gives the next item, or None if none came within timeout_s (None: as long as it takes).

    Raises StopIteration at the end, Cancelled where the run is.
    """

    def __call__(self, timeout_s: float | None, wanted: int = 1) -> Any: ...


class Turns(Protocol):
    """A stage's place among those that write to the next one; `channel.Outlet` is one."""

    def wait_turn(self) -> None: ...
    def withdraw(self) -> None: ...


class _Always:
    """Inline: a stage runs only when the next one waits."""

    def wait_turn(self) -> None:
        pass

    def withdraw(self) -> None:
        pass


_END = object()


class Position:
    """The stream and frame that a stage is at, as far as its items tell: they are named in its failure."""

    def __init__(self) -> None:
        self._source: str | None = None
        self._index: int | None = None

    def move_to(self, item: object) -> None:
        """Reads `source` and `index`; keeps no reference, an item may hold many images."""
        source, index = getattr(item, "source", None), getattr(item, "index", None)
        self._source = source if isinstance(source, str) else None
        # str, list and tuple have an index too: a method.
        self._index = index if isinstance(index, int) else None

    def __str__(self) -> str:
        stream = "" if self._source is None else f", stream {self._source}"
        return stream if self._index is None else f"{stream}, frame {self._index}"


class Inbox(Iterator[T]):
    """What a stage reads. Iterating waits for the next item and ends when the stage before has ended.

    A source's inbox is empty. Items are never None.

    Attributes:
        cancelled: no more items will come.
        stopping: `Run.stop()` was called; of a source's inbox.
    """

    def __init__(self, take: Take, meter: Meter, position: Position, turns: Turns | None = None) -> None:
        self._take = take
        self._meter = meter
        self._position = position
        self._turns = turns or _Always()
        self.cancelled = False
        self.stopping = False

    def __next__(self) -> T:
        """The next item.

        Raises:
            StopIteration: at the end, and again at every further call.
            Cancelled: if the run was cancelled or the stage before has failed; again at every further call.
        """
        return cast(T, self._receive(None))

    def poll(self, timeout_s: float, wanted: int = 1) -> T | None:
        """The next item, or None if none came within timeout_s; raises what next() raises. Inline it always waits.

        Args:
            timeout_s: 0: what is there, or is being made.
            wanted: items that stages of capacity 0 may make at the same time, for this call and those to come.
        """
        return self._receive(timeout_s, wanted)

    def wait_until_wanted(self) -> None:
        """Wait until the next stage waits for an item of this one, and so make none that gets old.

        Where several stages wait for this, they take turns. Yield soon, or `withdraw`.

        Raises:
            Cancelled: if no reader will take it.
        """
        self._meter.enter(WAITING_OUT)
        try:
            self._turns.wait_turn()
        except Cancelled:
            self.cancelled = True
            raise
        finally:
            self._meter.enter(BUSY)

    def withdraw(self) -> None:
        """There is no item after all: let another stage have its turn."""
        self._turns.withdraw()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """The time of this block is spent waiting for what a source reads from, not working."""
        self._meter.enter(WAITING_IN)
        try:
            yield
        finally:
            self._meter.enter(BUSY)

    def _receive(self, timeout_s: float | None, wanted: int = 1) -> T | None:
        if self.cancelled:
            raise Cancelled
        self._meter.enter(WAITING_IN)
        try:
            item: T | None = self._take(timeout_s, wanted)
        except Cancelled:
            self.cancelled = True
            raise
        finally:
            self._meter.enter(BUSY)
        if item is not None:
            self._meter.items_in += 1
            self._position.move_to(item)
        return item


@dataclass(frozen=True)
class Stage:
    """One step of a run.

    Attributes:
        name: name of its thread, in its statistics and its failures.
        process: called once, in the stage's own thread, with the stage's inbox; gives what the stage yields. Usually a
            generator function: code after its loop over the inbox flushes, `finally` cleans up.
        capacity: how many of its outputs may wait for the next stage; 0: it hands over when that one waits.
        stops_itself: a source that ends on its own once `inbox.stopping` is True, to say so to the stages behind it.
    """

    name: str
    process: Callable[[Inbox[Any]], Iterator[Any]]
    capacity: int = 4
    stops_itself: bool = False

    def __post_init__(self) -> None:
        if self.capacity < 0:
            raise ValueError(f"stage {self.name}: capacity must not be negative, got {self.capacity}")


def _no_item(timeout_s: float | None, wanted: int = 1) -> Any:
    raise StopIteration


class Worker(Iterator[Any]):
    """A stage that runs: advances its generator, keeps its time, knows which frame it is at. Used by one thread.

    Without take it is a source.
    """

    def __init__(self, stage: Stage, take: Take | None = None, turns: Turns | None = None) -> None:
        self.stage = stage
        self.meter = Meter(stage.name)
        self._is_source = take is None
        self._position = Position()
        self._inbox: Inbox[Any] = Inbox(take or _no_item, self.meter, self._position, turns)
        self._outputs: Iterator[Any] | None = None

    def stop(self) -> None:
        """End at the next item. Takes no lock."""
        self._inbox.stopping = True

    def __next__(self) -> Any:
        """The stage's next output.

        Raises:
            StopIteration: if its generator has ended, or was closed because the worker is stopping.
            Cancelled: if its inbox was cancelled, whatever the stage made of that: what it would flush now is not what
                it flushes at a regular end.
            TypeError: if the stage does not yield items.
        """
        if self._inbox.stopping and not self.stage.stops_itself:
            self.close()
            raise StopIteration
        self.meter.enter(BUSY)
        try:
            if self._outputs is None:
                self._outputs = self._open()
            item = next(self._outputs, _END)
        finally:
            self.meter.enter(WAITING_OUT)
        if self._inbox.cancelled:
            raise Cancelled
        if item is _END:
            self._outputs = iter(())
            self.meter.enter(OVER)
            raise StopIteration
        if item is None:
            raise TypeError("yielded None, expected an item")
        if self._is_source:
            self._position.move_to(item)
        self.meter.items_out += 1
        return item

    def _open(self) -> Iterator[Any]:
        outputs = self.stage.process(self._inbox)
        if not isinstance(outputs, Iterator):
            raise TypeError(f"process returned {type(outputs).__name__}, expected an iterator; is a yield missing?")
        return outputs

    def close(self) -> None:
        """Run the generator's finally blocks now. No more items come to its inbox."""
        close = getattr(self._outputs, "close", None)
        if close is not None:
            self._inbox.cancelled = True
            self.meter.enter(BUSY)
            try:
                close()
            except RuntimeError:
                # "generator ignored GeneratorExit": it yielded inside finally. Closed again, it continues from there.
                close()
                raise
        self.meter.enter(OVER)

    def describe(self, cause: BaseException) -> str:
        """One line that names stage, stream and frame."""
        return f"stage {self.stage.name}{self._position}: {_describe(cause)}"


def _describe(cause: BaseException) -> str:
    """Our own errors are written to be read; of others the type, and of long texts the first line."""
    text = str(cause)
    if isinstance(cause, StreamdetError) and text:
        return text
    first_line = text.partition("\n")[0]
    return f"{type(cause).__name__}: {first_line}" if first_line else type(cause).__name__
