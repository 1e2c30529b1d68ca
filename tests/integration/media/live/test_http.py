"""What is live behind http:// and what is a file; and recordings behind rtsp://."""

import shutil
import threading
import time
from fractions import Fraction
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import av
import cv2
import pytest
from live_watcher import QUICK, Watcher
from rtsp_server import Recording

from streamdet.frames import StreamGap
from streamdet.media.live.kind import is_live
from streamdet.media.live.options import LiveOptions
from streamdet.media.live.source import LiveSource
from streamdet.media.locations import expand_sources
from streamdet.media.read.source import open_source


class Camera(SimpleHTTPRequestHandler):
    """Serves a folder, and a camera at /mjpeg: JPEG after JPEG in one answer that never ends."""

    def __init__(self, picture, *args, **options):
        self.picture = picture
        super().__init__(*args, **options)

    def log_message(self, *args):
        pass

    def do_GET(self):
        if self.path != "/mjpeg":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for number in range(1500):
            _, jpeg = cv2.imencode(".jpg", self.picture(number % 250))
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + jpeg.tobytes() + b"\r\n")
            except OSError:
                return
            time.sleep(0.08)


@pytest.fixture
def server(tmp_path, make_picture):
    """Serves the test's folder and a camera; gives the address."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), partial(Camera, make_picture, directory=tmp_path))
    httpd.daemon_threads = True
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{httpd.server_port}"
    httpd.shutdown()
    thread.join()
    httpd.server_close()


@pytest.fixture
def on_air(tmp_path, make_picture):
    """Encode numbered pictures to /live.m3u8 at their pace; sets the event once there is something to play."""
    playable, over = threading.Event(), threading.Event()

    def publish():
        options = {"hls_time": "1", "hls_list_size": "5", "hls_flags": "delete_segments+temp_file"}
        with av.open(str(tmp_path / "live.m3u8"), "w", format="hls", options=options) as container:
            stream = container.add_stream("libx264", rate=25, options={"g": "25", "tune": "zerolatency"})
            stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
            began_s = time.monotonic()
            for number in range(1500):
                if over.wait(max(0.0, began_s + number / 25 - time.monotonic())):
                    break
                frame = av.VideoFrame.from_ndarray(make_picture(number % 250), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
                if number == 80:
                    playable.set()
            container.mux(stream.encode(None))

    thread = threading.Thread(target=publish)
    thread.start()
    assert playable.wait(60)
    yield
    over.set()
    thread.join()


def spec_of(url):
    [spec] = expand_sources([url])
    return spec


def test_live_hls_comes_at_its_own_pace(server, on_air, read_number):
    spec = spec_of(f"{server}/live.m3u8")
    assert is_live(spec)
    frames = []
    with LiveSource(spec) as source:
        for frame in source:
            frames.append((read_number(frame.image), frame.pts_s, time.monotonic()))
            if len(frames) == 60:
                break
    # Segments arrive a second at a time; taken as they come, one frame of each would be left.
    steps = [after[0] - before[0] for before, after in pairwise(frames)]
    assert sorted(steps)[len(steps) // 2] == 1
    assert frames[-1][2] - frames[0][2] > 1.5


def test_hls_that_has_an_end_is_a_file(server, tmp_path, make_clip, read_number):
    make_clip("vod.m3u8", 50, format="hls", mux_options={"hls_time": "1", "hls_playlist_type": "vod"})
    assert not is_live(spec_of(f"{server}/vod.m3u8"))
    with open_source(f"{server}/vod.m3u8") as source:
        assert [read_number(frame.image) for frame in source] == list(range(50))


def test_playlist_that_is_not_there_yet_is_waited_for(server, tmp_path, make_clip):
    assert is_live(spec_of(f"{server}/later.m3u8"))
    with Watcher(f"{server}/later.m3u8", LiveOptions(**QUICK)) as watcher:
        watcher.wait_until(lambda: watcher.source.problem == "the server has no such stream (404)")
        clip = make_clip("clip.m3u8", 25, format="hls")
        shutil.copy(clip, tmp_path / "later.m3u8")
        watcher.wait_for_end()
    assert watcher.frames
    assert watcher.gaps == []


def test_mjpeg_camera(server, read_number):
    assert is_live(spec_of(f"{server}/mjpeg"))
    with open_source(f"{server}/mjpeg") as source:
        began_s, frames = time.monotonic(), []
        for frame in source:
            frames.append(frame)
            if frame.pts_s > 3:
                break
        passed_s = time.monotonic() - began_s
        assert isinstance(source, LiveSource)
        dropped = source.dropped
    # It carries no times: FFmpeg's say 25 frames a second, of which all would soon seem to be late.
    assert passed_s > 2.5
    assert "stale" not in dropped
    numbers = [read_number(frame.image) for frame in frames]
    assert numbers == sorted(numbers)
    assert source.info.live


@pytest.mark.parametrize("name", ["missing.mp4", "missing", "page.html"])
def test_what_cannot_be_live_is_not(server, tmp_path, name):
    (tmp_path / "page.html").write_text("<html>no video</html>")
    assert not is_live(spec_of(f"{server}/{name}"))


def test_recording_that_a_server_plays_ends(rtsp_server, make_clip, read_number):
    server = rtsp_server({"/recording": Recording(make_clip("clip.mp4", 50, options={"g": "25", "bf": "0"}))})
    with open_source(server.url("/recording"), live=LiveOptions(freshest=False)) as source:
        items = list(source)
    numbers = [read_number(frame.image) for frame in items if not isinstance(frame, StreamGap)]
    assert numbers[-1] == 49
    assert numbers == list(range(numbers[0], 50))
    assert len(items) == len(numbers)
