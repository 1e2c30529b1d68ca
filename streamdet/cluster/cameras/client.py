"""Requests to `streamdet cluster serve`."""

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

from streamdet.errors import ConfigError, PipelineError

_TIMEOUT_S = 180.0  # a camera that moves ends first, which may take its time
_MAX_BYTES = 2**28


def ask(url: str, token: str, method: str, path: str, body: Any = None) -> Any:
    """Send a request; gives the answer as JSON holds it.

    Args:
        url: where the driver listens.
        token: of the driver.
        method, path, body: of the request.

    Raises:
        ConfigError: the address or the token is wrong, or the driver refuses what is asked.
        PipelineError: it does not answer, or fails.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise ConfigError("--url: expected http://host:port or https://host:port")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    shown = f"{parts.scheme}://{parts.netloc}"
    connection = kind(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    try:
        data = None if body is None else json.dumps(body).encode()
        words = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, path, data, words)
        answer = connection.getresponse()
        content = answer.read(_MAX_BYTES)
        found = json.loads(content) if content else None
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise PipelineError(f"{shown}: streamdet cluster serve does not answer there: {why}") from error
    finally:
        connection.close()
    if answer.status < 300:
        return found
    said = found.get("error") or found.get("detail") if isinstance(found, dict) else None
    if answer.status == 401:
        raise ConfigError(f"{shown}: this is not its token; expected that of streamdet cluster serve")
    if answer.status < 500:
        raise ConfigError(str(said or f"{shown}: refuses with status {answer.status}"))
    raise PipelineError(f"{shown}: fails with status {answer.status}: {said}")
