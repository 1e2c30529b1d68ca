import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streamdet.flow import Inbox, Run, RunStats, Stage
from streamdet.flow.stats import BUSY, OVER, WAITING_IN, WAITING_OUT, FillMeter, Meter


class Clock:
    """Time that passes only where a test lets it."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("streamdet.flow.stats.perf_counter", clock)
    monkeypatch.setattr("streamdet.flow.run.perf_counter", clock)
    return clock


def numbers(inbox: Inbox[Any]) -> Iterator[int]:
    yield from range(1, 31)


def taking(seconds: float, sleep: Callable[[float], None] = time.sleep) -> Any:
    """A stage that takes so long for an item."""

    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        for item in inbox:
            sleep(seconds)
            yield item

    return process


def test_meter_books_each_activity(clock: Clock) -> None:
    meter = Meter("detect")
    for activity, seconds in [(BUSY, 1), (WAITING_IN, 2), (BUSY, 3), (WAITING_OUT, 5), (OVER, 7)]:
        clock.sleep(10 * (activity == OVER))
        meter.enter(activity)
        clock.sleep(seconds)
    stats = meter.stats(clock.now_s, wall_s=40.0)
    assert (stats.busy_s, stats.waiting_in_s, stats.waiting_out_s) == (4, 2, 15)
    assert (stats.busy_share, stats.waiting_in_share, stats.waiting_out_share) == (0.1, 0.05, 0.375)


def test_meter_counts_what_still_goes_on(clock: Clock) -> None:
    meter = Meter("detect")
    meter.enter(WAITING_IN)
    clock.sleep(5)
    assert meter.stats(clock.now_s, wall_s=10.0).waiting_in_s == 5
    assert meter.stats(clock.now_s - 2, wall_s=10.0).waiting_in_s == 3


def test_fill_meter_weighs_by_time(clock: Clock) -> None:
    meter = FillMeter()
    for fill, seconds in [(1, 2), (3, 4), (0, 8)]:
        meter.change(fill)
        clock.sleep(seconds)
    assert meter.item_seconds(clock.now_s) == 1 * 2 + 3 * 4
    assert meter.max_fill == 3


def test_inline_shares_tell_who_works(clock: Clock) -> None:
    stages = [Stage("batch", taking(0.5, clock.sleep)), Stage("detect", taking(1, clock.sleep))]
    with Run([Stage("decode", numbers)], stages, "inline") as run:
        for _ in run:
            clock.sleep(0.25)
    stats = run.stats
    assert stats.mode == "inline"
    assert stats.wall_s == 30 * 1.75
    assert [stage.busy_s for stage in (*stats.stages, stats.consumer)] == [0, 15, 30, 7.5]
    assert [stage.waiting_in_s for stage in stats.stages] == [0, 0, 15]
    assert stats.bound_by == "detect"
    assert stats.channels == ()


def test_inline_run_can_be_bound_by_its_consumer(clock: Clock) -> None:
    with Run([Stage("decode", numbers)], [Stage("detect", taking(1, clock.sleep))], "inline") as run:
        for _ in run:
            clock.sleep(3)
    assert run.stats.bound_by == run.stats.consumer.name == "consumer"
    assert run.stats.consumer.busy_share == 0.75
    assert run.stats.consumer.items_in == 30


def test_a_slow_stage_bounds_the_run_starves_the_next_and_blocks_the_one_before() -> None:
    stages = [Stage("batch", taking(0)), Stage("detect", taking(0.01)), Stage("encode", taking(0))]
    with Run([Stage("decode", numbers)], stages) as run:
        list(run)
    stats = run.stats
    decode, batch, detect, encode = stats.stages
    assert stats.bound_by == "detect"
    assert detect.busy_s >= 30 * 0.01
    assert batch.waiting_out_s > batch.waiting_in_s
    assert encode.waiting_in_share > 0.5
    assert decode.busy_s < detect.busy_s
    assert [(stage.items_in, stage.items_out) for stage in stats.stages] == [(0, 30), (30, 30), (30, 30), (30, 30)]
    to_batch, to_detect, to_encode, to_consumer = stats.channels
    assert (to_detect.writer, to_detect.reader, to_detect.capacity) == ("batch", "detect", 4)
    assert (to_batch.writer, to_consumer.reader) == ("decode", "consumer")
    assert to_detect.max_fill == 4
    assert to_detect.mean_fill > 2
    assert to_encode.mean_fill < 1


def test_a_slow_consumer_bounds_the_run_and_blocks_the_last_stage() -> None:
    with Run([Stage("decode", numbers)], [Stage("detect", taking(0))]) as run:
        for _ in run:
            time.sleep(0.01)
    stats = run.stats
    assert stats.bound_by == "consumer"
    assert stats.consumer.busy_s >= 30 * 0.01
    assert stats.stages[-1].waiting_out_s > stats.stages[-1].waiting_in_s


def test_times_of_a_stage_are_within_the_run() -> None:
    with Run([Stage("decode", numbers)], [Stage("detect", taking(0.001))]) as run:
        list(run)
    for stage in (*run.stats.stages, run.stats.consumer):
        assert 0 < stage.busy_s + stage.waiting_in_s + stage.waiting_out_s <= run.stats.wall_s
        assert 0 < stage.busy_share + stage.waiting_in_share + stage.waiting_out_share <= 1.000001


def test_a_wait_that_goes_on_is_seen_while_running() -> None:
    seen: list[RunStats] = []

    def stalled(inbox: Inbox[Any]) -> Iterator[int]:
        yield 1
        time.sleep(0.2)
        seen.append(run.stats)

    with Run([Stage("decode", stalled)], [Stage("detect", taking(0))]) as run:
        assert list(run) == [1]
    decode, detect = seen[0].stages
    assert seen[0].bound_by == "decode"
    assert decode.busy_s >= 0.2
    assert detect.waiting_in_s > 0.1
    assert seen[0].consumer.waiting_in_s > 0.1


def test_stats_stand_still_after_the_run() -> None:
    with Run([Stage("decode", numbers)], []) as run:
        list(run)
        stats = run.stats
        time.sleep(0.02)
        assert run.stats == stats
    assert run.stats == stats


def test_stats_before_the_run_are_zero() -> None:
    stats = Run([Stage("decode", numbers)], []).stats
    assert (stats.wall_s, stats.stages[0].busy_share, stats.channels[0].mean_fill) == (0.0, 0.0, 0.0)


def test_several_sources_share_one_channel_with_the_room_of_all() -> None:
    with Run([Stage("cam-1", numbers, 2), Stage("cam-2", numbers, 3)], []) as run:
        list(run)
    channel = run.stats.channels[0]
    assert (channel.writer, channel.reader, channel.capacity) == ("cam-1 + cam-2", "consumer", 5)


@pytest.mark.parametrize("mode", ["threaded", "inline"])
def test_to_dict_is_json(mode: Any) -> None:
    with Run([Stage("decode", numbers)], [Stage("detect", taking(0.01))], mode) as run:
        list(run)
    report = json.loads(json.dumps(run.stats.to_dict()))
    assert set(report) == {"mode", "wall_s", "bound_by", "stages", "consumer", "channels"}
    assert report["bound_by"] == "detect"
    assert report["stages"][1]["name"] == "detect"
    assert report["stages"][1]["items_in"] == 30
    assert report["stages"][1]["busy_s"] >= 30 * 0.01
    assert len(report["channels"]) == (2 if mode == "threaded" else 0)
