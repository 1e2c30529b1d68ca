"""What the client says and how it takes answers, against a server of a few lines; real ones are in integration."""

import hashlib
import re
import socket
import threading
from contextlib import contextmanager

import pytest

from streamdet.media.write.rtsp_client import Address, RtspError, RtspSession

SETS = [b"\x67\x42\xc0\x1e\x01", b"\x68\xce\x3c"]


@contextmanager
def server(*answers):
    """Takes one connection and gives one answer a request; what it was asked is in the list."""
    asked = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                for answer in answers:
                    asked.append(connection.recv(65536).decode())
                    connection.sendall(answer.encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}", asked
        finally:
            thread.join()


def said(status, *headers):
    return f"RTSP/1.0 {status}\r\n" + "".join(f"{header}\r\n" for header in headers) + "\r\n"


def test_an_address_is_taken_apart():
    address = Address.of("RTSP://me:p%40ss@[::1]:8554/a/b?c=d")
    assert address == Address("rtsp", "::1", 8554, "rtsp://[::1]:8554/a/b?c=d", "me", "p@ss")
    assert Address.of("rtsps://host/x").port == 322


@pytest.mark.parametrize("url", ["rtsp://", "rtsp://host:port/x", "rtsp:///x"])
def test_an_address_that_is_none_fails(url):
    with pytest.raises(ValueError, match=r"."):
        Address.of(url)


def test_the_session_of_the_server_is_kept():
    ok = said("200 OK", "Session: 1234;timeout=60")
    with server(ok, ok, ok) as (host, asked), RtspSession(Address.of(f"rtsp://{host}/x")) as session:
        session.announce(SETS)
    assert [text.partition("\r\n")[0] for text in asked] == [
        f"ANNOUNCE rtsp://{host}/x RTSP/1.0",
        f"SETUP rtsp://{host}/x/streamid=0 RTSP/1.0",
        f"RECORD rtsp://{host}/x RTSP/1.0",
    ]
    assert "Session: 1234\r\n" in asked[2]


@pytest.mark.parametrize(
    ("algorithm", "function"),
    [("", hashlib.md5), (", algorithm=MD5", hashlib.md5), (", algorithm=SHA-256", hashlib.sha256)],
)
def test_digests_are_those_of_the_standard(algorithm, function):
    no = said(
        "401 Unauthorized",
        'WWW-Authenticate: Basic realm="r"',
        f'WWW-Authenticate: Digest realm="r", nonce="n0", qop="auth,auth-int", opaque="o"{algorithm}',
    )
    ok = said("200 OK", "Content-Length: 2") + "hi"
    with server(no, ok, ok, ok) as (host, asked), RtspSession(Address.of(f"rtsp://me:secret@{host}/x")) as session:
        session.announce(SETS)
    assert "Authorization" not in asked[0]
    assert "secret" not in "".join(asked)
    for text in asked[1:]:
        method, url = text.split()[:2]
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', text.partition("Authorization: Digest")[2].partition("\r\n")[0]))

        def digest(*parts):
            return function(":".join(parts).encode()).hexdigest()

        ends = digest("me", "r", "secret"), digest(method, url)
        assert given["response"] == digest(ends[0], "n0", given["nc"], given["cnonce"], "auth", ends[1])
        assert (given["uri"], given["opaque"]) == (url, "o")


@pytest.mark.parametrize(
    ("answer", "problem", "refused"),
    [
        (said("404 Not Found"), r"refused the stream \(404 Not Found\)", True),
        (said("503 Busy"), r"\(503 Busy\)", False),
        (said("401 Unauthorized"), r"user or password is missing or wrong", True),
        ("HTTP/1.1 200 OK\r\n\r\n", "does not speak RTSP", False),
        ("x" * 70_000, "does not speak RTSP", False),
    ],
)
def test_an_answer_that_is_a_no(answer, problem, refused):
    with server(answer) as (host, _), RtspSession(Address.of(f"rtsp://{host}/x")) as session:
        with pytest.raises(RtspError, match=problem) as caught:
            session.announce(SETS)
        assert caught.value.refused == refused


def test_a_server_that_hangs_up():
    with (
        server("") as (host, _),
        RtspSession(Address.of(f"rtsp://{host}/x")) as session,
        pytest.raises(OSError, match=r"closed the connection|reset"),
    ):
        session.announce(SETS)
