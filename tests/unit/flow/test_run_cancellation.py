"""Runs that end before their sources do: left, stopped, cancelled, interrupted."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flow_stages import (
    Item,
    Process,
    both_modes,
    echo,
    endless,
    failing_at,
    failing_at_the_end,
    indices,
    output_and_error,
    pairs,
)

from streamdet.errors import SinkError, StageError
from streamdet.flow import Cancelled, Inbox, Run, Stage, channel


@both_modes
def test_leaving_early_closes_everything_in_its_own_thread(mode: Any) -> None:
    seen: list[str] = []

    def watched(inbox: Inbox[Any]) -> Iterator[Any]:
        try:
            yield from inbox
        finally:
            seen.append(threading.current_thread().name)

    with Run([endless(seen)], [Stage("detect", watched), Stage("track", watched)], mode) as run:
        for item in run:
            if item.index == 5:
                break
    threads = ["streamdet:decode", "streamdet:detect", "streamdet:track"]
    assert sorted(seen) == (threads if mode == "threaded" else [threading.current_thread().name] * 3)


@both_modes
def test_leaving_early_reports_a_failed_clean_up(mode: Any) -> None:
    run = Run([endless()], [Stage("encode", failing_at_the_end(SinkError("disk full")))], mode)
    with pytest.raises(StageError, match=r"stage encode, stream cam, frame \d+: disk full"), run:
        next(run)


@both_modes
def test_a_failed_clean_up_is_reported_when_a_generator_around_the_run_is_closed(mode: Any) -> None:
    def stream() -> Iterator[Any]:
        with Run([endless()], [Stage("encode", failing_at_the_end(SinkError("disk full")))], mode) as run:
            yield from run

    items: Any = stream()
    next(items)
    with pytest.raises(StageError, match="disk full"):
        items.close()


@both_modes
def test_an_error_of_the_consumer_stays_first(mode: Any) -> None:
    run = Run([endless()], [Stage("encode", failing_at_the_end(SinkError("disk full")))], mode)
    with pytest.raises(ZeroDivisionError) as caught, run:  # noqa: PT012
        next(run)
        raise ZeroDivisionError
    assert [note.partition(",")[0] for note in caught.value.__notes__] == ["also failed: stage encode"]


@both_modes
def test_stop_drains_and_ends_as_usual(mode: Any) -> None:
    seen: list[str] = []
    with Run([endless(seen), endless(seen)], [Stage("echo", echo), Stage("batch", pairs)], mode) as run:
        output = []
        for pair in run:
            output += pair
            if len(output) == 20:
                run.stop()
    assert len(output) == run.stats.stages[0].items_out + run.stats.stages[1].items_out
    assert len(seen) == (2 if mode == "threaded" else 1)


@both_modes
def test_stop_before_the_start_runs_nothing(mode: Any) -> None:
    run = Run([endless()], [Stage("echo", echo)], mode)
    run.stop()
    with run:
        assert list(run) == []


@both_modes
def test_cancel_raises_in_the_consumer_and_nothing_flushes(mode: Any) -> None:
    flushed = []

    def flushing(inbox: Inbox[Any]) -> Iterator[Any]:
        try:
            yield from inbox
        except BaseException as error:
            flushed.append(type(error))
            raise

    def consume(run: Run) -> None:
        with run:
            for item in run:
                if item.index == 3:
                    run.cancel()

    with pytest.raises(Cancelled):
        consume(Run([endless()], [Stage("batch", flushing)], mode))
    assert flushed[0] in (Cancelled, GeneratorExit)


def test_cancel_wakes_stages_that_wait_for_input_and_for_output() -> None:
    blocked: dict[str, type] = {}
    release = threading.Event()

    def stalled(inbox: Inbox[Any]) -> Iterator[Any]:
        yield Item("cam", 0)
        release.wait(20)

    def waiting(name: str) -> Process:
        def process(inbox: Inbox[Any]) -> Iterator[Any]:
            try:
                yield from inbox
            except BaseException as error:
                blocked[name] = type(error)
                raise

        return process

    with Run([Stage("decode", stalled)], [Stage("starved", waiting("starved"))]) as run:
        next(run)
        run.cancel()
        while "starved" not in blocked:
            time.sleep(0.001)
        release.set()
    with Run([endless()], [Stage("blocked", waiting("blocked"), 1)]) as run:
        while run.stats.channels[1].max_fill == 0:
            time.sleep(0.001)
    assert blocked == {"starved": Cancelled, "blocked": GeneratorExit}


@pytest.mark.parametrize("action", ["stop", "cancel"])
@both_modes
def test_stop_and_cancel_in_a_signal_handler(mode: Any, action: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "RECHECK_S", 0.05)  # see there
    old = signal.signal(signal.SIGUSR1, lambda number, frame: getattr(run, action)())
    main = threading.main_thread().ident
    assert main is not None
    try:
        for round_ in range(20):
            run = Run([endless()], [Stage("echo", echo)], mode)
            timers = [
                threading.Timer(0.001 * (round_ % 4) + 0.0001 * k, signal.pthread_kill, (main, signal.SIGUSR1))
                for k in range(5)
            ]
            for timer in timers:
                timer.start()
            _, error = output_and_error(run)
            for timer in timers:
                timer.join()
            assert isinstance(error, Cancelled) if action == "cancel" else error is None
    finally:
        signal.signal(signal.SIGUSR1, old)


def consume_until_ctrl_c(after: int) -> tuple[BaseException | None, list[str]]:
    """What the consumer got, and the threads in which the source was closed."""
    consumed: list[Any] = []
    closed_in: list[str] = []

    def interrupting(inbox: Inbox[Any]) -> Iterator[Any]:
        sent = False
        for item in inbox:
            yield item
            if not sent and len(consumed) > after:
                sent = True
                os.kill(os.getpid(), signal.SIGINT)

    try:
        with Run([endless(closed_in)], [Stage("detect", interrupting), Stage("echo", echo)]) as run:
            for item in run:
                consumed.append(item)  # noqa: PERF402 read by the stage meanwhile
    except BaseException as error:
        return error, closed_in
    return None, closed_in


def test_ctrl_c_in_the_consumer_closes_everything() -> None:
    old = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for after in range(30):
            error, closed_in = consume_until_ctrl_c(after)
            if isinstance(error, RuntimeError):  # what one bytecode of CPython's Condition.wait() makes of it
                error = error.__context__
            assert isinstance(error, KeyboardInterrupt)
            assert closed_in == ["streamdet:decode"]
    finally:
        signal.signal(signal.SIGINT, old)


def test_ctrl_c_in_a_stage_of_an_inline_run_is_not_a_failure_of_that_stage() -> None:
    seen: list[str] = []
    stages = [Stage("detect", failing_at(1, KeyboardInterrupt()))]
    output, error = output_and_error(Run([endless(seen)], stages, "inline"))
    assert indices(output) == [0]
    assert isinstance(error, KeyboardInterrupt)
    assert len(seen) == 1


def test_a_run_that_nobody_leaves_does_not_hold_the_interpreter_at_its_exit() -> None:
    script = """
import itertools
from streamdet.flow import Run, Stage

def decode(inbox):
    try:
        yield from itertools.count(1)
    finally:
        print("closed", flush=True)

def stream():
    with Run([Stage("decode", decode)], [Stage("echo", lambda inbox: inbox)]) as run:
        yield from run

items = stream()
print(next(items))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\nclosed\n", "")


def test_a_thread_that_cannot_be_started_leaves_none_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "streamdet:track":
            raise RuntimeError("can't start new thread")
        start(thread)

    seen: list[str] = []
    monkeypatch.setattr(threading.Thread, "start", refuse)
    run = Run([endless(seen)], [Stage("detect", echo), Stage("track", echo), Stage("encode", echo)])
    with pytest.raises(RuntimeError, match="can't start new thread"), run:
        pytest.fail("must not begin")
