"""Runs that end by themselves: output, failures, early returns."""

import gc
import time
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from flow_stages import (
    Item,
    both_modes,
    echo,
    endless,
    failing_at,
    failing_at_the_end,
    indices,
    output_and_error,
    pairs,
    source,
)

from streamdet.errors import DecodeError, SinkError, StageError
from streamdet.flow import Inbox, Run, Stage


@both_modes
def test_output_and_flush(mode: Any) -> None:
    with Run([source("a", 5)], [Stage("echo", echo), Stage("batch", pairs)], mode) as run:
        assert [indices(list(pair)) for pair in run] == [[0, 1], [2, 3], [4]]


@both_modes
def test_several_sources_each_in_its_order(mode: Any) -> None:
    with Run([source("a", 50), source("b", 30), source("c", 0)], [Stage("echo", echo)], mode) as run:
        output = list(run)
    assert len(output) == 80
    assert indices([item for item in output if item.source == "a"]) == list(range(50))
    assert indices([item for item in output if item.source == "b"]) == list(range(30))


@both_modes
def test_without_stages_the_consumer_reads_the_sources(mode: Any) -> None:
    with Run([source("a", 3)], [], mode) as run:
        assert indices(list(run)) == [0, 1, 2]
        assert list(run) == []


@both_modes
def test_a_failure_comes_after_the_output_before_it_and_names_the_place(mode: Any) -> None:
    stages = [Stage("detect", failing_at(6, ValueError("bad shape"))), Stage("track", echo)]
    output, error = output_and_error(Run([source("cam-3")], stages, mode))
    assert indices(output) == [0, 1, 2, 3, 4, 5]
    assert isinstance(error, StageError)
    assert str(error) == "stage detect, stream cam-3, frame 6: ValueError: bad shape"
    assert isinstance(error.__cause__, ValueError)
    assert not hasattr(error, "__notes__")


@both_modes
def test_a_failure_of_ours_keeps_its_text_and_type(mode: Any) -> None:
    output, error = output_and_error(Run([source("a")], [Stage("encode", failing_at(0, SinkError("full")))], mode))
    assert output == []
    assert str(error) == "stage encode, stream a, frame 0: full"
    assert isinstance(error.__cause__, SinkError)


@both_modes
def test_a_failing_source_names_its_last_frame_and_stages_do_not_flush(mode: Any) -> None:
    def breaking(inbox: Inbox[Any]) -> Iterator[Item]:
        yield from (Item("cam", index) for index in range(3))
        raise DecodeError("broken")

    output, error = output_and_error(Run([Stage("decode", breaking)], [Stage("batch", pairs)], mode))
    assert [indices(list(pair)) for pair in output] == [[0, 1]]
    assert str(error) == "stage decode, stream cam, frame 2: broken"


@both_modes
def test_a_failure_in_finally_is_reported(mode: Any) -> None:
    stages = [Stage("record", failing_at_the_end(OSError("disk"))), Stage("batch", pairs)]
    output, error = output_and_error(Run([source("a", 3)], stages, mode))
    assert [indices(list(pair)) for pair in output] == [[0, 1]]
    assert str(error) == "stage record, stream a, frame 2: OSError: disk"


@both_modes
def test_sys_exit_in_a_stage_is_a_failure_not_a_silent_end(mode: Any) -> None:
    _, error = output_and_error(Run([source("a")], [Stage("detect", failing_at(2, SystemExit(3)))], mode))
    assert str(error) == "stage detect, stream a, frame 2: SystemExit: 3"


@both_modes
def test_failures_in_clean_up_are_notes_of_the_first(mode: Any) -> None:
    stages = [
        Stage("record", failing_at_the_end(OSError("disk"))),
        Stage("detect", failing_at(4, ValueError("bad"))),
        Stage("encode", failing_at_the_end(SinkError("pipe"))),
    ]
    _, error = output_and_error(Run([endless()], stages, mode))
    assert str(error) == "stage detect, stream cam, frame 4: ValueError: bad"
    assert len(error.__notes__) == 2
    assert any(note.startswith("also failed: stage record, stream cam, frame ") for note in error.__notes__)
    assert "also failed: stage encode, stream cam, frame 3: pipe" in error.__notes__


@both_modes
def test_a_failure_is_raised_again_when_iterating_on(mode: Any) -> None:
    with Run([source("a")], [Stage("detect", failing_at(0, ValueError("bad")))], mode) as run:
        for _ in range(2):
            with pytest.raises(StageError, match="bad"):
                next(run)


@both_modes
def test_an_early_return_closes_the_stages_before_it_and_lets_those_after_it_flush(mode: Any) -> None:
    def first_three(inbox: Inbox[Any]) -> Iterator[Any]:
        for item in inbox:
            yield item
            if item.index == 2:
                return

    seen: list[str] = []
    stages = [Stage("echo", echo), Stage("limit", first_three), Stage("batch", pairs)]
    with Run([endless(seen)], stages, mode) as run:
        assert [indices(list(pair)) for pair in run] == [[0, 1], [2]]
    assert len(seen) == 1


@both_modes
def test_a_stage_that_swallows_the_end_gets_it_again(mode: Any) -> None:
    def stubborn(inbox: Inbox[Any]) -> Iterator[Any]:
        for _ in range(3):
            yield from inbox
        yield "done"

    with Run([source("a", 2)], [Stage("echo", stubborn)], mode) as run:
        assert list(run) == [Item("a", 0), Item("a", 1), "done"]


@both_modes
def test_a_stage_that_never_ends_by_itself_can_be_left(mode: Any) -> None:
    def spinning(inbox: Inbox[Any]) -> Iterator[Any]:
        while True:
            yield next(inbox, "nothing")

    with Run([source("a", 1)], [Stage("echo", spinning)], mode) as run:
        assert [next(run) for _ in range(3)] == [Item("a", 0), "nothing", "nothing"]


def test_a_failure_stops_a_source_that_waits_for_room() -> None:
    seen: list[str] = []
    output, error = output_and_error(Run([endless(seen)], [Stage("detect", failing_at(0, ValueError("bad")))]))
    assert (output, seen) == ([], ["streamdet:decode"])
    assert isinstance(error, StageError)


def test_a_failing_source_stops_the_others() -> None:
    def broken(inbox: Inbox[Any]) -> Iterator[Any]:
        yield Item("bad", 0)
        raise DecodeError("broken")

    seen: list[str] = []
    _, error = output_and_error(Run([Stage("decode", broken), endless(seen)], [Stage("echo", echo)]))
    assert str(error) == "stage decode, stream bad, frame 0: broken"
    assert seen == ["streamdet:decode"]


def test_a_full_channel_holds_the_source_back() -> None:
    run = Run([endless()], [Stage("echo", echo, 2)])
    with run:
        next(run)
        time.sleep(0.1)
        # taken, waiting in two channels, and one in the hand of each stage
        assert run.stats.stages[0].items_out <= 1 + 2 + 4 + 2


@both_modes
def test_items_are_let_go(mode: Any) -> None:
    alive: list[weakref.ref[Any]] = []

    class Image:
        pass

    def decode(inbox: Inbox[Any]) -> Iterator[Any]:
        for _ in range(100):
            image = Image()
            alive.append(weakref.ref(image))
            yield image
            del image

    with Run([Stage("decode", decode, 2)], [Stage("echo", echo, 2)], mode) as run:
        for image in run:
            assert sum(ref() is not None for ref in alive) <= 8
            del image
    gc.collect()
    assert not any(ref() for ref in alive)


def test_a_run_without_source_fails() -> None:
    with pytest.raises(ValueError, match="a run needs at least one source"):
        Run([], [Stage("echo", echo)])


def test_an_unknown_mode_fails() -> None:
    mode: Any = "turbo"
    with pytest.raises(ValueError, match="mode must be threaded or inline, got 'turbo'"):
        Run([source("a")], [], mode)


@both_modes
def test_use_outside_its_block_or_twice_fails(mode: Any) -> None:
    run = Run([source("a")], [], mode)
    with pytest.raises(RuntimeError, match="inside its with block"):
        next(run)
    with run:
        list(run)
    with pytest.raises(RuntimeError, match="inside its with block"):
        next(run)
    with pytest.raises(RuntimeError, match="used once"), run:
        pytest.fail("must not begin")
