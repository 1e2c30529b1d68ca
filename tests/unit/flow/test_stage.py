from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from streamdet.errors import DecodeError
from streamdet.flow import Inbox, Stage
from streamdet.flow.channel import Cancelled, Channel
from streamdet.flow.stage import Worker
from streamdet.frames import StreamEnded


@dataclass(frozen=True)
class Item:
    source: str
    index: int


def worker_over(items: list[Any], process: Any, *, cancelled: bool = False) -> Worker:
    """A worker whose inbox holds these and then ends, or is cancelled."""
    channel: Channel[Any] = Channel(len(items) + 1)
    for item in items:
        channel.put(item)
    if cancelled:
        channel.cancel(drop=False)
    channel.finish()
    return Worker(Stage("detect", process), channel.take)


def echo(inbox: Inbox[Any]) -> Iterator[Any]:
    yield from inbox


def test_negative_capacity_fails() -> None:
    with pytest.raises(ValueError, match="stage detect: capacity must not be negative, got -1"):
        Stage("detect", echo, -1)


def test_worker_yields_what_the_stage_yields_and_counts() -> None:
    worker = worker_over([1, 2, 3], lambda inbox: (item * 10 for item in inbox if item != 2))
    assert list(worker) == [10, 30]
    assert list(worker) == []
    assert (worker.meter.items_in, worker.meter.items_out) == (3, 2)


def test_a_source_has_an_empty_inbox() -> None:
    assert list(Worker(Stage("decode", lambda inbox: iter([*inbox, "first"])))) == ["first"]


def test_poll_gives_an_item_or_none_and_ends_like_next() -> None:
    def process(inbox: Inbox[int]) -> Iterator[Any]:
        yield inbox.poll(10)
        for timeout_s in (0, 0.01):
            yield "none" if inbox.poll(timeout_s) is None else "item"
        channel.finish()
        try:
            inbox.poll(10)
        except StopIteration:
            yield "end"

    channel: Channel[int] = Channel(1)
    channel.put(7)
    worker = Worker(Stage("batch", process), channel.take)
    assert list(worker) == [7, "none", "none", "end"]
    assert worker.meter.items_in == 1


@pytest.mark.parametrize(
    ("item", "where"),
    [
        (Item("cam-3", 1842), "stage detect, stream cam-3, frame 1842"),
        (StreamEnded("cam-3", frames=7), "stage detect, stream cam-3"),
        ("text has an index, a method", "stage detect"),
        ((1, 2), "stage detect"),
        (5, "stage detect"),
    ],
)
def test_a_failure_names_stage_and_what_is_known_of_the_item(item: Any, where: str) -> None:
    worker = worker_over([item], echo)
    next(worker)
    assert worker.describe(DecodeError("no luck")) == f"{where}: no luck"


def test_a_failure_names_the_item_taken_last() -> None:
    worker = worker_over([Item("a", 1), Item("b", 2), 3], echo)
    next(worker)
    next(worker)
    assert worker.describe(DecodeError("x")) == "stage detect, stream b, frame 2: x"
    next(worker)
    assert worker.describe(DecodeError("x")) == "stage detect: x"


def test_a_failure_of_a_source_names_the_item_yielded_last() -> None:
    worker = Worker(Stage("decode", lambda inbox: iter([Item("a", 0), Item("a", 1)])))
    assert worker.describe(DecodeError("x")) == "stage decode: x"
    list(worker)
    assert worker.describe(DecodeError("x")) == "stage decode, stream a, frame 1: x"


@pytest.mark.parametrize(
    ("cause", "text"),
    [
        (DecodeError("two lines\nof ours"), "two lines\nof ours"),
        (DecodeError(), "DecodeError"),
        (KeyError("x"), "KeyError: 'x'"),
        (RuntimeError("shape mismatch\nand a long dump"), "RuntimeError: shape mismatch"),
        (ZeroDivisionError(), "ZeroDivisionError"),
    ],
)
def test_causes_are_told_in_few_lines(cause: Exception, text: str) -> None:
    assert worker_over([], echo).describe(cause) == f"stage detect: {text}"


def test_yielding_none_fails() -> None:
    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        yield

    with pytest.raises(TypeError, match="yielded None, expected an item"):
        next(worker_over([], process))


def test_a_process_without_yield_fails() -> None:
    with pytest.raises(TypeError, match="process returned NoneType, expected an iterator; is a yield missing"):
        next(worker_over([], lambda inbox: None))


def test_close_runs_finally_with_a_cancelled_inbox() -> None:
    seen = []

    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        try:
            yield from inbox
        finally:
            for _ in range(2):
                with pytest.raises(Cancelled):
                    next(inbox)
            seen.append("closed")

    worker = worker_over([1, 2, 3], process)
    next(worker)
    worker.close()
    worker.close()
    assert seen == ["closed"]


def test_close_of_a_plain_iterator_and_of_one_that_never_began() -> None:
    worker = worker_over([1, 2], lambda inbox: map(str, inbox))
    assert next(worker) == "1"
    worker.close()
    worker_over([1], echo).close()


def test_yield_inside_finally_fails_at_close_but_the_finally_around_it_runs() -> None:
    seen = []

    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        try:
            try:
                yield from inbox
            finally:
                yield "flush"
        finally:
            seen.append("closed")

    worker = worker_over([1, 2], process)
    next(worker)
    with pytest.raises(RuntimeError, match="generator ignored GeneratorExit"):
        worker.close()
    assert seen == ["closed"]


def test_a_cancelled_inbox_cannot_be_swallowed() -> None:
    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        try:
            yield from inbox
        except BaseException:
            yield "half a batch"

    worker = worker_over([1], process, cancelled=True)
    assert next(worker) == 1
    with pytest.raises(Cancelled):
        next(worker)
    worker.close()


def test_a_worker_that_stops_closes_its_generator_and_ends() -> None:
    seen = []

    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        try:
            while True:
                yield 1
        finally:
            seen.append("closed")

    worker = Worker(Stage("decode", process))
    next(worker)
    worker.stop()
    assert list(worker) == []
    assert list(worker) == []
    assert seen == ["closed"]
