"""Where a run's time goes: counts and times of each stage, fill of each channel, and which stage bounds the run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any

# What a stage does at any moment. The first three are reported.
BUSY, WAITING_IN, WAITING_OUT, OVER = range(4)


@dataclass(frozen=True, slots=True)
class StageStats:
    """One stage, or the code that iterates over the run ("consumer").

    Attributes:
        items_in: items taken from its inbox.
        items_out: items it yielded.
        busy_s: seconds in its own code.
        waiting_in_s: seconds it waited for input: it is starved.
        waiting_out_s: seconds it waited for room for its output: it is blocked.
        busy_share, waiting_in_share, waiting_out_share: the same, as parts of the run's duration, 0 to 1. What is
            missing to 1 is the time before the stage started and after it ended.
    """

    name: str
    items_in: int
    items_out: int
    busy_s: float
    waiting_in_s: float
    waiting_out_s: float
    busy_share: float
    waiting_in_share: float
    waiting_out_share: float


@dataclass(frozen=True, slots=True)
class ChannelStats:
    """The channel between two stages. Mean fill near 0: the reader is starved; near capacity: the writer is blocked.

    Attributes:
        writer, reader: names of the stages; of several sources all names, joined by " + ".
        capacity: items that it holds at most.
        mean_fill: items that it held, mean over the run's duration.
        max_fill: items that it held at most.
    """

    writer: str
    reader: str
    capacity: int
    mean_fill: float
    max_fill: int


@dataclass(frozen=True, slots=True)
class RunStats:
    """A whole run, up to now or to its end.

    Attributes:
        mode: "threaded" or "inline".
        wall_s: seconds since the run started, until it ended.
        bound_by: name of the stage that bounds the run, the busiest one; "consumer" where that is busier still.
        stages: sources first, in the order of the run.
        consumer: the code that iterates over the run.
        channels: in the order of the run; none inline.
    """

    mode: str
    wall_s: float
    bound_by: str
    stages: tuple[StageStats, ...]
    consumer: StageStats
    channels: tuple[ChannelStats, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, under the names of the attributes."""
        return asdict(self)


class Meter:
    """Counts and times one stage. Written by the stage's thread alone, readable from any, without a lock."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.items_in = 0
        self.items_out = 0
        # One tuple, replaced as a whole, so that a reader never sees half a change.
        self._reading = (OVER, perf_counter(), (0.0, 0.0, 0.0, 0.0))

    def enter(self, activity: int) -> None:
        """From now on the stage does this."""
        now_s = perf_counter()
        self._reading = (activity, now_s, self._totals_s(now_s))

    def _totals_s(self, now_s: float) -> tuple[float, float, float, float]:
        activity, since_s, (busy_s, in_s, out_s, over_s) = self._reading
        spent_s = max(0.0, now_s - since_s)
        if activity == BUSY:
            return busy_s + spent_s, in_s, out_s, over_s
        if activity == WAITING_IN:
            return busy_s, in_s + spent_s, out_s, over_s
        if activity == WAITING_OUT:
            return busy_s, in_s, out_s + spent_s, over_s
        return busy_s, in_s, out_s, over_s + spent_s

    def stats(self, now_s: float, wall_s: float) -> StageStats:
        """The totals at now_s; a wait that has not ended counts."""
        times_s = self._totals_s(now_s)[:3]
        shares = [time_s / wall_s if wall_s > 0 else 0.0 for time_s in times_s]
        return StageStats(self.name, self.items_in, self.items_out, *times_s, *shares)


class FillMeter:
    """Mean and maximum of a channel's fill. Written under the channel's lock."""

    def __init__(self) -> None:
        self._fill = 0
        self._since_s = perf_counter()
        self._item_seconds = 0.0
        self.max_fill = 0

    def change(self, fill: int) -> None:
        """From now on the channel holds this many items."""
        now_s = perf_counter()
        self._item_seconds = self.item_seconds(now_s)
        self._fill, self._since_s = fill, now_s
        self.max_fill = max(self.max_fill, fill)

    def item_seconds(self, now_s: float) -> float:
        """Integral of the fill over time; by the duration it gives the mean."""
        return self._item_seconds + self._fill * max(0.0, now_s - self._since_s)


def bounding_stage(stages: Sequence[StageStats], consumer: StageStats) -> str:
    """The busiest one: every other waits for it, directly or through its neighbours."""
    return max((*stages, consumer), key=lambda stage: stage.busy_s).name
