"""Events that are kept: a SQLite database, written by a thread of its own."""

import queue
import sqlite3
import threading
import time
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from streamdet.drawing.thumbnail import thumbnail
from streamdet.errors import ConfigError
from streamdet.jobs.events import Event
from streamdet.media.write.delivery import Delivery
from streamdet.result import Result, ZoneEvent

_VERSION = 2
_SCHEMA = """
CREATE TABLE events (
    id INTEGER PRIMARY KEY, time REAL NOT NULL, stream TEXT NOT NULL, kind TEXT NOT NULL, zone TEXT NOT NULL,
    track INTEGER, class TEXT, direction TEXT, seconds REAL, count INTEGER, speed_mps REAL, time_s REAL NOT NULL,
    picture BLOB, clip TEXT
);
CREATE INDEX events_by_time ON events (time);
CREATE INDEX events_by_stream ON events (stream, time);
"""
_COLUMNS = "id, time, stream, kind, zone, track, class, direction, seconds, count, speed_mps, time_s, clip"
_INSERT = (
    "INSERT INTO events (time, stream, kind, zone, track, class, direction, seconds, count, speed_mps, time_s, clip, "
    "picture) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_FILTERS = {"stream": "stream = ?", "kind": "kind = ?", "zone": "zone = ?", "class": "class = ?"}
_PICTURES_WAITING = 64  # an event that comes while more wait has no picture
_CLEAN_EVERY_S = 600.0
_TRY_AGAIN_S = 2.0
_WRITING_S = 300.0  # a clip that is not there after so long has failed, or was removed


class _Told(NamedTuple):
    time: float
    stream: str
    event: ZoneEvent
    result: Result | None


class EventStore:
    """A listener: keeps what happens at areas and lines, with a picture of the object.

    Args:
        path: of the database; made where it is missing.
        keep_days: older events are removed.
        max_events: the oldest are removed where there are more.
        clips: folder of the stage clips; None: there are none.

    Raises:
        ConfigError: it cannot be opened, or is of a newer version.
    """

    def __init__(
        self, path: Path, keep_days: float = 30.0, max_events: int = 100_000, clips: Path | None = None
    ) -> None:
        self._path, self._keep_s, self._max_events = path, keep_days * 86_400, max_events
        self._clips, self._delivery, self._over = clips, Delivery(str(path), "events"), threading.Event()
        self._waiting: queue.Queue[_Told | None] = queue.Queue()
        self._reading = threading.Lock()
        try:
            with closing(self._connect()) as database:
                [version] = database.execute("PRAGMA user_version").fetchone()
                if version > _VERSION:
                    raise ConfigError(f"{path}: was written by a newer streamdet; expected version {_VERSION}")
                if version == 0:
                    database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_VERSION}; COMMIT;")
                elif version == 1:
                    more = "ALTER TABLE events ADD COLUMN clip TEXT;"
                    database.executescript(f"BEGIN; {more} PRAGMA user_version = {_VERSION}; COMMIT;")
            self._reader = self._connect()
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: cannot be opened as a database of events: {error}") from error
        self._thread = threading.Thread(target=self._write, name="keep events", daemon=True)
        self._thread.start()

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=30.0, check_same_thread=False)
        database.execute("PRAGMA journal_mode = WAL")
        return database

    def __call__(self, event: Event) -> None:
        """Take the events of a result; at once, whatever the disk does."""
        if isinstance(event, Result):
            for each in event.zones.events:
                with_picture = self._waiting.qsize() < _PICTURES_WAITING
                self._waiting.put(_Told(_time_of(event, each), event.source, each, event if with_picture else None))

    def find(
        self,
        *,
        before: int | None = None,
        limit: int = 50,
        since: float | None = None,
        until: float | None = None,
        **wanted: str | None,
    ) -> list[dict[str, Any]]:
        """Events, the newest first.

        Args:
            before: only those with a lower id.
            limit: most of them.
            since, until: only those from this time on, and before that one, seconds since 1970.
            wanted: stream, kind, zone and class; None: any.
        """
        conditions = {_FILTERS[name]: value for name, value in wanted.items() if value is not None}
        conditions |= {} if before is None else {"id < ?": str(before)}
        conditions |= {} if since is None else {"time >= ?": str(since)}
        conditions |= {} if until is None else {"time < ?": str(until)}
        where = f"WHERE {' AND '.join(conditions)} " if conditions else ""
        rows = self._read(
            f"SELECT {_COLUMNS}, picture IS NOT NULL AS has_picture FROM events {where}ORDER BY id DESC LIMIT ?",
            (*conditions.values(), limit),
        )
        return [self._document(row) for row in rows]

    def _document(self, row: sqlite3.Row) -> dict[str, Any]:
        """An event as JSON holds it; its `clip` is ready, writing or null."""
        state = None
        if row["clip"] is not None and self._clips is not None:
            young = time.time() - row["time"] < _WRITING_S
            state = "ready" if (self._clips / row["clip"]).is_file() else "writing" if young else None
        return dict(row) | {"has_picture": bool(row["has_picture"]), "clip": state}

    def clip(self, event_id: int) -> Path | None:
        """The video of an event; None where there is none, or none yet."""
        rows = self._read("SELECT clip FROM events WHERE id = ?", (event_id,))
        if not rows or rows[0]["clip"] is None or self._clips is None:
            return None
        path = self._clips / rows[0]["clip"]
        return path if path.is_file() and path.resolve().is_relative_to(self._clips.resolve()) else None

    def picture(self, event_id: int) -> bytes | None:
        """The JPEG of an event; None where there is none."""
        rows = self._read("SELECT picture FROM events WHERE id = ?", (event_id,))
        return rows[0]["picture"] if rows else None

    def per_hour(self, start: float, hours: int, **wanted: str | None) -> list[int]:
        """How many events there were in each hour from `start`, seconds since 1970, on; `wanted` as in `find`."""
        conditions = {_FILTERS[name]: value for name, value in wanted.items() if value is not None}
        condition = "".join(f"AND {each} " for each in conditions)
        rows = self._read(
            "SELECT CAST((time - ?) / 3600 AS INTEGER) AS hour, COUNT(*) AS n FROM events "
            f"WHERE time >= ? AND time < ? {condition}GROUP BY hour",
            (start, start, start + 3600 * hours, *conditions.values()),
        )
        counted = {row["hour"]: row["n"] for row in rows}
        return [counted.get(hour, 0) for hour in range(hours)]

    def close(self) -> None:
        """Write what waits."""
        self._over.set()
        self._waiting.put(None)
        self._thread.join()
        with self._reading:
            self._reader.close()

    def _read(self, query: str, values: tuple[Any, ...]) -> list[sqlite3.Row]:
        with self._reading:
            cursor = self._reader.cursor()
            cursor.row_factory = sqlite3.Row
            return cursor.execute(query, values).fetchall()

    def _write(self) -> None:
        cleaned_s = 0.0
        with closing(self._connect()) as database:
            while (told := self._waiting.get()) is not None:
                self._keep(database, told)
                if time.monotonic() - cleaned_s > _CLEAN_EVERY_S:
                    cleaned_s = time.monotonic()
                    with suppress(sqlite3.Error), database:
                        self._clean(database)

    def _keep(self, database: sqlite3.Connection, told: _Told) -> None:
        """Write an event; while the disk is full, try again without its picture, and say so once."""
        while True:
            try:
                with database:
                    database.execute(_INSERT, _row(told))
            except sqlite3.Error as error:
                told = told._replace(result=None)
                self._delivery.fail(f"{self._path}: events cannot be kept: {error}")
                if self._over.wait(_TRY_AGAIN_S):
                    self._delivery.drop("unwritten")
                    return
            else:
                self._delivery.sent += 1
                self._delivery.recover()
                return

    def _clean(self, database: sqlite3.Connection) -> None:
        database.execute("DELETE FROM events WHERE time < ?", (time.time() - self._keep_s,))
        database.execute(
            "DELETE FROM events WHERE id <= (SELECT MAX(id) FROM events) - ?",
            (self._max_events,),
        )


def _time_of(result: Result, event: ZoneEvent) -> float:
    """When it happened, seconds since 1970; of files, when it was found."""
    wall_time = result.frame.wall_time or datetime.now(UTC)
    return wall_time.timestamp() - (result.pts_s - event.time_s if result.frame.wall_time else 0.0)


def _row(told: _Told) -> tuple[Any, ...]:
    event = told.event
    return (
        round(told.time, 3),
        told.stream,
        event.kind,
        event.zone,
        event.track_id,
        event.class_name,
        event.direction,
        event.seconds,
        event.count,
        event.speed_mps,
        event.time_s,
        event.clip,
        None if told.result is None else thumbnail(told.result, event),
    )
