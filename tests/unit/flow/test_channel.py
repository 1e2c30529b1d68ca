import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from streamdet.flow.channel import Cancelled, Channel, Outlet


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
    assert time.monotonic() - started_s >= 0.05
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


def test_a_channel_without_room_hands_over_when_its_reader_waits() -> None:
    channel: Channel[str] = Channel(0)
    outlet = Outlet(channel)
    put = Call(outlet.put, "a")
    assert put.blocks
    assert channel.take() == "a"
    assert put.finish() is None


def test_writers_have_their_turns_in_the_order_in_which_they_came() -> None:
    channel: Channel[str] = Channel(0, writers=2)
    first, second = Outlet(channel), Outlet(channel)
    waiting = [Call(first.wait_turn)]
    assert waiting[0].blocks
    waiting.append(Call(second.wait_turn))
    assert waiting[1].blocks
    reader = Call(channel.take)
    assert waiting[0].finish() is None
    assert waiting[1].blocks, "one was wanted"
    first.put("a")
    assert reader.finish() == "a"
    again = Call(first.wait_turn)
    assert again.blocks
    reader = Call(channel.take)
    assert waiting[1].finish() is None
    second.put("b")
    assert reader.finish() == "b"
    assert again.blocks
    channel.cancel(drop=True)
    assert isinstance(again.finish(), Cancelled)


def test_as_many_turns_as_are_wanted() -> None:
    channel: Channel[str] = Channel(0, writers=3)
    outlets = [Outlet(channel) for _ in range(3)]
    waiting = [Call(outlet.wait_turn) for outlet in outlets]
    assert all(call.blocks for call in waiting)
    reader = Call(channel.take, None, 2)
    assert sorted(call.blocks for call in waiting) == [False, False, True]
    outlets[waiting.index(next(call for call in waiting if not call.blocks))].put("a")
    assert reader.finish() == "a"


def test_a_turn_given_back_is_the_next_ones() -> None:
    channel: Channel[str] = Channel(0, writers=2)
    first, second = Outlet(channel), Outlet(channel)
    reader = Call(channel.take)
    first.wait_turn()
    waiting = Call(second.wait_turn)
    assert waiting.blocks
    first.withdraw()
    assert waiting.finish() is None
    second.finish()
    assert reader.blocks
    first.put("a")
    assert reader.finish() == "a"


def test_a_reader_whose_time_is_up_waits_for_what_is_being_made() -> None:
    channel: Channel[str] = Channel(0)
    outlet = Outlet(channel)
    waiting = Call(outlet.wait_turn)
    assert waiting.blocks
    reader = Call(channel.take, 0)
    assert waiting.finish() is None
    assert reader.blocks
    outlet.put("a")
    assert reader.finish() == "a"
    assert channel.take(0) is None


@pytest.mark.parametrize("ends", [True, False])
def test_a_writer_joins_only_what_goes_on(ends: bool) -> None:
    channel: Channel[str] = Channel(1)
    assert channel.join(2)
    assert channel.capacity == 3
    channel.finish()
    channel.put("a")
    if ends:
        channel.finish()
    else:
        channel.cancel(drop=False)
    assert not channel.join(1)
