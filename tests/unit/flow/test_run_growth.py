"""Sources that join a run while it goes on, and frames that are made only when they are wanted."""

import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from flow_stages import Item, both_modes, echo, endless, source

from streamdet.flow import Inbox, Run, Stage


@both_modes
def test_a_source_joins(mode: Any) -> None:
    with Run([source("a", 50)], [Stage("echo", echo)], mode) as run:
        first = next(run)
        run.add(source("b", 50))
        items = [first, *run]
    for name in "ab":
        assert [item.index for item in items if item.source == name] == list(range(50))
    assert [stage.items_out for stage in run.stats.stages] == [50, 50, 100]


def test_joining_outside_of_a_run_or_when_it_is_over_fails() -> None:
    run = Run([source("a", 1)], [])
    with pytest.raises(RuntimeError, match="inside its with block"):
        run.add(source("b"))
    with run:
        list(run)
        with pytest.raises(RuntimeError, match="this run is over"):
            run.add(source("b"))


def test_a_source_that_joins_after_a_stop_stops() -> None:
    with Run([endless()], [Stage("echo", echo)]) as run:
        next(run)
        run.stop()
        try:
            run.add(endless())
        except RuntimeError:  # it was over already
            return
        assert len(list(run)) < 100
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamdet:")]


def test_a_source_that_looks_can_end_in_its_own_way() -> None:
    def process(inbox: Inbox[Any]) -> Iterator[Item]:
        yield Item("cam", 0)
        while not inbox.stopping:
            with inbox.waiting():
                time.sleep(0.001)
        yield Item("cam", 1)

    with Run([Stage("decode", process, stops_itself=True)], [Stage("echo", echo)]) as run:
        first = next(run)
        run.stop()
        assert [item.index for item in (first, *run)] == [0, 1]
    [decode, _] = run.stats.stages
    assert decode.busy_s < decode.waiting_in_s + 0.5


def test_what_is_made_when_it_is_wanted_is_new() -> None:
    """A slow reader at the end of a chain without room gets the newest number, not one that waited for it."""
    newest = 0

    def camera(inbox: Inbox[Any]) -> Iterator[int]:
        while True:
            inbox.wait_until_wanted()
            yield newest

    def hand_on(inbox: Inbox[Any]) -> Iterator[int]:
        while True:
            inbox.wait_until_wanted()
            yield next(inbox)

    with Run([Stage("decode", camera, 0)], [Stage("batch", hand_on, 0)]) as run:
        for number in range(1, 6):
            newest = number
            time.sleep(0.02)
            assert next(run) == number


def test_sources_take_turns_under_overload() -> None:
    """Ten sources that always have something, and a reader that takes one thing at a time: nobody starves."""

    def always(name: str) -> Stage:
        def process(inbox: Inbox[Any]) -> Iterator[Item]:
            index = 0
            while True:
                inbox.wait_until_wanted()
                yield Item(name, index)
                index += 1

        return Stage(name, process, 0)

    names = [f"cam-{n}" for n in range(10)]
    counts = dict.fromkeys(names, 0)
    with Run([always(name) for name in names], []) as run:
        for _ in range(500):
            counts[next(run).source] += 1
            time.sleep(0.0005)
    assert min(counts.values()) > 25, counts
