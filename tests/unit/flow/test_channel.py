import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from streamdet.flow.channel import Cancelled, Channel


class Call:
    """A call in a thread of its own, so that a test can see whether it blocks."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.result: Any = None
        self._thread = threading.Thread(target=self._run, args=(function, *arguments), daemon=True)
        self._thread.start()

    def _run(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            self.result = function(*arguments)
        except BaseException as error:
            self.result = error

    @property
    def blocks(self) -> bool:
        self._thread.join(0.05)
        return self._thread.is_alive()

    def finish(self) -> Any:
        self._thread.join(10)
        assert not self._thread.is_alive(), "still blocked"
        return self.result


def take_all(channel: Channel[Any]) -> list[Any]:
    return list(iter(channel.take, None))  # a StopIteration inside iter(callable) ends it


def test_first_in_first_out_then_the_end_for_ever() -> None:
    channel: Channel[int] = Channel(3)
    for item in (1, 2, 3):
        channel.put(item)
    channel.finish()
    assert take_all(channel) == [1, 2, 3]
    for _ in range(2):
        with pytest.raises(StopIteration):
            channel.take()


def test_a_full_channel_holds_its_writer_until_an_item_is_taken() -> None:
    channel: Channel[int] = Channel(1)
    channel.put(1)
    put = Call(channel.put, 2)
    assert put.blocks
    assert channel.take() == 1
    put.finish()
    assert channel.take() == 2


def test_an_empty_channel_holds_its_reader_until_an_item_comes() -> None:
    channel: Channel[int] = Channel(1)
    take = Call(channel.take)
    assert take.blocks
    channel.put(1)
    assert take.finish() == 1


def test_take_gives_none_when_nothing_came_in_time() -> None:
    channel: Channel[int] = Channel(1)
    started_s = time.monotonic()
    assert channel.take(timeout_s=0.05) is None
    assert 0.05 <= time.monotonic() - started_s < 5
    assert channel.take(timeout_s=0) is None
    channel.put(1)
    assert channel.take(timeout_s=0) == 1


def test_take_with_timeout_wakes_for_an_item() -> None:
    channel: Channel[int] = Channel(1)
    take = Call(channel.take, 3600)
    assert take.blocks
    channel.put(1)
    assert take.finish() == 1


def test_the_end_comes_when_every_writer_has_finished() -> None:
    channel: Channel[int] = Channel(2, writers=2)
    channel.put(1)
    channel.finish()
    assert channel.take() == 1
    take = Call(channel.take)
    assert take.blocks
    channel.finish()
    assert isinstance(take.finish(), StopIteration)


@pytest.mark.parametrize("drop", [True, False])
def test_cancel_wakes_reader(drop: bool) -> None:
    channel: Channel[int] = Channel(1)
    take = Call(channel.take)
    assert take.blocks
    channel.cancel(drop=drop)
    assert isinstance(take.finish(), Cancelled)


@pytest.mark.parametrize("drop", [True, False])
def test_cancel_wakes_every_writer(drop: bool) -> None:
    channel: Channel[int] = Channel(1, writers=3)
    channel.put(0)
    puts = [Call(channel.put, item) for item in (1, 2, 3)]
    assert all(put.blocks for put in puts)
    channel.cancel(drop=drop)
    assert all(isinstance(put.finish(), Cancelled) for put in puts)


def test_cancel_without_drop_lets_the_reader_take_what_is_left() -> None:
    channel: Channel[int] = Channel(2)
    channel.put(1)
    channel.put(2)
    channel.cancel(drop=False)
    assert [channel.take(), channel.take()] == [1, 2]
    for _ in range(2):
        with pytest.raises(Cancelled):
            channel.take()


def test_cancel_with_drop_stops_the_reader_at_once_even_after_the_end() -> None:
    channel: Channel[int] = Channel(2)
    channel.put(1)
    channel.finish()
    channel.cancel(drop=True)
    with pytest.raises(Cancelled):
        channel.take()


def test_cancelled_is_not_taken_for_a_failed_frame() -> None:
    assert not issubclass(Cancelled, Exception)


def test_stats_tell_mean_and_maximum_fill() -> None:
    started_s = time.perf_counter()
    channel: Channel[int] = Channel(4)
    channel.put(1)
    channel.put(2)
    time.sleep(0.05)
    channel.take()
    channel.take()
    emptied_s = time.perf_counter()
    stats = channel.stats("decode", "detect", emptied_s + 1, wall_s=emptied_s + 1 - started_s)
    assert (stats.writer, stats.reader, stats.capacity, stats.max_fill) == ("decode", "detect", 4, 2)
    assert 0.05 * 2 / (emptied_s + 1 - started_s) <= stats.mean_fill <= 2 * (emptied_s - started_s)
