"""Sources behind a URL."""

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamdet.errors import DecodeError, SourceOpenError, SourceTimeout
from streamdet.media import container
from streamdet.media.live.options import LiveOptions
from streamdet.media.read.source import open_source


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


class Stalling(Silent):
    """Sends half of a file and then nothing, until `over` is set; then it hangs up."""

    def __init__(self, over, *args, **options):
        self.over = over
        super().__init__(*args, **options)

    def do_GET(self):
        with self.send_head() as file:
            content = file.read()
        self.wfile.write(content[: len(content) // 2])
        self.over.wait(30)


@contextmanager
def serving(handler):
    """Serve HTTP from a thread; gives the address."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def server(tmp_path):
    """Serves the test's folder."""
    with serving(partial(Silent, directory=tmp_path)) as address:
        yield address


def test_a_file_behind_http_is_read_like_a_file(make_clip, server, read_number):
    make_clip("clip.mp4", 50)
    with open_source(f"http://user:secret@{server}/clip.mp4?token=abc") as source:
        assert [read_number(frame.image) for frame in source] == list(range(50))
    assert source.name == "clip"
    assert source.info.location == f"http://{server}/clip.mp4?token=***"
    assert not source.info.live
    assert source.info.path is None


@pytest.mark.parametrize(
    ("hangs_up", "error", "says"),
    [(False, SourceTimeout, "stopped sending data"), (True, DecodeError, "reading stopped")],
)
def test_server_that_fails_in_the_middle_fails_after_what_it_sent(
    make_clip, tmp_path, monkeypatch, read_number, hangs_up, error, says
):
    monkeypatch.setattr(container, "READ_TIMEOUT_S", 0.3)
    make_clip("clip.mkv", 100, options={"g": "12", "bf": "0"})
    numbers, over = [], threading.Event()
    if hangs_up:
        over.set()
    with serving(partial(Stalling, over, directory=tmp_path)) as address:
        source = open_source(f"http://user:secret@{address}/clip.mkv")
        with source, pytest.raises(error, match=says) as caught:
            numbers.extend(read_number(frame.image) for frame in source)
        over.set()
    assert len(numbers) > 20
    assert numbers == list(range(len(numbers)))
    assert "secret" not in str(caught.value)


def test_file_that_is_not_there_fails_without_showing_the_password(server):
    with pytest.raises(SourceOpenError, match="cannot be opened") as caught:
        open_source(f"http://user:secret@{server}/missing.mp4")
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_local_camera_that_is_not_there_fails_at_once():
    with (
        open_source("97", live=LiveOptions(timeout_s=0.5)) as source,
        pytest.raises(SourceOpenError, match="camera 97: cannot be opened"),
    ):
        next(iter(source))


def test_live_source_that_is_not_there_is_waited_for_until_its_part_is_over():
    with (
        open_source("rtsp://user:secret@127.0.0.1:1/live", end_s=0.5, live=LiveOptions(timeout_s=0.5)) as source,
        pytest.raises(SourceTimeout, match="gave no frame within") as caught,
    ):
        next(iter(source))
    assert "Connection refused" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)
