"""Small stages, whole and broken, for the tests of the engine."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from streamdet.flow import Inbox, Run, Stage

Process = Callable[[Inbox[Any]], Iterator[Any]]

both_modes = pytest.mark.parametrize("mode", ["threaded", "inline"])


@dataclass(frozen=True)
class Item:
    source: str
    index: int


def source(name: str, count: int = 10) -> Stage:
    return Stage("decode", lambda inbox: (Item(name, index) for index in range(count)))


def endless(seen: list[str] | None = None) -> Stage:
    def process(inbox: Inbox[Any]) -> Iterator[Item]:
        try:
            index = 0
            while True:
                yield Item("cam", index)
                index += 1
        finally:
            if seen is not None:
                seen.append(threading.current_thread().name)

    return Stage("decode", process)


def echo(inbox: Inbox[Any]) -> Iterator[Any]:
    yield from inbox


def pairs(inbox: Inbox[Any]) -> Iterator[tuple[Any, ...]]:
    """Batches of two; the code after the loop flushes."""
    waiting: list[Any] = []
    for item in inbox:
        waiting.append(item)
        if len(waiting) == 2:
            yield tuple(waiting)
            waiting.clear()
    if waiting:
        yield tuple(waiting)


def failing_at(index: int, cause: BaseException) -> Process:
    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        for item in inbox:
            if item.index == index:
                raise cause
            yield item

    return process


def failing_at_the_end(cause: BaseException) -> Process:
    """Fails in finally."""

    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        try:
            yield from inbox
        finally:
            raise cause

    return process


def indices(items: list[Any]) -> list[int]:
    return [item.index for item in items]


def output_and_error(run: Run) -> tuple[list[Any], BaseException | None]:
    output = []
    try:
        with run:
            for item in run:
                output.append(item)  # noqa: PERF402 what came before a failure is kept
    except BaseException as error:
        return output, error
    return output, None
