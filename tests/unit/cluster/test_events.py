"""Events of several machines as one list, in pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamdet.cluster.cameras import events as events_module
from streamdet.cluster.cameras.events import event_id, find_events, split_id
from streamdet.cluster.cameras.machines import Node
from streamdet.cluster.cameras.member import Member


def member(name, state="ready"):
    return Member(name, Node(name, name, "127.0.0.1", 1.0, 0.0, frozenset()), "", state)


class Stores:
    """What each machine keeps, and answers as its own server does."""

    def __init__(self, times_ms):
        self.of = {
            name: [{"id": n + 1, "time": ms / 1000} for n, ms in enumerate(sorted(found))]
            for name, found in times_ms.items()
        }
        self.members = [member(name) for name in self.of]

    def ask_all(self, members, path, query):
        until = float("inf") if query["until"] is None else query["until"]
        return [
            (each, [event for event in reversed(self.of[each.name]) if event["time"] < until][: query["limit"]])
            for each in members
        ]


@given(
    times=st.dictionaries(
        st.sampled_from(["m1", "m-2", "m3"]), st.lists(st.integers(1_700_000_000_000, 1_700_000_000_009), max_size=30)
    ),
    limit=st.integers(1, 20),
)
def test_pages_give_every_event_once_the_newest_first(times, limit):
    stores = Stores(times)
    found, before = [], None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events_module, "ask_all", stores.ask_all)
        while page := find_events(stores.members, {}, None, before, limit):
            found += page
            before = page[-1]["id"]
    ids = [event["id"] for event in found]
    expected = {event_id(each, event) for each in stores.members for event in stores.of[each.name]}
    assert len(ids) == len(set(ids))
    assert set(ids) == expected
    assert [event["time"] for event in found] == sorted((event["time"] for event in found), reverse=True)


def test_an_event_belongs_to_its_machine():
    here, there = member("m-1"), member("m-1-2")
    assert split_id([here, there], "7-1700-m-1-2") == (there, 7)
    for wrong in ("7-1700-m9", "7-1700", "x-1-m-1", "7", "", "-1-1-m-1", "7-1700-" + "m" * 1000):
        with pytest.raises(KeyError):
            split_id([here, there], wrong)
    with pytest.raises(KeyError):
        split_id([member("m-1", "starting")], "7-1700-m-1")
