"""Sources behind a URL."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from streamdet.errors import SourceOpenError
from streamdet.media.source import open_source


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path):
    """Serves the test's folder; gives the address."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=tmp_path))
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


def test_a_file_behind_http_is_read_like_a_file(make_clip, server, read_number):
    make_clip("clip.mp4", 50)
    with open_source(f"http://user:secret@{server}/clip.mp4?token=abc") as source:
        assert [read_number(frame.image) for frame in source] == list(range(50))
    assert source.name == "clip"
    assert source.info.location == f"http://{server}/clip.mp4?token=***"
    assert not source.info.live
    assert source.info.path is None


@pytest.mark.parametrize("url", ["http://user:secret@{}/missing.mp4", "rtsp://user:secret@127.0.0.1:1/live"])
def test_what_is_not_there_fails_without_showing_the_password(server, url):
    with pytest.raises(SourceOpenError, match="cannot be opened") as caught:
        open_source(url.format(server))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_camera_that_is_not_there_fails():
    with pytest.raises(SourceOpenError, match="camera 97: cannot be opened"):
        open_source("97")
