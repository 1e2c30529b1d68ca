"""Alerts that have to arrive: kept in a database until their receiver has them, across restarts."""

import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from streamdet.errors import ConfigError, SinkError
from streamdet.media.backoff import Backoff
from streamdet.media.locations import redact
from streamdet.media.write.delivery import Delivery
from streamdet.sinks.ending import Ending
from streamdet.sinks.events import DeliveryError, Transport

_log = logging.getLogger(__name__)

_TABLE = "outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, address TEXT NOT NULL, line BLOB NOT NULL)"
_LONGEST_PAUSE_S = 60.0
_CLOSE_TIMEOUT_S = 3.0
_RETRY_REFUSED_S = 30.0


class Outbox:
    """Takes lines at once, whatever their receivers do; each receiver has a thread of its own, and gets them in order.

    A line is deleted when its receiver has confirmed it: it arrives once, or again where a confirmation was lost. While
    the database cannot be written, a full disk say, lines are kept in memory.

    Args:
        path: of the database, made where it is missing; None: in memory, and what is left at the end is lost.
        addresses: the receivers, credentials included: how each is reached, and what counts its lines.
        close_timeout_s: how long `close` may take to deliver what waits.

    Raises:
        ConfigError: the database cannot be opened.
    """

    def __init__(
        self,
        path: Path | None,
        addresses: Mapping[str, tuple[Callable[[], Transport], Delivery]],
        close_timeout_s: float = _CLOSE_TIMEOUT_S,
    ) -> None:
        self._path, self._close_timeout_s = path, close_timeout_s
        self._deliveries = {address: delivery for address, (_, delivery) in addresses.items()}
        self._end = Ending()  # guards the database and what follows
        try:
            self._database = sqlite3.connect(path or ":memory:", check_same_thread=False, isolation_level=None)
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute("ATTACH ':memory:' AS spare")
            for schema in ("main", "spare"):
                self._database.execute(f"CREATE TABLE IF NOT EXISTS {schema}.{_TABLE}")
        except sqlite3.Error as error:
            raise ConfigError(f"{path}: cannot be opened as a database of alerts: {error}") from error
        self._tell_of_others()
        self._threads = [
            threading.Thread(target=self._run, args=(address, make), name=f"alert {redact(address)}", daemon=True)
            for address, (make, _) in addresses.items()
        ]
        for thread in self._threads:
            thread.start()

    def _tell_of_others(self) -> None:
        known = {redact(address) for address in self._deliveries}
        rows = self._database.execute("SELECT address, COUNT(*) FROM main.outbox GROUP BY address").fetchall()
        for address, count in rows:
            if address not in known:
                _log.warning("%s: %d alerts wait for %s, which no rule names any more", self._path, count, address)

    def put(self, address: str, line: bytes) -> None:
        """Keep a line for a receiver."""
        with self._end:
            try:
                self._database.execute("INSERT INTO main.outbox (address, line) VALUES (?, ?)", (redact(address), line))
            except sqlite3.Error as error:
                self._deliveries[address].fail(f"{self._path}: alerts cannot be kept: {error}; they stay in memory")
                self._database.execute(
                    "INSERT INTO spare.outbox (address, line) VALUES (?, ?)", (redact(address), line)
                )
            self._end.notify_all()

    @property
    def waiting(self) -> int:
        """How many lines have not arrived."""
        with self._end:
            return sum(self._count(address) for address in self._deliveries)

    def close(self) -> None:
        """Deliver what waits, if that is quick.

        Raises:
            SinkError: something is left, and no database keeps it.
        """
        self._end.start(self._close_timeout_s)
        for thread in self._threads:
            thread.join(self._close_timeout_s + 10)
        left = {address: count for address in self._deliveries if (count := self._count(address))}
        failing = [each.failing for each in self._deliveries.values() if each.failing]
        self._database.close()
        if left and self._path is not None:
            _log.info("%s: %d alerts wait for the next start", self._path, sum(left.values()))
        elif lost := sum(left.values()) + sum(each.dropped.total() for each in self._deliveries.values()):
            for address, count in left.items():
                self._deliveries[address].drop("undelivered", count)
            why = failing[0] if failing else f"{redact(next(iter(self._deliveries)))}: failed for a time"
            raise SinkError(f"{why}; {lost} alerts were not delivered")

    def _count(self, address: str) -> int:
        tables = [f"SELECT COUNT(*) FROM {schema}.outbox WHERE address = ?" for schema in ("main", "spare")]
        return sum(self._database.execute(query, (redact(address),)).fetchone()[0] for query in tables)

    def _run(self, address: str, make: Callable[[], Transport]) -> None:
        transport, delivery, backoff = make(), self._deliveries[address], Backoff(0.5, _LONGEST_PAUSE_S)
        try:
            while (row := self._next(address)) is not None:
                schema, number, line = row
                try:
                    transport.send([line])
                except DeliveryError as error:
                    delivery.fail(f"{delivery.shown}: {error}")
                    if not error.final:
                        if self._end.comes_within(_RETRY_REFUSED_S if error.refused else backoff.next_s()):
                            return
                        continue
                    delivery.drop("refused")
                else:
                    delivery.sent += 1
                    backoff.reset()
                    delivery.recover()
                self._delete(schema, number, delivery)
        finally:
            transport.close()

    def _next(self, address: str) -> tuple[str, int, bytes] | None:
        """The oldest line that waits; None at the end."""
        query = " UNION ALL ".join(
            f"SELECT * FROM (SELECT '{schema}', id, line FROM {schema}.outbox WHERE address = :to ORDER BY id LIMIT 1)"
            for schema in ("main", "spare")
        )
        with self._end:
            while True:
                over = self._end.at_s is not None and time.monotonic() >= self._end.at_s
                row: tuple[str, int, bytes] | None = None
                if not over:
                    row = self._database.execute(query, {"to": redact(address)}).fetchone()
                if row is not None or self._end.at_s is not None:
                    return row
                self._end.wait()

    def _delete(self, schema: str, number: int, delivery: Delivery) -> None:
        """Forget a line that has arrived; a disk that is full is waited for, or it would be sent again and again."""
        while True:
            try:
                with self._end:
                    self._database.execute(f"DELETE FROM {schema}.outbox WHERE id = ?", (number,))
                return
            except sqlite3.Error as error:
                delivery.fail(f"{self._path}: cannot be written: {error}")
                if self._end.comes_within(1.0):
                    return
