"""Sends lines of detections to a server in the background, in order: a queue with a bound, and tries that repeat."""

import threading
from collections import deque
from collections.abc import Sequence
from typing import Protocol

from streamdet.errors import ConfigError, SinkError
from streamdet.media.backoff import Backoff
from streamdet.media.write.delivery import Delivery
from streamdet.sinks.ending import Ending

_MOST_LINES, _MOST_BYTES = 10_000, 16 * 2**20  # that wait
_LINES_AT_ONCE, _BYTES_AT_ONCE = 200, 2**20
_CLOSE_TIMEOUT_S = 3.0
_RETRY_REFUSED_S = 30.0


class DeliveryError(Exception):
    """A server did not take lines; the text says why, without address and credentials.

    Attributes:
        final: the same lines would not be taken a second time.
        refused: no lines would be taken soon: credentials are wrong, say.
    """

    def __init__(self, text: str, *, final: bool = False, refused: bool = False) -> None:
        super().__init__(text)
        self.final = final
        self.refused = refused


class Transport(Protocol):
    """A way to a server."""

    def send(self, lines: Sequence[bytes]) -> None:
        """Deliver lines, connecting first where needed.

        Raises:
            DeliveryError: within seconds, if that was not possible.
        """
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class EventSender:
    """Takes lines at once, whatever the server does; when more wait than fit, the oldest are dropped and counted.

    Args:
        transport: to the server.
        delivery: counts lines.
        close_timeout_s: how long `close` may take to send what waits.
    """

    def __init__(self, transport: Transport, delivery: Delivery, close_timeout_s: float = _CLOSE_TIMEOUT_S) -> None:
        self._transport = transport
        self._delivery = delivery
        self._close_timeout_s = close_timeout_s
        self._end = Ending()  # guards what follows
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._thread = threading.Thread(target=self._run, name=f"send to {delivery.shown}", daemon=True)
        self._thread.start()

    def append(self, data: bytes) -> None:
        """Add a line."""
        with self._end:
            self._lines.append(data)
            self._bytes += len(data)
            while len(self._lines) > _MOST_LINES or self._bytes > _MOST_BYTES:
                self._bytes -= len(self._lines.popleft())
                self._delivery.drop("overflow")
            self._end.notify_all()

    def close(self) -> None:
        """Send what waits, if that is quick.

        Raises:
            SinkError: not everything has arrived.
        """
        self._end.start(self._close_timeout_s)
        self._thread.join(self._close_timeout_s + 1)
        with self._end:
            self._delivery.drop("undelivered", len(self._lines))
            self._lines.clear()
        lost = self._delivery.dropped.total()
        if lost:
            why = self._delivery.failing or f"{self._delivery.shown}: failed for a time"
            raise SinkError(f"{why}; {lost} lines were not delivered")

    def _run(self) -> None:
        backoff = Backoff()
        try:
            while lines := self._next():
                if self._deliver(lines, backoff):
                    self._delivery.sent += len(lines)
                else:
                    with self._end:
                        self._delivery.drop("undelivered", len(lines))
        finally:
            self._transport.close()

    def _next(self) -> list[bytes]:
        """Lines that wait, in their order; none at the end."""
        with self._end:
            self._end.wait_for(lambda: self._lines or self._end.at_s is not None)
            taken: list[bytes] = []
            size = 0
            while self._lines and len(taken) < _LINES_AT_ONCE and (not taken or size < _BYTES_AT_ONCE):
                taken.append(self._lines.popleft())
                size += len(taken[-1])
            self._bytes -= size
            return taken

    def _deliver(self, lines: Sequence[bytes], backoff: Backoff) -> bool:
        """Try until the server has them, says that it never will take them, or the end has come."""
        while True:
            try:
                self._transport.send(lines)
            except DeliveryError as error:
                self._delivery.fail(f"{self._delivery.shown}: {error}")
                if self._end.comes_within(_RETRY_REFUSED_S if error.refused else backoff.next_s()) or error.final:
                    return False
            else:
                backoff.reset()
                self._delivery.recover()
                return True


def is_event_address(path: str | None) -> bool:
    """Whether detections go to a server rather than into a file."""
    return path is not None and "://" in path


def open_transport(url: str) -> Transport:
    """The way to an address; nothing is sent yet.

    Args:
        url: `mqtt(s)://host/topic` or `http(s)://...`, credentials included.

    Raises:
        ConfigError: it is none of these, lacks a part, or paho-mqtt is not installed.
    """
    scheme = url.partition("://")[0].lower()
    if scheme in ("mqtt", "mqtts"):
        from streamdet.sinks.mqtt import MqttTransport

        return MqttTransport(url)
    if scheme in ("http", "https"):
        from streamdet.sinks.webhook import WebhookTransport

        return WebhookTransport(url)
    raise ConfigError(f"detections to {scheme}://: expected mqtt://host/topic, or http:// or https:// for a webhook")
