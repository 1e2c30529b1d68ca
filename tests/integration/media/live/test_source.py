"""A camera that works: what is read from it, and when."""

import threading
import time
from datetime import UTC, datetime
from fractions import Fraction
from itertools import pairwise

import pytest
from live_watcher import Watcher
from rtsp_faults import ChaosProxy
from rtsp_server import Live, now_ms

from streamdet.errors import SourceTimeout
from streamdet.media.live.connection import Connection
from streamdet.media.live.options import LiveOptions
from streamdet.media.live.source import LiveSource
from streamdet.media.locations import expand_sources
from streamdet.media.read.source import open_source
from streamdet.media.timeline import Part

EVERY_FRAME = LiveOptions(freshest=False)


@pytest.fixture(scope="module")
def camera(rtsp_servers):
    """A server with one camera of 25 frames a second, which wants a password."""
    return rtsp_servers({"/live": Live()}, user="cam", password="s3cr@t/:?x")


def test_frames_come_with_their_times(camera):
    with open_source(camera.url("/live"), live=EVERY_FRAME, max_frames=30) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.session for frame in frames] == [0] * 30
    assert frames[0].pts == 0
    # RTSP gives no pts for the first frame: it is placed by its arrival. A busy server leaves frames out.
    assert all((b.pts - a.pts) * b.time_base % Fraction(1, 25) == 0 for a, b in pairwise(frames[1:]))
    assert all(abs(frame.wall_time - datetime.now(UTC)).total_seconds() < 60 for frame in frames)
    assert all(0 <= time.monotonic() - frame.captured_s < 60 for frame in frames)


def test_what_is_known_of_a_camera_is_known_from_its_first_frame_on(camera):
    with open_source(camera.url("/live")) as source:
        with pytest.raises(ValueError, match="no properties before its first frame"):
            _ = source.info
        frame = next(iter(source))
        assert (source.info.width, source.info.height) == (320, 192)
        assert frame.image.shape == (192, 320, 3)
        assert source.info.live
        assert source.info.average_rate == 25
        assert source.info.location == f"rtsp://127.0.0.1:{camera.port}/live"
        assert isinstance(source, LiveSource)
        assert source.problem is None


def test_wall_time_is_when_the_picture_was_taken(camera):
    with Watcher(camera.url("/live"), EVERY_FRAME) as watcher:
        watcher.wait_for_frames(50)
    errors_ms = [abs(now_ms(seen.frame.wall_time.timestamp()) - seen.clock_ms) for seen in watcher.frames[25:]]
    assert sorted(errors_ms)[len(errors_ms) // 2] < 500


def test_slow_consumer_sees_the_present_and_drops_are_counted(camera):
    with Watcher(camera.url("/live"), pause_s=0.25) as watcher:
        watcher.wait_for_frames(20)
        dropped = sum(watcher.source.dropped.values())
    frames = watcher.frames
    # Read in order, the twentieth frame would be 4 s old.
    assert sorted(seen.age_ms for seen in frames[5:])[len(frames[5:]) // 2] < 2000
    for before, after in pairwise(frames):
        assert after.index == before.index + after.dropped_before + 1
    assert frames[-1].index > 3 * len(frames)
    assert 0 < sum(seen.dropped_before for seen in frames) <= dropped


def test_every_frame_loses_none_however_slow_the_consumer(camera):
    with Watcher(camera.url("/live"), EVERY_FRAME, pause_s=0.1) as watcher:
        watcher.wait_for_frames(25)
    assert [seen.index for seen in watcher.frames] == list(range(len(watcher.frames)))
    assert watcher.source.dropped == {}


def test_frames_that_were_held_up_on_the_way_are_not_shown(camera):
    with ChaosProxy(camera.port) as proxy:
        url = camera.url("/live").replace(str(camera.port), str(proxy.port))
        with Watcher(url, LiveOptions(timeout_s=30, stale_after_s=30)) as watcher:
            watcher.wait_for_frames(25)
            held_ms = now_ms(time.time())
            proxy.flowing.clear()
            time.sleep(2)  # of a longer backlog, a busy machine may take the end for the present
            proxy.flowing.set()
            watcher.wait_for_frames(10)
            dropped = watcher.source.dropped
    assert not [seen for seen in watcher.frames if seen.clock_ms > held_ms and seen.age_ms > 1500]
    # A server whose buffers fill up meanwhile may give its client up, and sends nothing of what it held.
    assert dropped["stale"] > 0 or [gap.reason for gap in watcher.gaps] == ["reconnected"]


def test_part_of_a_live_source_counts_from_its_first_frame(camera):
    options = {"live": EVERY_FRAME, "start_s": 0.2, "end_s": 0.8, "stride": 5}
    with open_source(camera.url("/live"), **options) as source:
        frames = list(source)
    assert frames
    assert all(frame.index % 5 == 0 for frame in frames)
    assert all(0.2 <= frame.pts_s < 0.8 for frame in frames)


def test_part_ends_although_the_camera_is_dead(camera):
    with Watcher(camera.url("/live"), LiveOptions(timeout_s=1), Part(end_s=2)) as watcher:
        watcher.wait_for_frames(5)
        camera.sigstop()
        try:
            watcher.wait_for_end()
        finally:
            camera.sigcont()
    assert watcher.failure is None


def test_camera_that_never_comes_fails_at_the_end_of_the_part():
    [spec] = expand_sources(["rtsp://cam:s3cret@127.0.0.1:1/live"])
    with (
        LiveSource(spec, LiveOptions(timeout_s=0.5), Part(end_s=0.5)) as source,
        pytest.raises(SourceTimeout) as caught,
    ):
        next(iter(source))
    assert str(caught.value).startswith("rtsp://127.0.0.1:1/live: gave no frame within 1.0 s: ")


@pytest.mark.parametrize("codec", ["h265", "mjpeg"])
def test_other_codecs_of_cameras(rtsp_server, codec):
    server = rtsp_server({"/live": Live(codec=codec)})
    with Watcher(server.url("/live")) as watcher:
        watcher.wait_for_frames(10)
    assert all(0 <= seen.age_ms < 60_000 for seen in watcher.frames)


def test_udp(camera):
    with Watcher(camera.url("/live"), LiveOptions(transport="udp")) as watcher:
        watcher.wait_for_frames(10)
    assert watcher.gaps == []


def test_closing_from_another_thread_ends_the_iteration(camera):
    source = open_source(camera.url("/live"))
    frames = iter(source)
    next(frames)
    closing = threading.Timer(0.3, source.close)
    closing.start()
    assert len(list(frames)) >= 0
    closing.join()
    assert list(source) == []


def test_decoding_that_is_too_slow_skips_to_a_keyframe(rtsp_server, monkeypatch):
    decode = Connection.decode

    def slow(connection, packet):
        time.sleep(0.1)
        return decode(connection, packet)

    monkeypatch.setattr(Connection, "decode", slow)
    server = rtsp_server({"/live": Live(keyframe_every=10)})
    with Watcher(server.url("/live")) as watcher:
        watcher.wait_until(lambda: watcher.frames and watcher.frames[-1].pts_s > 5)
    # Decoded in order, the fifth second would be seen 7.5 s late.
    assert sorted(seen.age_ms for seen in watcher.frames[-10:])[5] < 5000
    assert watcher.source.dropped["late"] > 20
