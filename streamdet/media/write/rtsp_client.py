"""An RTSP client that publishes: what FFmpeg's does, in sockets whose every wait has an end.

FFmpeg's muxer holds Python's lock while a server does not answer, which stops all threads; so this speaks for itself.
"""

import base64
import hashlib
import re
import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

from streamdet.media.write.rtp import RtpSender, session_description

TIMEOUT_S = 5.0
SILENCE_S = 10.0
_REPORT_EVERY_S = 5.0
_SEND_BUFFER_BYTES = 256 * 1024  # a second or two: what waits in it is old when it arrives
_LARGEST_ANSWER = 64 * 1024
_PORTS = {"rtsp": 554, "rtsps": 322}
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class RtspError(OSError):
    """The server said no, or what it said is no RTSP.

    Attributes:
        refused: asking again soon would not help.
    """

    def __init__(self, text: str, *, refused: bool = False) -> None:
        super().__init__(text)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Address:
    """Where to publish.

    Attributes:
        scheme: rtsp or rtsps.
        host, port: of the server.
        url: without credentials.
        user, password: None where there are none.
    """

    scheme: str
    host: str
    port: int
    url: str
    user: str | None
    password: str | None

    @classmethod
    def of(cls, url: str) -> Self:
        """Take an address apart.

        Raises:
            ValueError: if there is no host in it, or the port is no number.
        """
        parts = urlsplit(url)
        if not parts.hostname:
            raise ValueError("no host in it")
        scheme = parts.scheme.lower()
        port = parts.port or _PORTS[scheme]
        place = parts.netloc.rpartition("@")[2]
        bare = f"{scheme}://{place}{parts.path}" + (f"?{parts.query}" if parts.query else "")
        user, password = (None if text is None else unquote(text) for text in (parts.username, parts.password))
        return cls(scheme, parts.hostname, port, bare, user, password)


class RtspSession:
    """One connection that publishes one H.264 stream over TCP. `stop` may be called from any thread.

    Args:
        address: where.
        timeout_s: how long the server may take to answer or to accept data.
        silence_s: how long it may send nothing; twice in that time it is asked something. Buffers can hide for longer
            that it has stopped.

    Raises:
        OSError: from every method: the server does not exist, does not answer in time, refuses or has closed.
    """

    def __init__(self, address: Address, timeout_s: float = TIMEOUT_S, silence_s: float = SILENCE_S) -> None:
        self._address = address
        self._timeout_s, self._silence_s = timeout_s, silence_s
        self._socket = self._connect()
        self._answers = b""
        self._sequence = 0
        self._session: str | None = None
        self._challenge: Mapping[str, str] | None = None
        self._sender = RtpSender()
        self._report_s = self._asked_s = 0.0
        self._heard_s: float | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            if error is None and self._session is not None:
                self._socket.settimeout(1.0)
                self._socket.sendall(self._message("TEARDOWN", self._address.url, {}, b""))
        self._socket.close()

    def stop(self) -> None:
        """End all waiting."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def announce(self, parameter_sets: list[bytes]) -> None:
        """Agree on what is sent; pictures may follow."""
        url = self._address.url
        description = session_description(parameter_sets, self._address.host).encode()
        self._ask("ANNOUNCE", url, {"Content-Type": "application/sdp"}, description)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"}
        answer = self._ask("SETUP", f"{url.rstrip('/')}/streamid=0", transport)
        self._session = answer.get("session", "").partition(";")[0] or None
        self._ask("RECORD", url, {"Range": "npt=0.000-"})

    def send(self, access_unit: bytes, pts: int, wall_s: float) -> None:
        """Send a picture: pts in units of 1/90000 s, shown at wall_s (seconds since 1970)."""
        now_s = time.monotonic()
        data = b"".join(_framed(0, packet) for packet in self._sender.packets(access_unit, pts))
        if now_s >= self._report_s:
            self._report_s = now_s + _REPORT_EVERY_S
            data = _framed(1, self._sender.report(wall_s, pts)) + data
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise TimeoutError(f"accepted no data for {self._timeout_s:g} s") from error
        self.look()

    def look(self) -> None:
        """Take what the server says, receiver reports mostly, and notice when it has closed or stopped sending.

        Now and then it is asked something, so that it has to say something and does not give up the session.
        """
        if time.monotonic() - self._asked_s > self._silence_s / 2:
            self._asked_s = time.monotonic()
            self._socket.sendall(self._message("OPTIONS", self._address.url, {}, b""))
        self._socket.setblocking(False)
        try:
            while self._socket.recv(_LARGEST_ANSWER):
                self._heard_s = time.monotonic()
        except (BlockingIOError, ssl.SSLWantReadError):
            if self._heard_s is not None and time.monotonic() - self._heard_s > self._silence_s:
                raise TimeoutError(f"sent nothing for {self._silence_s:g} s") from None
            return
        finally:
            self._socket.settimeout(self._timeout_s)
        raise ConnectionResetError("the server has closed the connection")

    def _connect(self) -> socket.socket:
        connection = socket.create_connection((self._address.host, self._address.port), timeout=self._timeout_s)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)
            if self._address.scheme == "rtsps":
                context = ssl.create_default_context()
                return context.wrap_socket(connection, server_hostname=self._address.host)
        except OSError:
            connection.close()
            raise
        return connection

    def _ask(self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"") -> Mapping[str, str]:
        """Send a request and wait for its answer; once more with credentials where they are asked for."""
        status, said, answer = self._exchange(method, url, headers, body)
        if status == 401 and self._address.user is not None:
            self._challenge = _challenge(answer.get("www-authenticate", ""))
            status, said, answer = self._exchange(method, url, headers, body)
        if status == 401:
            raise RtspError("user or password is missing or wrong (401)", refused=True)
        if status != 200:
            raise RtspError(f"the server refused the stream ({status} {said})", refused=400 <= status < 500)
        return answer

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> tuple[int, str, Mapping[str, str]]:
        self._socket.sendall(self._message(method, url, headers, body))
        try:
            return self._answer()
        except TimeoutError as error:
            raise TimeoutError(f"no answer to {method} within {self._timeout_s:g} s") from error

    def _message(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> bytes:
        self._sequence += 1
        lines = {"CSeq": str(self._sequence), "User-Agent": "streamdet", **headers}
        if self._session is not None:
            lines["Session"] = self._session
        if self._challenge is not None:
            lines["Authorization"] = self._authorization(self._challenge, method, url)
        if body:
            lines["Content-Length"] = str(len(body))
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        return f"{method} {url} RTSP/1.0\r\n{head}\r\n".encode() + body

    def _authorization(self, challenge: Mapping[str, str], method: str, url: str) -> str:
        """Source: RFC 7617 (basic); RFC 7616, 3.4 (digest)."""
        user, password = self._address.user or "", self._address.password or ""
        if "nonce" not in challenge:
            return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        algorithm = challenge.get("algorithm", "MD5").upper()
        if algorithm not in _HASHES:
            raise RtspError(f"asks for an unsupported digest ({algorithm})", refused=True)

        def digest(*parts: str) -> str:
            return _HASHES[algorithm](":".join(parts).encode()).hexdigest()

        realm, nonce = challenge.get("realm", ""), challenge["nonce"]
        fields = {"username": user, "realm": realm, "nonce": nonce, "uri": url}
        ends = digest(user, realm, password), digest(method, url)
        quality: tuple[str, ...] = ()
        if "auth" in challenge.get("qop", "").split(","):
            quality = ("00000001", secrets.token_hex(8), "auth")
        response = digest(ends[0], nonce, *quality, ends[1])
        text = ", ".join(f'{name}="{value}"' for name, value in (fields | {"response": response}).items())
        if quality:
            text += f', nc={quality[0]}, cnonce="{quality[1]}", qop=auth'
        if "opaque" in challenge:
            text += f', opaque="{challenge["opaque"]}"'
        return f"Digest {text}, algorithm={algorithm}"

    def _answer(self) -> tuple[int, str, dict[str, str]]:
        """Status, its words and the headers, their names in small letters."""
        head = self._until(b"\r\n\r\n").decode("utf-8", "replace")
        first, *lines = head.split("\r\n")
        status = re.match(r"RTSP/\d\.\d (\d{3}) ?(.*)", first)
        if status is None:
            raise RtspError("does not speak RTSP")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            # Of several challenges digest is the better one.
            if name.strip().lower() not in headers or value.strip().lower().startswith("digest"):
                headers[name.strip().lower()] = value.strip()
        body = headers.get("content-length", "0")
        self._take(int(body) if body.isdigit() else 0)
        return int(status[1]), status[2].strip(), headers

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._answers:
            self._read()
        head, _, self._answers = self._answers.partition(mark)
        return head

    def _take(self, count: int) -> None:
        while len(self._answers) < count:
            self._read()
        self._answers = self._answers[count:]

    def _read(self) -> None:
        data = self._socket.recv(4096)
        if not data:
            raise ConnectionResetError("the server has closed the connection")
        self._answers += data
        if len(self._answers) > _LARGEST_ANSWER:
            raise RtspError("does not speak RTSP")


def _framed(channel: int, packet: bytes) -> bytes:
    """Source: RFC 2326, 10.12."""
    return b"$" + bytes((channel,)) + len(packet).to_bytes(2, "big") + packet


def _challenge(header: str) -> dict[str, str]:
    """What the server wants to know: the fields of WWW-Authenticate."""
    fields = re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', header)
    return {name.lower(): quoted or plain for name, quoted, plain in fields}
