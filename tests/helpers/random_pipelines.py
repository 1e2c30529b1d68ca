"""Random pipelines for the fuzz of the engine: what flows, what stages do with it, and where they fail."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from streamdet.flow import Cancelled

# What flows, and what the stages do with it.


@dataclass(frozen=True, slots=True)
class Item:
    source: str
    index: int


@dataclass(frozen=True, slots=True)
class Marker:
    source: str
    kind: str


@dataclass(frozen=True, slots=True)
class Group:
    members: tuple[Any, ...]

    @property
    def source(self) -> str:
        return str(self.members[0].source)

    @property
    def index(self) -> int:
        return int(self.members[0].index)


def echo(inbox: Iterator[Any], size: int) -> Iterator[Any]:
    yield from inbox


def drop(inbox: Iterator[Any], size: int) -> Iterator[Any]:
    for item in inbox:
        if isinstance(item, Marker) or item.index % (size + 1) != 1:
            yield item


def expand(inbox: Iterator[Any], size: int) -> Iterator[Any]:
    for item in inbox:
        for _ in range(1 if isinstance(item, Marker) else size):
            yield item


def batch(inbox: Iterator[Any], size: int) -> Iterator[Any]:
    waiting: dict[str, list[Any]] = {}
    for item in inbox:
        group = waiting.setdefault(item.source, [])
        if not isinstance(item, Marker):
            group.append(item)
        if len(group) == size or (group and isinstance(item, Marker)):
            yield Group(tuple(group))
            group.clear()
        if isinstance(item, Marker):
            yield item
    for group in waiting.values():
        if group:
            yield Group(tuple(group))


def poll(inbox: Any, size: int) -> Iterator[Any]:
    while True:
        try:
            item = inbox.poll(0.0002 * (size - 1), wanted=size)
        except StopIteration:
            return
        if item is not None:
            yield item


def on_demand(inbox: Any, size: int) -> Iterator[Any]:
    """Takes an item when it is wanted; now and then it has none to give after all."""
    while True:
        inbox.wait_until_wanted()
        item = next(inbox, None)
        if item is None:
            return
        if isinstance(item, Marker) or item.index % (size + 1) != 1:
            yield item
        else:
            inbox.withdraw()


def stubborn(inbox: Iterator[Any], size: int) -> Iterator[Any]:
    """Does not believe in the end."""
    for _ in range(size + 1):
        yield from inbox


def deaf(inbox: Iterator[Any], size: int) -> Iterator[Any]:
    """Does not believe in cancellation; what it makes up instead must not come out."""
    try:
        yield from inbox
    except Cancelled:
        yield Item("made up", size)


def limit(inbox: Iterator[Any], size: int) -> Iterator[Any]:
    """Returns early, or without reading anything."""
    yield from islice(inbox, 5 * (size - 1))


BODIES: dict[str, Callable[..., Iterator[Any]]] = {
    body.__name__: body for body in (echo, drop, expand, batch, poll, on_demand, stubborn, deaf, limit)
}


# A random pipeline.


@dataclass(frozen=True)
class Fault:
    place: str  # "open", "item", "flush" or "finally"
    after: int  # items taken, or yielded by a source


@dataclass(frozen=True)
class Step:
    name: str
    kind: str
    size: int
    capacity: int
    fault: Fault | None
    haste: float  # 1 never sleeps


@dataclass(frozen=True)
class Pipeline:
    sources: tuple[Step, ...]  # size: the items of it
    stages: tuple[Step, ...]
    consumer: tuple[str, int]  # what the consumer does, after how many items
    timer: tuple[str, float] | None  # what another thread does, after how many seconds

    @property
    def faults(self) -> int:
        return sum(step.fault is not None for step in (*self.sources, *self.stages))


def random_pipeline(dice: random.Random) -> Pipeline:
    def step(name: str, kind: str, size: int) -> Step:
        fault = None
        if dice.random() < fault_rate:
            fault = Fault(dice.choice(["open", "item", "item", "item", "flush", "finally"]), dice.randrange(20))
        return Step(name, kind, size, dice.choice([0, 0, 1, 2, 5]), fault, dice.choice([1.0, 0.98, 0.9]))

    fault_rate = dice.choice([0.0, 0.15, 0.5])
    sources = [step(f"cam-{n}", "source", dice.randrange(30)) for n in range(dice.choice([1, 1, 2, 4]))]
    weights = [0.3 if kind == "limit" else 1.0 for kind in BODIES]
    kinds = dice.choices(list(BODIES), weights, k=dice.randrange(6))
    stages = [step(f"{kind}-{n}", kind, dice.randint(1, 4)) for n, kind in enumerate(kinds)]
    consumer = (dice.choice(["read"] * 6 + ["leave", "raise", "stop", "cancel"]), dice.randrange(30))
    timer = (dice.choice(["stop", "cancel"]), dice.random() * 0.01) if dice.random() < 0.2 else None
    return Pipeline(tuple(sources), tuple(stages), consumer, timer)
