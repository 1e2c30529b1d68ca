"""Streams behind udp:// and srt://, with real senders."""

import shutil
import socket
import subprocess
import sys
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from live_watcher import QUICK, Watcher

from streamdet.media.live.options import LiveOptions

KEYFRAME_EVERY = 25


def send(url, over, pause):
    """Send MPEG-TS until `over` is set, but nothing while `pause` is."""
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)  # makes a keyframe large
    options = {"g": str(KEYFRAME_EVERY), "tune": "zerolatency", "preset": "ultrafast", "crf": "18"}
    with av.open(url, "w", format="mpegts") as container:
        stream = container.add_stream("libx264", rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        began_s = time.monotonic()
        for number in range(100_000):
            if over.wait(max(0.0, began_s + number / 25 - time.monotonic())):
                return
            frame = av.VideoFrame.from_ndarray(np.roll(noise, number, axis=1), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            packets = stream.encode(frame)
            if not pause.is_set():
                container.mux(packets)


@pytest.fixture
def sender():
    """A sender to a free port; (address, the event that pauses it)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    over, pause = threading.Event(), threading.Event()
    url = f"udp://127.0.0.1:{port}"
    thread = threading.Thread(target=send, args=(f"{url}?pkt_size=1316", over, pause))
    thread.start()
    yield url, pause
    over.set()
    thread.join()


def test_stream_over_udp_is_read_and_read_again_after_a_pause(sender):
    url, pause = sender
    with Watcher(url, LiveOptions(timeout_s=5, stale_after_s=60, **QUICK)) as watcher:
        watcher.wait_for_frames(2 * KEYFRAME_EVERY)  # more than one keyframe has come whole
        pause.set()
        watcher.wait_until(lambda: watcher.source.problem)
        pause.clear()
        before = len(watcher.frames)
        watcher.wait_until(lambda: len(watcher.frames) >= before + 10)
    assert (watcher.frames[0].width, watcher.frames[0].height) == (640, 480)
    assert "reconnected" in {gap.reason for gap in watcher.gaps}


def _ffmpeg_knows_srt():
    program = shutil.which("ffmpeg")
    known = subprocess.run([program, "-protocols"], capture_output=True, text=True, check=False) if program else None
    return known is not None and "srt" in known.stdout.split()


def _pyav_knows_srt():
    try:
        av.open("srt://127.0.0.1:1", timeout=0.1)
    except av.error.ProtocolNotFoundError:
        return False
    except (av.FFmpegError, ValueError):
        pass
    return True


@pytest.mark.skipif(_pyav_knows_srt(), reason="this build of FFmpeg receives srt itself")
def test_srt_is_not_tried_again_where_ffmpeg_does_not_know_it():
    with Watcher("srt://127.0.0.1:1", LiveOptions(**QUICK)) as watcher:
        watcher.wait_for_end()
    said = str(watcher.failure)
    assert said.startswith(
        "srt://127.0.0.1:1: this build of FFmpeg does not receive srt; let another one do it: ffmpeg"
    )


@pytest.mark.skipif(not _ffmpeg_knows_srt(), reason="needs an ffmpeg program with srt")
def test_srt_by_way_of_a_pipe(tmp_path, make_clip):
    """What the message says: the program ffmpeg receives it, and its output is standard input."""
    clip = make_clip("clip.ts", 50)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        url = f"srt://127.0.0.1:{free.getsockname()[1]}"
    quiet = ["ffmpeg", "-v", "quiet", "-nostdin"]
    sending = subprocess.Popen([*quiet, "-re", "-i", clip, "-c", "copy", "-f", "mpegts", f"{url}?mode=listener"])
    time.sleep(1)
    code = "import streamdet.media.read.source as s; print(len(list(s.open_source('-'))))"
    receiving = subprocess.Popen(
        [*quiet, "-i", url, "-c", "copy", "-f", "mpegts", "-"], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
    )
    try:
        read = subprocess.run([sys.executable, "-c", code], stdin=receiving.stdout, capture_output=True, check=True)
    finally:
        for process in (sending, receiving):
            process.kill()
            process.communicate()
    assert int(read.stdout) > 25
