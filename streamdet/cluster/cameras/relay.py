"""Requests about a stream are forwarded to the machine that reads it, and to no other address."""

import http.client
import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from fastapi.responses import JSONResponse, Response, StreamingResponse

from streamdet.cluster.cameras.member import Member
from streamdet.errors import PipelineError

_TIMEOUT_S = 10.0
_PIECE = 2**16
_MOST = 2**26
_PASSED_ON = ("content-type", "content-length", "content-range", "accept-ranges", "cache-control")

Query = Mapping[str, Any]


class Unreachable(PipelineError):
    """A machine does not answer."""


def path_of(*parts: str) -> str:
    """A path of the interface; whatever a part holds, it stays one part."""
    return "/api/" + "/".join(quote(part, safe="") if part not in (".", "..") else "-" for part in parts)


def ask_all(members: list[Member], path: str, query: Query | None = None) -> list[tuple[Member, Any]]:
    """What each machine that is ready answers to GET, as JSON holds it; one that does not is left out."""
    found = []
    for member, text in texts_of_all(members, path, query):
        with suppress(ValueError):
            found.append((member, json.loads(text)))
    return found


def texts_of_all(members: list[Member], path: str, query: Query | None = None) -> list[tuple[Member, str]]:
    """The same as texts."""

    def one(member: Member) -> str | None:
        with suppress(Unreachable):
            return _text_of(member, path, query)
        return None

    ready = [member for member in members if member.state == "ready"]
    if not ready:
        return []
    with ThreadPoolExecutor(min(len(ready), 32)) as pool:
        answers = list(pool.map(one, ready))
    return [(member, answer) for member, answer in zip(ready, answers, strict=True) if answer is not None]


def _text_of(member: Member, path: str, query: Query | None) -> str:
    connection, answer = _send(member, "GET", path, query, {})
    with connection:
        if answer.status != 200:
            raise Unreachable(f"{member.name}: answers {answer.status}")
        try:
            return answer.read(_MOST).decode()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unreachable(f"{member.name}: does not answer: {type(error).__name__}") from error


def relay(
    member: Member, method: str, path: str, query: Query | None = None, wanted: str | None = None, body: bytes = b""
) -> Response:
    """Let a machine answer, piece by piece.

    Args:
        member: which.
        method, path, query: of the request.
        wanted: its header Range.
        body: JSON.

    Raises:
        Unreachable: it does not answer.
    """
    headers = {"Range": wanted} if wanted is not None else {}
    connection, answer = _send(member, method, path, query, headers, body)
    passed = {name: value for name in _PASSED_ON if (value := answer.getheader(name)) is not None}
    if method != "GET" or answer.status >= 400:
        try:
            content = answer.read(_PIECE)
        finally:
            connection.close()
        if answer.status == 401:  # the token of the machine is not that of who asks
            return JSONResponse({"error": f"{member.name}: has another token"}, status_code=502)
        return Response(content, answer.status, media_type=passed.get("content-type"))

    def pieces() -> Iterator[bytes]:
        with connection:
            while piece := answer.read(_PIECE):
                yield piece

    return StreamingResponse(pieces(), answer.status, headers=passed)


class _Connection(http.client.HTTPConnection):
    def __enter__(self) -> "_Connection":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _send(
    member: Member, method: str, path: str, query: Query | None, headers: Mapping[str, str], body: bytes = b""
) -> tuple[_Connection, http.client.HTTPResponse]:
    words = {name: str(value) for name, value in (query or {}).items() if value is not None}
    connection = _Connection(member.host, member.port, timeout=_TIMEOUT_S)
    try:
        connection.request(
            method,
            f"{path}?{urlencode(words)}" if words else path,
            body or None,
            {"Authorization": f"Bearer {member.token}", "Content-Type": "application/json", **headers},
        )
        return connection, connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        raise Unreachable(f"{member.name}: does not answer: {type(error).__name__}") from error
