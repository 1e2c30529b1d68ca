"""Detections to an MQTT broker: one JSON line a message."""

import importlib.util
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from streamdet.errors import ConfigError
from streamdet.media.locations import redact
from streamdet.sinks.events import DeliveryError

if TYPE_CHECKING:
    from paho.mqtt.client import Client

_TIMEOUT_S = 5.0
_KEEPALIVE_S = 30
_PORTS = {"mqtt": 1883, "mqtts": 8883}
_AT_LEAST_ONCE = 1


class MqttTransport:
    """Publishes lines at least once each (QoS 1), MQTT 3.1.1.

    Args:
        url: `mqtt://host/topic` or `mqtts://`, with user and password where the broker wants them.
        timeout_s: how long the broker may take to answer, or to confirm lines.

    Raises:
        ConfigError: the address lacks its host or topic, or paho-mqtt is not installed.
    """

    def __init__(self, url: str, timeout_s: float = _TIMEOUT_S) -> None:
        if importlib.util.find_spec("paho") is None:
            raise ConfigError("detections to mqtt:// need paho-mqtt: pip install 'streamdet[mqtt]'")
        try:
            parts = urlsplit(url)
            self._host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise ConfigError(f"detections to {redact(url)}: expected mqtt://host/topic: {error}") from error
        self._topic = unquote(parts.path.removeprefix("/"))
        if not self._host or not self._topic or "+" in self._topic or "#" in url.rpartition("@")[2]:
            raise ConfigError(f"detections to {redact(url)}: expected mqtt://host/topic, a topic without + and #")
        self._scheme = parts.scheme.lower()
        self._port = port or _PORTS[self._scheme]
        self._who = None if parts.username is None else (unquote(parts.username), unquote(parts.password or ""))
        self._timeout_s = timeout_s
        self._client: Client | None = None

    def send(self, lines: Sequence[bytes]) -> None:
        """Deliver lines.

        Raises:
            DeliveryError: the broker is not there, refuses, or does not confirm all of them in time.
        """
        try:
            client = self._client = self._client or self._connect()
            sent = [client.publish(self._topic, line.rstrip(b"\n"), _AT_LEAST_ONCE) for line in lines]
            until_s = time.monotonic() + self._timeout_s
            while not all(message.is_published() for message in sent):
                if not client.is_connected():
                    raise DeliveryError("the broker has closed the connection")
                if time.monotonic() > until_s:
                    raise DeliveryError(f"no confirmation within {self._timeout_s:g} s")
                next(message for message in sent if not message.is_published()).wait_for_publish(0.1)
        except (OSError, ValueError, RuntimeError) as error:
            self.close()
            raise DeliveryError(redact(getattr(error, "strerror", None) or str(error))) from error
        except DeliveryError:
            self.close()
            raise

    def close(self) -> None:
        """Say goodbye to the broker."""
        client, self._client = self._client, None
        if client is not None:
            _hang_up(client)

    def _connect(self) -> "Client":
        from paho.mqtt.client import Client
        from paho.mqtt.enums import CallbackAPIVersion

        # Whether and when to try again is decided in one place for all senders.
        client = Client(CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
        client.connect_timeout = self._timeout_s
        if self._who is not None:
            client.username_pw_set(*self._who)
        if self._scheme == "mqtts":
            client.tls_set()
        answers: list[Any] = []
        answered = threading.Event()

        def on_connect(client: Any, userdata: Any, flags: Any, code: Any, properties: Any) -> None:
            answers.append(code)
            answered.set()

        client.on_connect = on_connect
        client.on_disconnect = lambda *_: answered.set()
        client.connect(self._host, self._port, _KEEPALIVE_S)
        client.loop_start()
        try:
            if not answered.wait(self._timeout_s):
                raise DeliveryError(f"no answer within {self._timeout_s:g} s")
            if not answers:
                raise DeliveryError("the broker has closed the connection")
            if answers[0].is_failure:
                raise DeliveryError(f"the broker refused: {answers[0]}", refused=True)
        except DeliveryError:
            _hang_up(client)
            raise
        return client


def _hang_up(client: "Client") -> None:
    with suppress(OSError, ValueError):
        client.disconnect()
    client.loop_stop()
