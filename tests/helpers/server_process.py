"""What servers of tests have in common: a process that may be killed, frozen and started again on its port."""

import os
import signal
import socket
import subprocess
import time
from itertools import count, islice
from types import TracebackType
from typing import Any, Self

START_TIMEOUT_S = 60.0
_LOWEST_PORT, _PORT_COUNT = 10_000, 20_000
_PORTS = (_LOWEST_PORT + (os.getpid() * 97 + number) % _PORT_COUNT for number in count())


class ServerProcess:
    """A server. A context manager; killed with the test whatever happens.

    Attributes:
        port: where it listens.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.process: subprocess.Popen[Any] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill9()

    @property
    def pid(self) -> int:
        """The server's process."""
        if self.process is None:
            raise ValueError("the server does not run")
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        raise NotImplementedError

    def kill9(self) -> None:
        """End it at once, as a crash does; also when it is frozen. Does nothing where it is dead already."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()
            self.process = None

    def restart(self) -> None:
        """Kill it and start it on the same port."""
        self.kill9()
        self.start()

    def sigstop(self) -> None:
        """Freeze it: connections stay, and nothing answers."""
        os.kill(self.pid, signal.SIGSTOP)

    def sigcont(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def wait_until_it_listens(self) -> None:
        """After its process was started."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                assert time.monotonic() < deadline_s, f"the server does not start on port {self.port}"
                time.sleep(0.05)


def free_port() -> int:
    """A port that nobody listens at, and that no test of another process takes while a server is restarted on it.

    It lies below those that the kernel gives to outgoing connections, and processes start at different ones.
    """
    for port in islice(_PORTS, _PORT_COUNT):
        try:
            socket.create_server(("127.0.0.1", port)).close()
            return port
        except OSError:
            continue
    raise RuntimeError("no port is free")


def require(missing: str | None) -> None:
    """Skip the test where a server is missing; fail it where STREAMDET_REQUIRE_SERVERS says that it must be there."""
    import pytest  # play_camera.py does without

    if missing and os.environ.get("STREAMDET_REQUIRE_SERVERS"):
        pytest.fail(f"STREAMDET_REQUIRE_SERVERS is set, but {missing}")
    if missing:
        pytest.skip(missing)
