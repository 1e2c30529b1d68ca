"""What happens to cameras, each with a real server: after all of it the right sessions, and frames again."""

import logging
import os
import socket
import threading
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from live_watcher import PATIENCE_S, QUICK, Watcher
from rtsp_faults import ChaosProxy, MuteServer
from rtsp_server import Files, Live

from streamdet.media.live import reader, source
from streamdet.media.live.options import LiveOptions

# Tried again at once, but not taken for lost where a busy machine only hesitates.
FAST = LiveOptions(stale_after_s=30, timeout_s=15, **QUICK)
SECRET = "s3cr3t-Pa55"


@pytest.fixture(autouse=True)
def nothing_secret_is_said(caplog, capfd):
    """Whatever happens, no password is in a log or on a terminal."""
    caplog.set_level(logging.DEBUG)
    yield
    out, err = capfd.readouterr()
    assert SECRET not in caplog.text + out + err


@pytest.fixture
def proxy():
    """Put a ChaosProxy before a server; gives it and the address of a mount behind it."""
    with ExitStack() as stack:

        def start(server, path="/live", **chaos):
            chaos_proxy = stack.enter_context(ChaosProxy(server.port, **chaos))
            return chaos_proxy, f"rtsp://cam:{SECRET}@127.0.0.1:{chaos_proxy.port}{path}"

        yield start


def pts_grow(watcher):
    return all(before.pts_s < after.pts_s for before, after in pairwise(watcher.frames))


def clocks_agree(frames, tolerance_s=0.2):
    """Whether the clock in the pictures runs as the pts do: what a damaged picture shows is another time."""
    offsets = sorted(seen.clock_ms / 1000 - seen.pts_s for seen in frames)
    middle = offsets[len(offsets) // 2]
    return all(abs(offset - middle) < tolerance_s for offset in offsets)


def open_files():
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("times", [3, pytest.param(20, marks=pytest.mark.soak)])
def test_server_killed_and_started_again(rtsp_server, times):
    server, other = rtsp_server({"/live": Live()}), rtsp_server({"/live": Live()})
    with Watcher(other.url("/live"), FAST) as undisturbed, Watcher(server.url("/live"), FAST) as watcher:
        undisturbed.wait_for_frames()
        watcher.wait_for_frames(3, session=0)
        before = open_files(), threading.active_count()
        for session in range(1, times + 1):
            server.restart()
            watcher.wait_for_frames(3, session=session)
        assert open_files() <= before[0] + 2
        assert threading.active_count() <= before[1]
    assert [(gap.session, gap.reason) for gap in watcher.gaps] == [(n, "reconnected") for n in range(1, times + 1)]
    assert all(gap.lost_s > 0 for gap in watcher.gaps)
    assert pts_grow(watcher)
    assert clocks_agree(watcher.frames, tolerance_s=5)
    assert undisturbed.gaps == []
    assert undisturbed.source.session == 0


def test_server_frozen_for_longer_than_the_timeout(rtsp_server):
    server = rtsp_server({"/live": Live()})
    with Watcher(server.url("/live"), LiveOptions(stale_after_s=4, timeout_s=8, **QUICK)) as watcher:
        watcher.wait_for_frames(10)
        server.sigstop()
        watcher.wait_until(lambda: watcher.gaps)  # the source is stale a moment before the gap is seen
        assert [(gap.reason, gap.session, gap.lost_s) for gap in watcher.gaps] == [("stale", 1, None)]
        watcher.wait_until(lambda: "no video within 8 s" in (watcher.source.problem or ""))
        assert watcher.source.stale
        server.sigcont()
        watcher.wait_for_frames(10, session=1)
        watcher.wait_until(lambda: not watcher.source.stale)
    _, back = watcher.gaps
    assert (back.reason, back.session) == ("reconnected", 1)
    assert back.lost_s > 1
    assert pts_grow(watcher)


def test_server_that_only_hesitates_keeps_its_connection(rtsp_server):
    """Whenever it wakes up: a read that is interrupted just then would lose half a packet, and the connection."""
    server = rtsp_server({"/live": Live()})
    with Watcher(server.url("/live"), LiveOptions(stale_after_s=1.96, timeout_s=60)) as watcher:
        watcher.wait_for_frames(10)
        for number in range(6):
            server.sigstop()
            watcher.wait_until(lambda: watcher.source.stale)
            time.sleep(0.01 * number)
            server.sigcont()
            watcher.wait_for_frames(10, session=number + 1)
    expected = [(reason, session) for session in range(1, 7) for reason in ("stale", "resumed")]
    assert [(gap.reason, gap.session) for gap in watcher.gaps] == expected


def test_wrong_then_right_credentials(rtsp_server, caplog):
    server = rtsp_server({"/live": Live()}, user="cam", password="other")
    url = f"rtsp://cam:{SECRET}@127.0.0.1:{server.port}/live"
    with Watcher(url, FAST) as watcher:
        watcher.wait_until(lambda: watcher.source.problem)
        assert watcher.source.problem == "refused: the user name or password is wrong or missing"
        time.sleep(0.5)  # it is refused more than once
        server.password = SECRET
        server.restart()
        watcher.wait_for_frames(5)
        assert watcher.source.problem is None
    assert (watcher.gaps, watcher.source.session) == ([], 0)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum("refused:" in warning for warning in warnings) == 1


def test_refused_credentials_are_not_tried_again_and_again(rtsp_server, proxy):
    server = rtsp_server({"/live": Live()}, user="cam", password="other", basic=True)
    chaos, url = proxy(server)
    with Watcher(url, LiveOptions(**QUICK | {"refused_retry_s": 60})) as watcher:
        watcher.wait_until(lambda: watcher.source.problem)
        time.sleep(0.5)  # other failures are tried again in 0.05 s
        assert chaos.seen["connections"] == 1


def test_no_such_stream_is_tried_again(rtsp_server):
    server = rtsp_server({"/other": Live()})
    with Watcher(server.url("/live"), FAST) as watcher:
        watcher.wait_until(lambda: watcher.source.problem == "the server has no such stream (404)")
        server.mounts["/live"] = Live()
        server.restart()
        watcher.wait_for_frames()
        assert watcher.source.session == 0


def test_camera_that_is_dead_at_first_comes_later(rtsp_server):
    server = rtsp_server({"/live": Live()})
    server.kill9()
    with Watcher(server.url("/live"), FAST) as watcher:
        watcher.wait_until(lambda: watcher.source.problem)
        server.start()
        watcher.wait_for_frames(3)
    assert watcher.gaps == []


def test_source_that_never_worked_is_named_again_and_again(caplog):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with Watcher(f"rtsp://127.0.0.1:{port}/live", LiveOptions(remind_s=0.2, **QUICK)) as watcher:
        watcher.wait_until(lambda: [record.levelno for record in caplog.records].count(logging.WARNING) >= 3)
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert all("127.0.0.1-live: cannot be opened: Connection refused; trying again in" in line for line in said)


def test_source_that_worked_once_is_named_once_when_it_is_gone(rtsp_server, caplog):
    server = rtsp_server({"/live": Live()})
    options = LiveOptions(remind_s=0.1, stale_after_s=30, timeout_s=15, **QUICK)
    with Watcher(server.url("/live"), options) as watcher:
        watcher.wait_for_frames()
        server.kill9()
        watcher.wait_until(lambda: "refused" in (watcher.source.problem or ""))
        tried = sum("Connection refused" in record.getMessage() for record in caplog.records)
        watcher.wait_until(
            lambda: sum("Connection refused" in record.getMessage() for record in caplog.records) > tried + 3
        )
    said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert sum("Connection refused" in line for line in said) == 1


def test_size_that_changes_in_band(rtsp_server, make_clip):
    clips = [make_clip(f"{n}.mp4", 25, size=(n, 96), options={"g": "25", "bf": "0"}) for n in (160, 320)]
    server = rtsp_server({"/live": Files(tuple(clips))})
    with Watcher(server.url("/live"), LiveOptions(freshest=False)) as watcher:
        watcher.wait_for_frames(5, session=3)
    assert [(gap.reason, gap.session) for gap in watcher.gaps[:3]] == [("resized", n) for n in (1, 2, 3)]
    assert [{s.width for s in watcher.frames if s.session == n} for n in range(4)] == [{160}, {320}, {160}, {320}]
    assert watcher.source.info.width == 160
    assert pts_grow(watcher)


def test_codec_and_size_that_change_with_a_restart(rtsp_server):
    server = rtsp_server({"/live": Live()})
    with Watcher(server.url("/live"), FAST) as watcher:
        watcher.wait_for_frames(3, session=0)
        for session, camera in enumerate((Live(codec="h265", width=640), Live(codec="mjpeg"), Live(height=256)), 1):
            server.mounts["/live"] = camera
            server.restart()
            watcher.wait_for_frames(3, session=session)
    assert [(gap.reason, gap.session) for gap in watcher.gaps] == [("reconnected", n) for n in (1, 2, 3)]
    sizes = [{(s.width, s.height) for s in watcher.frames if s.session == n} for n in range(4)]
    assert sizes == [{(320, 192)}, {(640, 192)}, {(320, 192)}, {(320, 256)}]


def test_udp_that_loses_and_reorders_goes_on(rtsp_server, proxy):
    chaos, url = proxy(rtsp_server({"/live": Live(fps=60)}), udp_loss=0.05, udp_reorder=0.05)
    with Watcher(url, LiveOptions(transport="udp", stale_after_s=60, timeout_s=60)) as watcher:
        watcher.wait_until(lambda: chaos.seen["lost"] > 5 and chaos.seen["reordered"] > 5)
    assert (watcher.gaps, watcher.source.session) == ([], 0)
    assert len(watcher.frames) > 50
    assert pts_grow(watcher)


def test_damage_of_udp_loss_is_not_shown_where_that_is_asked_for(rtsp_server, proxy):
    # Coarse pictures of several packets: one that is lost tears a picture, and all up to the next keyframe.
    chaos, url = proxy(
        rtsp_server({"/live": Live(640, 480, fps=50, keyframe_every=12)}), udp_loss=0.05, udp_reorder=0.05
    )
    with Watcher(url, LiveOptions(transport="udp", wait_for_keyframe=True)) as watcher:
        watcher.wait_until(lambda: chaos.seen["lost"] > 10 and len(watcher.frames) > 40)
        dropped = watcher.source.dropped
    assert clocks_agree(watcher.frames, tolerance_s=0.1)
    assert dropped["keyframe"] > 0
    assert pts_grow(watcher)


@pytest.mark.parametrize("times", [2, pytest.param(10, marks=pytest.mark.soak)])
def test_damage_of_loss_while_connecting_is_not_shown_either(rtsp_server, proxy, times):
    _, url = proxy(rtsp_server({"/live": Live(640, 480, fps=50, keyframe_every=50)}), udp_loss=0.1)
    for _ in range(times):
        with Watcher(url, LiveOptions(transport="udp", wait_for_keyframe=True)) as watcher:
            watcher.wait_for_frames(10)
        assert clocks_agree(watcher.frames, tolerance_s=0.03)


def test_corrupt_payload_is_survived(rtsp_server, proxy):
    chaos, url = proxy(rtsp_server({"/live": Live(fps=60)}), tcp_corrupt=0.3)
    with Watcher(url, LiveOptions(**QUICK)) as watcher:
        watcher.wait_until(lambda: chaos.seen["corrupted"] > 40)
        chaos.tcp_corrupt = 0
        watcher.wait_for_frames(90)
    assert clocks_agree(watcher.frames[-20:])
    assert pts_grow(watcher)


def test_connection_that_is_cut(rtsp_server, proxy):
    chaos, url = proxy(rtsp_server({"/live": Live()}))
    with Watcher(url, FAST) as watcher:
        for session in range(3):
            watcher.wait_for_frames(3, session=session)
            chaos.cut()
        watcher.wait_for_frames(3, session=3)
    assert [(gap.reason, gap.session) for gap in watcher.gaps] == [("reconnected", n) for n in (1, 2, 3)]


def test_host_that_does_not_exist():
    with Watcher(f"rtsp://cam:{SECRET}@no-such-host.invalid/live", FAST) as watcher:
        watcher.wait_until(lambda: watcher.source.problem)
        assert "no-such-host.invalid" in watcher.source.problem


@pytest.mark.parametrize("jump_s", [3600, -3600, -5])
def test_clock_of_the_sender_that_jumps(rtsp_server, proxy, jump_s):
    chaos, url = proxy(rtsp_server({"/live": Live()}))
    with Watcher(url, FAST) as watcher:
        watcher.wait_for_frames(20)
        chaos.timestamp_shift = jump_s * 90_000
        watcher.wait_for_frames(40)
    assert pts_grow(watcher)
    assert max(after.pts_s - before.pts_s for before, after in pairwise(watcher.frames)) < 5
    assert clocks_agree(watcher.frames, tolerance_s=2)


@pytest.mark.parametrize("jump", [timedelta(days=1), timedelta(days=-1)])
def test_wall_clock_of_this_machine_that_jumps(rtsp_server, monkeypatch, jump):
    server = rtsp_server({"/live": Live()})

    class Jumped(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + jump

    with Watcher(server.url("/live"), FAST) as watcher:
        watcher.wait_for_frames(20)
        for module in (reader, source):
            monkeypatch.setattr(module, "datetime", Jumped)
        watcher.wait_for_frames(20)
    assert watcher.gaps == []
    assert pts_grow(watcher)
    assert clocks_agree(watcher.frames, tolerance_s=2)
    first, last = watcher.frames[0].frame.wall_time, watcher.frames[-1].frame.wall_time
    assert abs((last - first).total_seconds()) > 80_000


class TestStopping:
    """In every state, without waiting for what would end it otherwise: those times are longer than the test waits."""

    def stop(self, watcher):
        watcher.source.close()
        watcher.wait_for_end()

    def no_thread_is_left(self):
        deadline_s = time.monotonic() + PATIENCE_S
        while any(thread.name.startswith("live ") for thread in threading.enumerate()):
            assert time.monotonic() < deadline_s
            time.sleep(0.1)

    def test_while_it_plays(self, rtsp_server):
        with Watcher(rtsp_server({"/live": Live()}).url("/live")) as watcher:
            watcher.wait_for_frames()
            self.stop(watcher)
        self.no_thread_is_left()

    def test_while_the_server_is_frozen(self, rtsp_server):
        server = rtsp_server({"/live": Live()})
        with Watcher(server.url("/live"), LiveOptions(timeout_s=2 * PATIENCE_S, stale_after_s=0.5)) as watcher:
            watcher.wait_for_frames()
            server.sigstop()
            watcher.wait_until(lambda: watcher.source.stale)
            self.stop(watcher)
        self.no_thread_is_left()

    def test_while_the_server_takes_the_connection_and_says_nothing(self):
        with MuteServer() as mute:
            with Watcher(f"rtsp://cam:{SECRET}@127.0.0.1:{mute.port}/live", LiveOptions(timeout_s=4)) as watcher:
                watcher.wait_until(lambda: mute.connections)
                self.stop(watcher)
            self.no_thread_is_left()

    def test_while_nobody_is_there(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        with Watcher(
            f"rtsp://127.0.0.1:{port}/live", LiveOptions(first_retry_s=4 * PATIENCE_S, max_retry_s=4 * PATIENCE_S)
        ) as watcher:
            watcher.wait_until(lambda: watcher.source.problem)
            self.stop(watcher)
        self.no_thread_is_left()

    def test_while_nobody_takes_its_frames(self, rtsp_server):
        server = rtsp_server({"/live": Live()})
        with Watcher(server.url("/live"), LiveOptions(freshest=False), pause_s=0.5) as watcher:
            watcher.wait_for_frames(3)
            self.stop(watcher)
        self.no_thread_is_left()


def test_mute_server_is_given_up_and_tried_again():
    with MuteServer() as mute:
        url = f"rtsp://cam:{SECRET}@127.0.0.1:{mute.port}/live"
        with Watcher(url, LiveOptions(timeout_s=0.5, **QUICK)) as watcher:
            watcher.wait_until(lambda: mute.connections >= 3)
            assert watcher.source.problem == "no video within 0.5 s"
