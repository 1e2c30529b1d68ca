"""Streams behind rtmp://, with a real server and a publisher."""

import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from live_watcher import QUICK, Watcher
from rtmp_server import RtmpServer, require_rtmp_server
from rtsp_server import now_ms

from streamdet.media.live.options import LiveOptions


@pytest.fixture
def server(tmp_path):
    require_rtmp_server()
    with RtmpServer(tmp_path) as running:
        yield running


def clock_picture():
    """The wall clock as blocks, as rtsp_server.Live shows it."""
    image = np.full((192, 320, 3), 90, np.uint8)
    clock = now_ms(time.time())
    for bit in range(32):
        image[:32, bit * 10 : bit * 10 + 10] = 255 * (clock >> (31 - bit) & 1)
    return image


def publish(url, over):
    """Publish, and again when the server has gone, until `over` is set."""
    while not over.wait(0.1):
        try:
            with av.open(url, "w", format="flv") as container:
                stream = container.add_stream("libx264", rate=25, options={"g": "25", "tune": "zerolatency"})
                stream.width, stream.height, stream.pix_fmt = 320, 192, "yuv420p"
                began_s = time.monotonic()
                for number in range(3000):
                    if over.wait(max(0.0, began_s + number / 25 - time.monotonic())):
                        break
                    frame = av.VideoFrame.from_ndarray(clock_picture(), format="rgb24")
                    frame.pts, frame.time_base = number, Fraction(1, 25)
                    container.mux(stream.encode(frame))
        except (av.FFmpegError, ValueError):
            continue


@pytest.fixture
def on_air(server):
    over = threading.Event()
    thread = threading.Thread(target=publish, args=(server.url, over))
    thread.start()
    yield server
    over.set()
    thread.join()


def test_stream_is_read_and_read_again_after_its_server_was_killed(on_air):
    with Watcher(on_air.url, LiveOptions(timeout_s=10, **QUICK)) as watcher:
        watcher.wait_for_frames(10, session=0)
        on_air.kill9()
        on_air.start()
        watcher.wait_for_frames(10, session=1)
    assert ("reconnected", 1) in {(gap.reason, gap.session) for gap in watcher.gaps}
    assert {gap.session for gap in watcher.gaps} == {1}
    assert all(0 <= seen.age_ms < 60_000 for seen in watcher.frames)
