"""Who is let in: an ASGI layer around everything that the server offers."""

import asyncio
import hashlib
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Refusal = tuple[int, str, list[tuple[bytes, bytes]]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MAX_BODY = 2**18
_BODY_TIMEOUT_S = 10.0
_COOKIE_S = 30 * 86_400
_SAFE = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/health", "/login", "/favicon.ico")
_OPEN_FOLDER = "/static/"

HEADERS = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        b"media-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
]


class Guard:
    """Lets a request through if it names a host of this server, comes from its own page, and has the token.

    A token in the address of the start page becomes a cookie that no script can read; scripts send it as
    `Authorization: Bearer`. Names of hosts are checked because a foreign page can make its own name mean this machine.

    Args:
        app: what is guarded.
        token: that has to be known.
        hosts: names by which the server may be addressed, besides IP addresses and localhost.
        secure: it speaks TLS.
        open_paths: that are let through without the token, besides the login page, /health and what both need.
    """

    def __init__(
        self, app: App, token: str, hosts: Iterable[str] = (), *, secure: bool = False, open_paths: Iterable[str] = ()
    ) -> None:
        self._app, self._token, self._secure = app, token, secure
        self._hosts = {"localhost", *(host.lower() for host in hosts)}
        self._open = {*_OPEN, *open_paths}
        self._proof = hmac.new(token.encode(), b"streamdet session", hashlib.sha256).hexdigest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        refusal = self._refusal(scope, headers)
        if refusal is not None and scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        elif refusal is not None:
            await _answer(send, *refusal)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._app(scope, _bounded(receive), _with_headers(send))

    def cookie(self, port: int) -> str:
        """The Set-Cookie of who has shown the token. Cookies know no ports: its name does."""
        secure = "; Secure" if self._secure else ""
        return f"{_cookie_name(port)}={self._proof}; Path=/; Max-Age={_COOKIE_S}; HttpOnly; SameSite=Strict{secure}"

    def knows(self, token: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(token.encode(), self._token.encode())

    def _refusal(self, scope: Scope, headers: Mapping[str, str]) -> Refusal | None:
        if (foreign := self._foreign(scope, headers)) is not None:
            return foreign
        path = scope["path"]
        if path in self._open or path.startswith(_OPEN_FOLDER) or self._is_known(headers, scope):
            return None
        if path != "/":
            return 401, "expected the token, as a cookie from /login or as Authorization: Bearer", []
        token = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if self.knows(token):
            return 303, "", [(b"location", b"/"), (b"set-cookie", self.cookie(_port_of(scope)).encode())]
        return 303, "", [(b"location", b"/login")]

    def _foreign(self, scope: Scope, headers: Mapping[str, str]) -> Refusal | None:
        host, origin = headers.get("host", ""), headers.get("origin")
        if not self._is_own(host):
            return 421, "this server is not known by that name; see --allow-host", []
        writes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if origin is not None and writes and urlsplit(origin).netloc.lower() != host.lower():
            return 403, "requests from other sites are refused", []
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MAX_BODY:
            return 413, f"expected at most {MAX_BODY} bytes", []
        return None

    def _is_own(self, host: str) -> bool:
        try:
            name = (urlsplit(f"//{host}").hostname or "").lower()
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self._hosts
        return True

    def _is_known(self, headers: Mapping[str, str], scope: Scope) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.knows(token.strip()):
            return True
        try:
            cookies = SimpleCookie(headers.get("cookie", ""))
        except CookieError:
            return False
        found = cookies.get(_cookie_name(_port_of(scope)))
        return found is not None and hmac.compare_digest(found.value.encode(), self._proof.encode())


def _port_of(scope: Scope) -> int:
    port: int = (scope.get("server") or ("", 0))[1]
    return port


def _cookie_name(port: int) -> str:
    return f"streamdet_{port}"


def _bounded(receive: Receive) -> Receive:
    """A body that is too large or too slow ends as if its sender had hung up."""
    taken, whole = 0, False

    async def bounded() -> Message:
        nonlocal taken, whole
        try:
            message = await asyncio.wait_for(receive(), None if whole else _BODY_TIMEOUT_S)
        except TimeoutError:
            return {"type": "http.disconnect"}
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        return message if taken <= MAX_BODY else {"type": "http.disconnect"}

    return bounded


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), *HEADERS]
        await send(message)

    return sending


async def _answer(send: Send, status: int, text: str, headers: list[tuple[bytes, bytes]]) -> None:
    body = json.dumps({"error": text}).encode() if text else b""
    kind = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await _with_headers(send)({"type": "http.response.start", "status": status, "headers": [*kind, *headers]})
    await send({"type": "http.response.body", "body": body})
