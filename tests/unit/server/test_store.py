"""Events that are kept: through a full disk, an older database, and many at once."""

import sqlite3
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from waiting import wait_until

from streamdet.errors import ConfigError
from streamdet.result import ZoneEvent, ZoneReport
from streamdet.server.store import EventStore


@pytest.fixture
def happening(make_result):
    def make(number, **more):
        event = ZoneEvent("line", "door", number / 25, number, "person", direction="in", **more)
        frame = make_result(index=number, wall_time=datetime.now(UTC))
        return replace(frame, zones=ZoneReport((), (event,)))

    return make


def test_ten_thousand_events_are_all_kept_in_order(tmp_path, happening):
    store = EventStore(tmp_path / "events.sqlite")
    for number in range(10_000):
        store(happening(number))
    store.close()
    store = EventStore(tmp_path / "events.sqlite")
    found, before = [], None
    while page := store.find(limit=500, before=before):
        found += page
        before = page[-1]["id"]
    store.close()
    assert [event["track"] for event in found] == list(range(9_999, -1, -1))
    assert found[-1]["has_picture"]


def test_while_the_disk_is_full_events_wait_and_it_is_said_once(tmp_path, happening, caplog):
    store = EventStore(tmp_path / "events.sqlite")
    store._reader.execute("CREATE TRIGGER full BEFORE INSERT ON events BEGIN SELECT RAISE(FAIL, 'disk is full'); END")
    caplog.set_level("INFO")
    for number in range(50):
        store(happening(number))
    wait_until(lambda: "disk is full" in caplog.text)
    store._reader.execute("DROP TRIGGER full")
    wait_until(lambda: len(store.find(limit=100)) == 50)
    store.close()
    assert caplog.text.count("disk is full") == 1
    assert "works again" in caplog.text


def test_a_database_of_before_clips_is_continued_and_a_newer_one_refused(tmp_path, happening):
    path = tmp_path / "events.sqlite"
    EventStore(path).close()
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE events DROP COLUMN clip")
        database.execute("PRAGMA user_version = 1")
    store = EventStore(path, clips=tmp_path)
    (tmp_path / "yard").mkdir()
    (tmp_path / "yard" / "a.mp4").write_bytes(b"video")
    (tmp_path.parent / "secret.mp4").write_bytes(b"video")
    for number, clip in enumerate(("yard/a.mp4", "yard/b.mp4", "../secret.mp4", None)):
        store(happening(number, clip=clip))
    wait_until(lambda: len(store.find()) == 4)
    ids = [event["id"] for event in reversed(store.find())]
    assert [event["clip"] for event in reversed(store.find())][:2] == ["ready", "writing"]
    assert [store.clip(each) for each in ids] == [tmp_path / "yard" / "a.mp4", None, None, None]
    store.close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigError, match="newer streamdet"):
        EventStore(path)
