"""The server as a program runs it: uvicorn with bounds on what a connection may cost."""

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from streamdet.errors import ConfigError
from streamdet.server.guard import Guard

_HEAD_TIMEOUT_S = 10.0
_MAX_CONNECTIONS = 256
_MAX_MESSAGE = 2**16
_SHORTEST_TOKEN = 16
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server listens, and who is let in.

    Attributes:
        host, port: 0 takes any port that is free.
        token: that has to be known.
        names: by which it may be addressed, besides IP addresses and localhost.
        certificate, key: files for TLS; None: plain HTTP.
        open_metrics: /metrics needs no token.
    """

    host: str
    port: int
    token: str
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: Path | None = None
    open_metrics: bool = False

    @property
    def is_loopback(self) -> bool:
        """Only this machine gets there."""
        return self.host in _LOOPBACK

    def url(self, port: int) -> str:
        """What a browser is given, the token included."""
        scheme = "http" if self.certificate is None else "https"
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self.host, self.host)
        return f"{scheme}://{host}:{port}/?token={self.token}"


def choose_token(given: str | None, folder: Path) -> str:
    """The token that was given; else the one that the folder keeps, made where there is none.

    Raises:
        ConfigError: it is too short, or cannot be kept.
    """
    if given is not None:
        if len(given) < _SHORTEST_TOKEN or not given.isascii() or not given.isprintable() or " " in given:
            raise ConfigError(f"token: expected at least {_SHORTEST_TOKEN} letters, digits or signs without spaces")
        return given
    path = folder / "token"
    try:
        if not path.exists():
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_urlsafe(24))
        return choose_token(path.read_text(encoding="ascii").strip(), folder)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot keep the token: {error}") from error


class _Protocol(H11Protocol):
    """Hangs up on who does not say what is wanted within 10 s of connecting."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.loop.call_later(_HEAD_TIMEOUT_S, self._hang_up_on_silence)

    def _hang_up_on_silence(self) -> None:
        if self.cycle is None and self in self.connections and not self.transport.is_closing():
            self.transport.close()


class Server(uvicorn.Server):
    """Serves until `stop`; signals are left to who starts it.

    Args:
        build: makes the application, from the arguments of its `Guard`.
        address: where.
    """

    def __init__(self, build: Callable[[dict[str, Any]], Guard], address: Address) -> None:
        guard: dict[str, Any] = {
            "token": address.token,
            "hosts": (*address.names, address.host),
            "secure": address.certificate is not None,
            "open_paths": ("/metrics",) if address.open_metrics else (),
        }
        super().__init__(
            uvicorn.Config(
                build(guard),
                host=address.host,
                port=address.port,
                http=_Protocol,
                ws="websockets-sansio",
                ws_max_size=_MAX_MESSAGE,
                ws_per_message_deflate=False,
                limit_concurrency=_MAX_CONNECTIONS,
                timeout_graceful_shutdown=2,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                ssl_certfile=address.certificate,
                ssl_keyfile=address.key,
            )
        )
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """They belong to the program."""
        yield

    @property
    def bound_port(self) -> int:
        """Where it listens, once it has started."""
        port: int = self.servers[0].sockets[0].getsockname()[1]
        return port

    def stop(self) -> None:
        """End soon; from any thread, and in a signal handler."""
        self.should_exit = True

    def cancel(self) -> None:
        """End now."""
        self.force_exit = self.should_exit = True

    async def _serve_told(self, ready: Any) -> None:
        serving = asyncio.create_task(self.serve())
        while not self.started and not serving.done():
            await asyncio.sleep(0.02)
        if self.started:
            ready(self.bound_port)
        await serving

    def serve_until_stopped(self, ready: Any = lambda port: None) -> None:
        """Serve in this thread.

        Args:
            ready: called with the port once it listens.

        Raises:
            ConfigError: it cannot listen there.
        """
        try:
            with suppress(asyncio.CancelledError):
                asyncio.run(self._serve_told(ready))
        except SystemExit as error:  # uvicorn's way to say that the address is taken
            raise ConfigError(
                f"cannot listen at {self.config.host} port {self.config.port}: is another program there? Expected a "
                "free --port"
            ) from error
