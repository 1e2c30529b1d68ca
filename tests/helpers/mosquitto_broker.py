"""A real MQTT broker (mosquitto) in a process of its own, which tests may kill, stop and start again, and a subscriber.

Needs Debian's mosquitto; tests ask with `require_mosquitto()`, which skips without it, or fails where
STREAMDET_REQUIRE_SERVERS is set.
"""

import os
import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from server_process import START_TIMEOUT_S, ServerProcess, free_port, require

_PATH = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin"))


class Mosquitto(ServerProcess):
    """The broker.

    Args:
        folder: for its settings.
        user, password: what clients must give; None for nothing.
    """

    def __init__(self, folder: Path, *, user: str | None = None, password: str = "") -> None:
        super().__init__(free_port())
        self._user, self._password = user, password
        self._settings = folder / "mosquitto.conf"
        lines = [f"listener {self.port} 127.0.0.1", f"allow_anonymous {str(user is None).lower()}", "user root"]
        if user is not None:
            program = shutil.which("mosquitto_passwd", path=_PATH)
            subprocess.run([str(program), "-c", "-b", str(folder / "users"), user, password], check=True)
            lines.append(f"password_file {folder / 'users'}")
        self._settings.write_text("\n".join(lines) + "\n")

    def start(self) -> None:
        """Start it and wait until it listens."""
        program = str(shutil.which("mosquitto", path=_PATH))
        self.process = subprocess.Popen([program, "-c", str(self._settings)], stderr=subprocess.DEVNULL)
        self.wait_until_it_listens()

    def subscribe(self, topic: str) -> "Subscriber":
        """A client that hears a topic."""
        return Subscriber(self.port, topic, self._user, self._password)


class Subscriber:
    """Collects what is published; comes back when the broker does. A context manager."""

    def __init__(self, port: int, topic: str, user: str | None, password: str) -> None:
        self.messages: list[bytes] = []
        self._topic = topic
        self._subscribed = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2)
        if user is not None:
            self._client.username_pw_set(user, password)
        self._client.reconnect_delay_set(0.05, 0.2)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = lambda client, data, message: self.messages.append(message.payload)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def __enter__(self) -> Self:
        self.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def wait(self) -> None:
        """Until it hears; after a restart of the broker it may be called again."""
        assert self._subscribed.wait(START_TIMEOUT_S)

    def _connected(self, client: Any, *_: Any) -> None:
        self._subscribed.clear()
        client.subscribe(self._topic, 1)


def require_mosquitto() -> None:
    """Skip the test where the broker is not installed."""
    there = shutil.which("mosquitto", path=_PATH) is not None
    require(None if there else "mosquitto is not installed (Debian's package mosquitto)")
