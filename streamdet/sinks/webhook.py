"""Detections to a web server: JSON Lines as the body of POST requests."""

import base64
import http.client
from collections.abc import Sequence
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from streamdet.errors import ConfigError
from streamdet.media.locations import redact
from streamdet.sinks.events import DeliveryError

_TIMEOUT_S = 5.0
# The server is busy, or was too slow itself: all other 4xx mean that these lines will not do. RFC 9110, 15.5; RFC 6585.
_WORTH_ANOTHER_TRY = (408, 425, 429)
_REFUSALS = (401, 403, 404, 405, 410)


class WebhookTransport:
    """POSTs lines, as many as wait, over one connection that is kept.

    Any status 2xx means that they have arrived. An answer that is lost makes them arrive twice.

    Args:
        url: with user and password for basic authentication, where the server wants them.
        timeout_s: how long the server may take to answer.

    Raises:
        ConfigError: the address has no host, or its port is no number.
    """

    def __init__(self, url: str, timeout_s: float = _TIMEOUT_S) -> None:
        try:
            parts = urlsplit(url)
            if not parts.hostname:
                raise ValueError("no host in it")
            port = parts.port
        except ValueError as error:
            raise ConfigError(f"detections to {redact(url)}: expected http://host/path: {error}") from error
        make = http.client.HTTPSConnection if parts.scheme.lower() == "https" else http.client.HTTPConnection
        self._connection = make(parts.hostname, port, timeout=timeout_s)
        self._target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._headers = {"Content-Type": "application/x-ndjson", "User-Agent": "streamdet"}
        if parts.username is not None:
            who = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            self._headers["Authorization"] = "Basic " + base64.b64encode(who.encode()).decode()

    def send(self, lines: Sequence[bytes]) -> None:
        """Deliver lines.

        Raises:
            DeliveryError: the server is not there, does not answer in 5 s, or answers with another status than 2xx.
        """
        kept = self._connection.sock is not None
        try:
            try:
                status, said = self._post(b"".join(lines))
            except ConnectionError:
                if not kept:
                    raise
                self._connection.close()  # servers hang up after a while of silence, which is no failure
                status, said = self._post(b"".join(lines))
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            what = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise DeliveryError(redact(what)) from error
        if not 200 <= status < 300:
            final = 300 <= status < 500 and status not in _WORTH_ANOTHER_TRY
            raise DeliveryError(redact(f"answers {status} {said}"), final=final, refused=status in _REFUSALS)

    def close(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self._connection.close()

    def _post(self, body: bytes) -> tuple[int, str]:
        self._connection.request("POST", self._target, body, self._headers)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status, answer.reason
