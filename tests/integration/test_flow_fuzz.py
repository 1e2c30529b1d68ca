"""Random pipelines with faults at random places, each threaded and inline.

Whatever happens in one: it ends, all its generators were closed in their own threads, every fault that was raised is
reported once with its stage, stream and frame, and the output is, source by source, a prefix of that of a fault-free
inline run over the same items; all of it where nothing went wrong.
"""

import random
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from random_pipelines import BODIES, Item, Marker, Pipeline, Step, random_pipeline

from streamdet.errors import StageError
from streamdet.flow import Cancelled, Inbox, Run, Stage, channel

PIPELINES_A_TEST = 100
FIRST_SEEDS = [0, 100, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(200, 1200, PIPELINES_A_TEST))]
DEADLOCK_S = 30.0  # a hundred pipelines take a second


class PlannedError(Exception):
    pass


class ConsumerError(Exception):
    pass


@dataclass
class Diary:
    """What happened in a run, as its stages saw it."""

    opened: list[str] = field(default_factory=list)
    closed: list[tuple[str, str]] = field(default_factory=list)  # with the thread's name
    raised: list[str] = field(default_factory=list)  # as it must be reported
    # By step and stream, items that sources yielded and that limits let through.
    yielded: Counter[tuple[str, str]] = field(default_factory=Counter)


class Probe:
    """Between a stage and its body: raises the stage's fault and keeps the diary."""

    def __init__(self, step: Step, diary: Diary, inbox: Inbox[Any] | None) -> None:
        self._step = step
        self._diary = diary
        self._inbox = inbox
        self._dice = random.Random(step.name)
        self.last: Any = None
        self._count = 0

    def raise_fault(self, place: str) -> None:
        fault = self._step.fault
        if fault is None or fault.place != place or (place == "item" and fault.after != self._count):
            return
        index = getattr(self.last, "index", None)
        where = "" if self.last is None else f", stream {self.last.source}"
        where += "" if index is None else f", frame {index}"
        self._diary.raised.append(f"stage {self._step.name}{where}: PlannedError: in {place}")
        raise PlannedError(f"in {place}")

    def see(self, item: Any) -> None:
        self.last = item
        self._count += 1
        if self._dice.random() > self._step.haste:
            time.sleep(self._dice.random() * 0.001)
        self.raise_fault("item")

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._receive(next)

    def poll(self, timeout_s: float, wanted: int) -> Any:
        return self._receive(lambda inbox: inbox.poll(timeout_s, wanted))

    def wait_until_wanted(self) -> None:
        if self._inbox is not None:
            self._inbox.wait_until_wanted()

    def withdraw(self) -> None:
        if self._inbox is not None:
            self._inbox.withdraw()

    def _receive(self, call: Callable[[Any], Any]) -> Any:
        try:
            item = call(self._inbox)
        except StopIteration:
            self.raise_fault("flush")
            raise
        if item is not None:
            self.see(item)
        return item


def elements(step: Step) -> Iterator[Any]:
    for index in range(step.size):
        if index and index % 11 == 0:
            yield Marker(step.name, "gap")
        yield Item(step.name, index)
    yield Marker(step.name, "end")


def probed(step: Step, diary: Diary) -> Stage:
    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        diary.opened.append(step.name)
        probe = Probe(step, diary, inbox)
        try:
            probe.raise_fault("open")
            outputs = elements(step) if step.kind == "source" else BODIES[step.kind](probe, step.size)
            for number, output in enumerate(outputs):
                if step.kind == "source" and step.capacity == 0:
                    for _ in range(1 + number % 2):
                        inbox.withdraw()
                        inbox.wait_until_wanted()
                diary.yielded[step.name, output.source] += 1
                if step.kind == "source":
                    probe.last = output
                yield output
                if step.kind == "source":
                    probe.see(output)
            if step.kind == "source":
                probe.raise_fault("flush")
        finally:
            diary.closed.append((step.name, threading.current_thread().name))
            probe.raise_fault("finally")

    return Stage(step.name, process, step.capacity)


def reference(pipeline: Pipeline, diary: Diary) -> list[Any]:
    """Output of a fault-free inline run over those items that the sources yielded and the limits let through."""

    def truncated(step: Step) -> Stage:
        def process(inbox: Inbox[Any]) -> Iterator[Any]:
            left = Counter(diary.yielded)
            for output in elements(step) if step.kind == "source" else inbox:
                left[step.name, output.source] -= 1
                if left[step.name, output.source] >= 0:
                    yield output

        return Stage(step.name, process)

    def faultless(step: Step) -> Stage:
        return Stage(step.name, lambda inbox: BODIES[step.kind](inbox, step.size))

    sources = [truncated(step) for step in pipeline.sources]
    stages = [truncated(step) if step.kind == "limit" else faultless(step) for step in pipeline.stages]
    with Run(sources, stages, "inline") as run:
        return list(run)


def consume(run: Run, pipeline: Pipeline, output: list[Any]) -> None:
    action, after = pipeline.consumer
    for item in run:
        output.append(item)
        if len(output) != after:
            continue
        if action == "leave":
            return
        if action == "raise":
            raise ConsumerError
        if action in ("stop", "cancel"):
            getattr(run, action)()


def play(pipeline: Pipeline, mode: Any, diary: Diary) -> tuple[list[Any], BaseException | None]:
    sources, stages = ([probed(step, diary) for step in steps] for steps in (pipeline.sources, pipeline.stages))
    run = Run(sources, stages, mode)
    output: list[Any] = []
    action, delay_s = pipeline.timer or ("stop", 3600.0)
    timer = threading.Timer(delay_s, getattr(run, action))
    timer.start()
    try:
        with run:
            consume(run, pipeline, output)
    except BaseException as error:
        return output, error
    finally:
        timer.cancel()
        timer.join()
    return output, None


# What must hold.


def check(pipeline: Pipeline, mode: str) -> tuple[list[Any], str]:
    diary = Diary()
    output, error = play(pipeline, mode, diary)

    assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamdet:")]
    assert sorted(diary.opened) == sorted(name for name, _ in diary.closed)
    here = threading.current_thread().name
    assert all(thread == (f"streamdet:{name}" if mode == "threaded" else here) for name, thread in diary.closed)

    assert error is None or type(error) in (StageError, ConsumerError, Cancelled), error
    notes = [note.removeprefix("also failed: ") for note in getattr(error, "__notes__", [])]
    reported = [str(error), *notes] if isinstance(error, StageError) else notes
    assert Counter(reported) == Counter(diary.raised)
    if mode == "inline":  # in one thread it is plain which was first
        assert reported[:1] == diary.raised[:1]

    left = pipeline.consumer[0] == "leave" and len(output) == pipeline.consumer[1]
    expected = by_source(reference(pipeline, diary))
    for source, items in by_source(output).items():
        assert items == expected[source][: len(items)]
    if error is None and not left:
        assert by_source(output) == expected
    return output, str(error)


def by_source(items: Iterable[Any]) -> dict[str, list[Any]]:
    streams: dict[str, list[Any]] = {}
    for item in items:
        streams.setdefault(item.source, []).append(item)
    return streams


def check_both_modes(pipeline: Pipeline) -> None:
    threaded, inline = check(pipeline, "threaded"), check(pipeline, "inline")
    undisturbed = pipeline.consumer[0] == "read" and pipeline.timer is None and len(pipeline.sources) == 1
    if undisturbed and pipeline.faults <= 1 and all(step.kind != "limit" for step in pipeline.stages):
        assert threaded == inline


@pytest.fixture
def short_turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads take turns often, and a missed wake-up is a deadlock, not a delay."""
    monkeypatch.setattr(channel, "RECHECK_S", 1.5 * DEADLOCK_S)
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(interval_s)


@pytest.mark.usefixtures("short_turns")
@pytest.mark.parametrize("first_seed", FIRST_SEEDS)
def test_random_pipelines(first_seed: int) -> None:
    problems: list[str] = []
    current: list[Any] = []

    def play_all() -> None:
        for seed in range(first_seed, first_seed + PIPELINES_A_TEST):
            pipeline = random_pipeline(random.Random(seed))
            current[:] = [seed, pipeline]
            try:
                check_both_modes(pipeline)
            except BaseException:
                problems.append(f"seed {seed}: {pipeline}\n{traceback.format_exc()}")
                return

    # In a thread of its own: one that hangs can be reported, and does not hold up pytest.
    player = threading.Thread(target=play_all, daemon=True)
    player.start()
    player.join(DEADLOCK_S)
    if player.is_alive():
        stacks = ["".join(traceback.format_stack(frame)) for frame in sys._current_frames().values()]
        pytest.fail(f"deadlock at seed {current[0]}: {current[1]}\n" + "\n".join(stacks))
    assert not problems, problems[0]
