import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from streamdet.flow import Inbox, Run, RunStats, Stage
from streamdet.flow.stats import BUSY, OVER, WAITING_IN, WAITING_OUT, Meter


def numbers(inbox: Inbox[Any]) -> Iterator[int]:
    yield from range(1, 31)


def taking(seconds: float) -> Any:
    def process(inbox: Inbox[Any]) -> Iterator[Any]:
        for item in inbox:
            time.sleep(seconds)
            yield item

    return process


def run_to_end(stages: list[Stage], *, mode: Any = "threaded", consumer_s: float = 0.0) -> RunStats:
    with Run([Stage("decode", numbers)], stages, mode) as run:
        for _ in run:
            time.sleep(consumer_s)
    return run.stats


def test_meter_books_each_activity() -> None:
    meter = Meter("detect")
    for activity in (BUSY, WAITING_IN, BUSY, WAITING_OUT, OVER):
        meter.enter(activity)
        time.sleep(0.02)
    now_s = time.perf_counter()
    stats = meter.stats(now_s, wall_s=1.0)
    assert stats.busy_s == pytest.approx(0.04, abs=0.03)
    assert stats.busy_s > stats.waiting_in_s >= 0.02 <= stats.waiting_out_s
    assert (stats.busy_share, stats.waiting_in_share) == (stats.busy_s, stats.waiting_in_s)
    assert meter.stats(now_s + 5, wall_s=1.0) == stats, "time goes on after the end"


def test_a_slow_stage_bounds_the_run_starves_the_next_and_blocks_the_one_before() -> None:
    stats = run_to_end([Stage("batch", taking(0)), Stage("detect", taking(0.005)), Stage("encode", taking(0))])
    decode, batch, detect, encode = stats.stages
    assert stats.bound_by == "detect"
    assert detect.busy_share > 0.8
    assert batch.waiting_out_share > 0.4
    assert encode.waiting_in_share > 0.8
    assert [(stage.items_in, stage.items_out) for stage in stats.stages] == [(0, 30), (30, 30), (30, 30), (30, 30)]
    to_batch, to_detect, to_encode, to_consumer = stats.channels
    assert (to_detect.writer, to_detect.reader, to_detect.capacity) == ("batch", "detect", 4)
    assert (to_batch.writer, to_consumer.reader) == ("decode", "consumer")
    assert to_detect.max_fill == 4
    assert to_detect.mean_fill > 2
    assert to_encode.mean_fill < 0.5
    assert decode.busy_share < 0.2


def test_a_slow_consumer_bounds_the_run() -> None:
    stats = run_to_end([Stage("detect", taking(0))], consumer_s=0.005)
    assert stats.bound_by == stats.consumer.name == "consumer"
    assert stats.consumer.busy_share > 0.8
    assert stats.consumer.items_in == 30
    assert stats.stages[-1].waiting_out_share > 0.5


def test_inline_shares_tell_who_works() -> None:
    stats = run_to_end([Stage("batch", taking(0.001)), Stage("detect", taking(0.005))], mode="inline")
    assert stats.mode == "inline"
    assert stats.bound_by == "detect"
    assert stats.channels == ()
    busy_share = sum(stage.busy_share for stage in stats.stages) + stats.consumer.busy_share
    assert 0.9 < busy_share <= 1.0001


def test_times_of_a_stage_add_up_to_its_life() -> None:
    stats = run_to_end([Stage("detect", taking(0.002))])
    for stage in stats.stages:
        total_s = stage.busy_s + stage.waiting_in_s + stage.waiting_out_s
        assert 0 < total_s <= stats.wall_s
    detect = stats.stages[-1]
    assert detect.busy_s + detect.waiting_in_s + detect.waiting_out_s > 0.8 * stats.wall_s


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
    assert decode.busy_share > 0.5
    assert detect.waiting_in_share > 0.5
    assert seen[0].consumer.waiting_in_share > 0.5


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
    report = json.loads(json.dumps(run_to_end([Stage("detect", taking(0.001))], mode=mode).to_dict()))
    assert set(report) == {"mode", "wall_s", "bound_by", "stages", "consumer", "channels"}
    assert report["bound_by"] == "detect"
    assert report["stages"][1]["name"] == "detect"
    assert report["stages"][1]["items_in"] == 30
    assert report["stages"][1]["busy_share"] > 0.5
