"""Publishing to a real RTSP server, and to servers that are away, mute, stalled, killed or strict."""

import socket
import threading
import time
from contextlib import contextmanager, suppress
from fractions import Fraction

import av
import numpy as np
import pytest
from rtsp_server import Record, Relay
from server_process import free_port
from waiting import wait_until

from streamdet.errors import ConfigError, SinkError
from streamdet.frames import RgbPicture, StreamInfo
from streamdet.media.write.delivery import Delivery
from streamdet.media.write.options import EncodeOptions
from streamdet.media.write.rtsp_publisher import RtspPublisher

BASE = Fraction(1, 25)
LIVE = StreamInfo("rtsp://cam", 320, 192, BASE, Fraction(25), live=True)
FILE = StreamInfo("clip.mp4", 320, 192, BASE, Fraction(25))


@pytest.fixture
def delivery():
    return Delivery("out")


@contextmanager
def camera(publisher, picture):
    """Gives a picture 25 times a second; a list of the numbers of those that were handed over."""
    over, given = threading.Event(), []

    def give():
        while not over.wait(0.04):
            publisher.write(RgbPicture(np.roll(picture, len(given), axis=1)), len(given), BASE)
            given.append(len(given))

    thread = threading.Thread(target=give)
    thread.start()
    try:
        yield given
    finally:
        over.set()
        thread.join()


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (192, 320, 3), np.uint8)


def sent_more(delivery, count):
    target = delivery.sent + count
    return lambda: delivery.sent >= target


def watch(url, frames):
    """What a viewer sees: the sizes and times of some pictures."""
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=(20, 20)) as container:
        seen = []
        for frame in container.decode(video=0):
            seen.append(((frame.width, frame.height), frame.time))
            if len(seen) == frames:
                return seen
    return seen


@pytest.mark.parametrize("who", [{}, {"password": "p/w:1 @#"}, {"password": "p/w:1 @#", "basic": True}])
def test_a_viewer_sees_what_is_published(rtsp_server, delivery, picture, who, caplog):
    server = rtsp_server({"/in": Relay("/out")}, **({"user": "ca m"} | who if who else {}))
    publisher = RtspPublisher(server.url("/in"), LIVE, delivery)
    with camera(publisher, picture):
        wait_until(sent_more(delivery, 5))
        seen = watch(server.url("/out"), 30)
    publisher.close()
    assert {size for size, _ in seen} == {(320, 192)}
    times = [time_s for _, time_s in seen if time_s is not None]  # of arrival at the relay
    assert times == sorted(times)
    assert (delivery.failures, delivery.failing) == (0, None)
    assert "p/w" not in caplog.text


def test_a_file_is_played_at_its_own_pace_and_whole(rtsp_server, tmp_path, delivery, picture):
    server = rtsp_server({"/in": Record(tmp_path / "got.h264")})
    publisher = RtspPublisher(server.url("/in"), FILE, delivery)
    started_s = time.monotonic()
    for number in range(40):
        publisher.write(RgbPicture(np.roll(picture, number, axis=1)), 1000 + number, BASE)
    publisher.close()
    assert time.monotonic() - started_s > 1.5
    assert (delivery.sent, delivery.dropped) == (40, {})

    def received():
        try:
            with av.open(str(tmp_path / "got.h264"), format="h264") as container:
                return sum(1 for _ in container.decode(video=0))
        except av.FFmpegError:
            return 0

    wait_until(lambda: received() >= 39)  # GStreamer keeps the last one for itself when it hears goodbye


def test_a_killed_server_is_found_again(rtsp_server, delivery, picture):
    server = rtsp_server({"/in": Relay("/out")})
    publisher = RtspPublisher(server.url("/in"), LIVE, delivery)
    with camera(publisher, picture):
        for _ in range(2):
            wait_until(sent_more(delivery, 5))
            server.kill9()
            wait_until(lambda: delivery.failing)
            server.start()
        wait_until(sent_more(delivery, 5))
        assert len(watch(server.url("/out"), 10)) == 10
    publisher.close()
    assert delivery.failures >= 2
    assert delivery.dropped["disconnected"] > 0


@pytest.mark.parametrize(
    ("crf", "limits", "problem"),
    [(4, {"timeout_s": 1.0}, "accepted no data for 1 s"), (50, {"silence_s": 2.0}, "sent nothing for 2 s")],
)
def test_a_stalled_server_holds_nobody_up(rtsp_server, delivery, picture, caplog, crf, limits, problem):
    """Its buffers fill, or it is silent; the run goes on, and so it does when the server is back."""
    server = rtsp_server({"/in": Relay("/out")})
    publisher = RtspPublisher(server.url("/in"), LIVE, delivery, EncodeOptions(crf=crf), **limits)
    with camera(publisher, picture) as given:
        wait_until(sent_more(delivery, 5))
        server.sigstop()
        wait_until(lambda: delivery.failing)
        before = len(given)
        wait_until(lambda: len(given) > before + 25)
        server.sigcont()
        wait_until(sent_more(delivery, 25))
    publisher.close()
    assert problem in caplog.text
    assert delivery.dropped["late" if crf == 4 else "disconnected"] > 0


def test_a_mute_server_is_given_up(delivery, picture):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"rtsp://u:s3cret@127.0.0.1:{listener.getsockname()[1]}/in"
        publisher = RtspPublisher(url, LIVE, delivery, timeout_s=0.3)
        with camera(publisher, picture):
            wait_until(lambda: delivery.failing)
        with pytest.raises(SinkError, match=r"no answer to ANNOUNCE within 0\.3 s") as caught:
            publisher.close()
    assert "s3cret" not in str(caught.value)


def test_a_mute_server_holds_nobody_up_and_can_be_closed(delivery, picture):
    """Long before its time is over."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        publisher = RtspPublisher(f"rtsp://127.0.0.1:{listener.getsockname()[1]}/in", LIVE, delivery, timeout_s=600)
        with camera(publisher, picture) as given:
            connection, _ = listener.accept()
            wait_until(lambda: len(given) > 25)
        with connection, pytest.raises(SinkError, match="no answer yet"):
            publisher.close()
    assert delivery.failures == 0
    assert not any(thread.name.startswith("publish") for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("password", "path", "problem"),
    [("wrong", "/in", r"user or password is missing or wrong \(401\)"), ("right", "/nowhere", r"\(40\d .*\)")],
)
def test_what_the_server_refuses_is_said(rtsp_server, delivery, picture, password, path, problem):
    server = rtsp_server({"/in": Relay("/out")}, user="u", password="right")
    publisher = RtspPublisher(f"rtsp://u:{password}@127.0.0.1:{server.port}{path}", LIVE, delivery)
    with camera(publisher, picture):
        wait_until(lambda: delivery.failing)
    with pytest.raises(SinkError, match=problem):
        publisher.close()
    assert delivery.failures == 1  # and not tried again at once


def test_an_address_without_a_host_is_a_mistake(delivery):
    with pytest.raises(ConfigError, match="expected rtsp://host/path"):
        RtspPublisher("rtsp://", LIVE, delivery)


def test_a_stream_without_pictures_publishes_nothing(delivery):
    RtspPublisher("rtsp://127.0.0.1:1/in", LIVE, delivery).close()
    assert delivery.failures == 0


def test_ffmpeg_as_the_server_understands_it(delivery, picture):
    """Another implementation than GStreamer's; times are exact, other sizes are fitted into the first picture's."""
    url = f"rtsp://127.0.0.1:{free_port()}/in"
    seen = []

    def serve():
        options = {"rtsp_flags": "listen", "listen_timeout": "60", "rtsp_transport": "tcp"}
        with av.open(url, options=options, timeout=(60, 60)) as container:
            for frame in container.decode(video=0):
                seen.append((frame.width, frame.height, frame.time))
                if len(seen) == 25:
                    return

    server = threading.Thread(target=serve)
    server.start()
    publisher = RtspPublisher(url, LIVE, delivery)
    publisher.write(RgbPicture(picture), 0, BASE)
    number = 1
    while server.is_alive():
        publisher.write(RgbPicture(picture[: 96 if number % 2 else 192]), number, BASE)
        number += 1
        time.sleep(0.04)
    server.join()
    with suppress(SinkError):  # where it has noticed already that the server has gone
        publisher.close()
    assert len({(width, height) for width, height, _ in seen}) == 1
    steps = np.diff([time_s for _, _, time_s in seen if time_s is not None]) * 25
    assert np.abs(steps - steps.round()).max() < 0.01
    assert steps.round().min() >= 1
