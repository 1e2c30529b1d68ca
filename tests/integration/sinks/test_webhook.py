"""Detections to web servers that work, are slow, refuse, hang up and come back."""

import base64
import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from server_process import free_port
from waiting import wait_until

from streamdet.errors import SinkError
from streamdet.media.write.delivery import Delivery
from streamdet.sinks import events as events_module
from streamdet.sinks.events import EventSender
from streamdet.sinks.webhook import WebhookTransport


class Hook(ThreadingHTTPServer):
    """Takes what is posted; `answer` decides the status."""

    def __init__(self, port):
        self.posts, self.lines, self.answer, self.hang_up = [], [], lambda: 204, False
        super().__init__(("127.0.0.1", port), Handler)

    def handle_error(self, request, client_address):
        """A client that has gone is no news."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Hook

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.server.answer()
        self.server.posts.append((self.path, dict(self.headers), status))
        if status < 300:
            self.server.lines += [json.loads(line) for line in body.splitlines()]
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if self.server.hang_up:
            self.close_connection = True

    def log_message(self, *_):
        """Not on standard error."""


@contextmanager
def serving(port=None):
    with Hook(port or free_port()) as hook:
        thread = threading.Thread(target=hook.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield hook
        finally:
            hook.shutdown()
            thread.join()


@pytest.fixture
def delivery():
    return Delivery("http://server", "lines")


def sender(hook, delivery, who=""):
    return EventSender(WebhookTransport(f"http://{who}127.0.0.1:{hook.server_port}/hook?a=b"), delivery)


def line(number):
    return json.dumps(number).encode() + b"\n"


def test_every_line_arrives_once_and_in_order(delivery):
    with serving() as hook:
        events = sender(hook, delivery, "me:p%40ss@")
        for number in range(1000):
            events.append(line(number))
        wait_until(lambda: delivery.sent == 1000)
        events.close()
    assert hook.lines == list(range(1000))
    assert len(hook.posts) < 1000  # those that wait go together
    path, headers, _ = hook.posts[0]
    assert (path, headers["Content-Type"]) == ("/hook?a=b", "application/x-ndjson")
    assert headers["Authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()
    assert (delivery.sent, delivery.dropped, delivery.failures) == (1000, {}, 0)


def test_a_server_that_hangs_up_in_between_is_no_failure(delivery):
    with serving() as hook:
        hook.hang_up = True
        events = sender(hook, delivery)
        for number in range(5):
            events.append(line(number))
            wait_until(lambda: delivery.sent > number)  # noqa: B023 (it is waited for here)
            time.sleep(0.05)
        events.close()
    assert hook.lines == list(range(5))
    assert delivery.failures == 0


def test_a_server_that_is_busy_is_asked_again(delivery):
    statuses = iter([503, 429, 500])
    with serving() as hook:
        hook.answer = lambda: next(statuses, 200)
        events = sender(hook, delivery)
        events.append(line(0))
        wait_until(lambda: delivery.sent == 1)
        events.close()
    assert (hook.lines, delivery.failures, delivery.failing) == ([0], 3, None)


def test_a_server_that_comes_back_gets_what_it_missed(delivery):
    with serving() as hook:
        port, hook.hang_up = hook.server_port, True
        events = sender(hook, delivery)
        events.append(line(0))
        wait_until(lambda: delivery.sent == 1)
    for number in range(1, 50):
        events.append(line(number))
    wait_until(lambda: delivery.failing)
    with serving(port) as hook:
        wait_until(lambda: delivery.sent == 50)
        events.close()
    assert hook.lines == list(range(1, 50))


def test_lines_that_the_server_does_not_want_are_dropped(delivery):
    statuses = iter([422])
    with serving() as hook:
        hook.answer = lambda: next(statuses, 200)
        events = sender(hook, delivery)
        events.append(line(0))
        wait_until(lambda: delivery.dropped)
        events.append(line(1))
        wait_until(lambda: delivery.sent == 1)
        with pytest.raises(SinkError, match="1 lines were not delivered"):
            events.close()
    assert hook.lines == [1]
    assert delivery.dropped == {"undelivered": 1}


def test_the_queue_has_a_bound_and_the_oldest_go(delivery, monkeypatch):
    monkeypatch.setattr(events_module, "_MOST_LINES", 100)
    with serving() as hook:
        hook.answer = lambda: 503
        events = sender(hook, delivery)
        events.append(line(0))
        wait_until(lambda: delivery.failures)
        for number in range(1, 301):
            events.append(line(number))
        assert delivery.dropped == {"overflow": 200}
        hook.answer = lambda: 200
        wait_until(lambda: delivery.sent == 101)
        with pytest.raises(SinkError, match="200 lines were not delivered"):
            events.close()
    assert hook.lines == [0, *range(201, 301)]


def test_a_mute_server_holds_nobody_up(delivery):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://me:s3cret@127.0.0.1:{listener.getsockname()[1]}/hook?token=s3cret"
        events = EventSender(WebhookTransport(url, timeout_s=0.3), delivery, close_timeout_s=0.2)
        for number in range(1000):
            events.append(line(number))
        with pytest.raises(SinkError, match="lines were not delivered") as caught:
            events.close()
    assert "s3cret" not in str(caught.value)


def test_a_refusal_is_not_repeated_at_once(delivery):
    with serving() as hook:
        hook.answer = lambda: 401
        events = sender(hook, delivery)
        events.append(line(0))
        wait_until(lambda: delivery.failing)
        events.append(line(1))
        time.sleep(0.3)
        with pytest.raises(SinkError, match="answers 401 Unauthorized; 2 lines were not delivered"):
            events.close()
    assert len(hook.posts) <= 2  # the second one at the end
