"""A signal stops a run, a second one ends it."""

import os
import signal

import pytest

from streamdet.cli.messages import messages
from streamdet.cli.signals import StopOnSignal
from streamdet.flow import Cancelled, Run, Stage


@pytest.fixture(autouse=True)
def heard():
    """A background job's signals are ignored, and stay so in what it starts: not here."""
    numbers = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def endless(inbox):
    number = 0
    while True:
        yield number
        number += 1


def double(inbox):
    for item in inbox:
        yield 2 * item
    yield "flushed"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_lets_the_run_drain(number, capsys):
    run = Run([Stage("source", endless)], [Stage("double", double)])
    items = []
    with messages("text"), StopOnSignal(run) as stop, run:
        for item in run:
            if item == 20:
                os.kill(os.getpid(), number)
            stop.announce()
            items.append(item)
    assert items[-1] == "flushed"
    assert items[:-1] == list(range(0, 2 * len(items) - 2, 2))
    assert stop.exit_status == 128 + number
    assert capsys.readouterr().err == "stopping after the frames in progress; repeat to stop at once\n"


def press_twice(run):
    with run:
        for item in run:
            if item in (20, 22):
                os.kill(os.getpid(), signal.SIGINT)


def test_the_second_cancels():
    run = Run([Stage("source", endless)], [Stage("double", double)])
    with StopOnSignal(run) as stop, pytest.raises(Cancelled):
        press_twice(run)
    assert stop.exit_status == 130


def test_the_third_leaves_what_is_stuck():
    run = Run([Stage("source", endless)], [])
    with StopOnSignal(run):
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_what_is_ignored_stays_ignored_and_handlers_come_back():
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        before = signal.getsignal(signal.SIGINT)
        run = Run([Stage("source", endless)], [])
        with StopOnSignal(run) as stop:
            os.kill(os.getpid(), signal.SIGHUP)
        assert stop.received is None
        assert stop.exit_status is None
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGHUP, previous)
