"""ShuffleNetV2 without shuffling: every channel goes straight to where it is needed.

A unit passes one half of its channels by, works on the other half, and shuffles both together, so that the next unit
gets some of each. Copying all channels to and fro like that costs a tenth of the network's time. But which channel ends
up where is known beforehand: here the channels that a unit, or the end of the stage, will want lie side by side from
the start, and what wants them gets its weights in their order.

Shapes: N images, C channels, H, W cells.
"""

from collections.abc import Iterable

import numpy as np

from streamdet.models.recurrent.layout import STAGE_UNITS
from streamdet.runtimes.graph.layers import Conv, GraphBuilder, Order

Channel = tuple[int, int]
"""Which branch it comes from (0, 1: both of a stage's first unit; 2, 3 ...: of the units behind it), and its number."""


def backbone_graph(g: GraphBuilder, x: str) -> list[tuple[str, Order]]:
    """The maps of strides 8, 16 and 32, and where the channels of each lie; x is (N, 3, H, W) as layers want it."""
    stem = Conv("backbone.conv1.0", norm="backbone.conv1.1", stride=2, activated=True)
    x = g.max_pool(g.convs(x, [stem]), size=3, stride=2)
    order: Order | None = None
    maps = []
    for stage, units in enumerate(STAGE_UNITS, start=2):
        x, order = _stage(g, x, order, f"backbone.stage{stage}", units)
        maps.append((x, order))
    return maps


def routes(units: int, width: int) -> list[list[Channel]]:
    """Where the channels of a stage go.

    Args:
        units: of the stage.
        width: channels of one branch.

    Returns:
        what each unit after the first takes, in its own order, and last what the stage gives, in its order.
    """
    x: list[Channel] = _shuffled(((0, c) for c in range(width)), ((1, c) for c in range(width)))
    takes = []
    for unit in range(1, units):
        takes.append(x[width:])
        x = _shuffled(x[:width], ((unit + 1, c) for c in range(width)))
    return [*takes, x]


def _shuffled(passed: Iterable[Channel], worked_on: Iterable[Channel]) -> list[Channel]:
    return [channel for pair in zip(passed, worked_on, strict=True) for channel in pair]


def _stage(g: GraphBuilder, x: str, order: Order | None, name: str, units: int) -> tuple[str, Order]:
    branches = [_branch1(f"{name}.0"), *(_branch2(f"{name}.{unit}", 1 if unit else 2) for unit in range(units))]
    takes = routes(units, width=len(g.arrays[f"{branches[0][-1].name}.weight"]))
    waiting: list[list[str]] = [[] for _ in takes]

    def work(branch: int, x: str, order: Order | None) -> None:
        """Run a branch, and put each part of its result where it will be taken."""
        parts = [[channel for source, channel in take if source == branch] for take in takes]
        takers = [i for i, part in enumerate(parts) if part]
        result = g.convs(x, branches[branch], order, np.array([channel for part in parts for channel in part]))
        for i, part in zip(takers, g.split(result, [len(parts[i]) for i in takers], 1), strict=True):
            waiting[i].append(part)

    def take(i: int) -> tuple[str, Order]:
        return g.concat(waiting[i], 1), np.argsort([source for source, _ in takes[i]], kind="stable")

    work(0, x, order)
    work(1, x, order)
    for i in range(units - 1):
        work(i + 2, *take(i))
    return take(units - 1)


def _branch1(unit: str) -> list[Conv]:
    """ShuffleUnit.branch1 of models.backbone, of a stage's first unit."""
    return [
        Conv(f"{unit}.branch1.0", f"{unit}.branch1.1", stride=2),
        Conv(f"{unit}.branch1.2", f"{unit}.branch1.3", activated=True),
    ]


def _branch2(unit: str, stride: int) -> list[Conv]:
    """ShuffleUnit.branch2 of models.backbone."""
    return [
        Conv(f"{unit}.branch2.0", f"{unit}.branch2.1", activated=True),
        Conv(f"{unit}.branch2.3", f"{unit}.branch2.4", stride=stride),
        Conv(f"{unit}.branch2.5", f"{unit}.branch2.6", activated=True),
    ]
