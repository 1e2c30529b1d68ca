"""A real RTSP server for tests (gst-rtsp-server). Runs under Debian's /usr/bin/python3; started by rtsp_server.py.

Reads one line of JSON from standard input: port, parent, user, password, basic, udp_only, mounts. Each mount is
{"kind": ..., "path": ...} and the fields of the class of that name in rtsp_server.py. Writes "READY <port>".
"""

import ctypes
import json
import os
import signal
import sys
import threading
import time

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstApp", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

CLOCK_BITS, CLOCK_ROWS = 32, 32
PR_SET_PDEATHSIG = 1

PAYLOADERS = {
    "h264": "h264parse config-interval=-1 ! rtph264pay name=pay0 pt=96 config-interval=0 aggregate-mode=zero-latency",
    "h265": "h265parse config-interval=-1 ! rtph265pay name=pay0 pt=96 config-interval=0",
    "mjpeg": "rtpjpegpay name=pay0 pt=26",
}
ENCODERS = {
    "h264": "x264enc speed-preset=ultrafast tune=zerolatency bitrate={kbit} key-int-max={gop} threads=1",
    "h265": "x265enc speed-preset=ultrafast tune=zerolatency bitrate={kbit} key-int-max={gop} "
    "option-string=pools=none:frame-threads=1:log-level=none",
    "mjpeg": "jpegenc quality=80",
}


class LiveFactory(GstRtspServer.RTSPMediaFactory):
    """A camera: grey stripes, and in the upper rows the wall clock in milliseconds as 32 black or white blocks."""

    def __init__(self, mount):
        super().__init__()
        self.set_shared(True)
        self.width, self.height, self.fps = mount["width"], mount["height"], mount["fps"]
        encoder = ENCODERS[mount["codec"]].format(kbit=mount["kbit"], gop=mount["keyframe_every"])
        self.set_launch(
            f"( appsrc name=src is-live=true format=time block=true max-bytes={2 * self.width * self.height} "
            f"caps=video/x-raw,format=GRAY8,width={self.width},height={self.height},framerate={self.fps}/1 "
            f"! videoconvert ! video/x-raw,format=I420 ! {encoder} ! {PAYLOADERS[mount['codec']]} )"
        )

    def do_configure(self, media):
        """Feed each media from a thread of its own, until its last reader has gone."""
        stop = threading.Event()
        media.connect("unprepared", lambda media: stop.set())
        source = media.get_element().get_by_name("src")
        threading.Thread(target=self.feed, args=(source, stop), daemon=True).start()

    def feed(self, source, stop):
        stripes = bytes((x * 7) % 200 for x in range(self.width)) * (self.height - CLOCK_ROWS)
        began_s, number = time.monotonic(), 0
        while not stop.wait(max(0.0, began_s + number / self.fps - time.monotonic())):
            # After a stop of the whole process, go on from now, as a camera would: the clock and pts of a frame agree.
            passed_s, clock = time.monotonic() - began_s, self.clock()
            number = max(number, int(passed_s * self.fps))
            buffer = Gst.Buffer.new_wrapped(clock * CLOCK_ROWS + stripes)
            buffer.pts = number * Gst.SECOND // self.fps
            buffer.duration = Gst.SECOND // self.fps
            if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                return
            number += 1

    def clock(self):
        now_ms = int(time.time() * 1000) & 0xFFFFFFFF
        bits = ((now_ms >> (CLOCK_BITS - 1 - bit)) & 1 for bit in range(CLOCK_BITS))
        return b"".join((b"\xff" if bit else b"\x00") * (self.width // CLOCK_BITS) for bit in bits).ljust(
            self.width, b"\0"
        )


def access_units(path):
    """Everything of a clip's video track: (codec, caps, [(bytes, pts, dts, duration, is key)], duration), in ns."""
    launch = f'filesrc location="{path}" ! qtdemux ! {{}} appsink name=sink sync=false max-buffers=0'
    pipeline = Gst.parse_launch(launch.format(""))
    pipeline.set_state(Gst.State.PLAYING)
    sample = pipeline.get_by_name("sink").try_pull_sample(5 * Gst.SECOND)
    codec = sample.get_caps().get_structure(0).get_name().split("-")[1]  # h264, h265
    pipeline.set_state(Gst.State.NULL)
    stream = f"video/x-{codec},stream-format=byte-stream,alignment=au"
    pipeline = Gst.parse_launch(launch.format(f"{codec}parse config-interval=-1 ! {stream} !"))
    pipeline.set_state(Gst.State.PLAYING)
    units, caps = [], None
    while (sample := pipeline.get_by_name("sink").try_pull_sample(5 * Gst.SECOND)) is not None:
        buffer, caps = sample.get_buffer(), sample.get_caps().copy()
        key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        units.append((buffer.extract_dup(0, buffer.get_size()), buffer.pts, buffer.dts, buffer.duration, key))
    pipeline.set_state(Gst.State.NULL)
    first = min(dts for _, _, dts, _, _ in units)
    duration = max(dts for _, _, dts, _, _ in units) - first + units[0][3]
    units = [(data, pts - first, dts - first, length, key) for data, pts, dts, length, key in units]
    return codec, caps, units, duration


class FilesFactory(GstRtspServer.RTSPMediaFactory):
    """Clips one after another, for ever, without encoding them again: where they differ, the size changes in band."""

    def __init__(self, mount):
        super().__init__()
        self.set_shared(True)
        self.units, self.total = [], 0
        for path in mount["files"]:
            codec, self.caps, units, duration = access_units(path)
            self.units += [(data, pts + self.total, dts + self.total, *rest) for data, pts, dts, *rest in units]
            self.total += duration
        if len(mount["files"]) > 1:
            self.caps = Gst.Caps.from_string(f"video/x-{codec},stream-format=byte-stream,alignment=au")
        self.set_launch(
            f"( appsrc name=src is-live=true format=time do-timestamp=false block=true max-bytes=2000000 ! "
            f"{codec}parse ! rtp{codec}pay name=pay0 pt=96 config-interval=0 )"
        )

    def do_configure(self, media):
        """Feed each media from a thread of its own, until its last reader has gone."""
        stop = threading.Event()
        media.connect("unprepared", lambda media: stop.set())
        source = media.get_element().get_by_name("src")
        source.set_property("caps", self.caps)
        threading.Thread(target=self.feed, args=(source, stop), daemon=True).start()

    def feed(self, source, stop):
        began_s, offset = time.monotonic(), 0
        while True:
            for data, pts, dts, duration, key in self.units:
                if stop.wait(max(0.0, (offset + dts) / 1e9 - (time.monotonic() - began_s))):
                    return
                buffer = Gst.Buffer.new_wrapped(data)
                buffer.pts, buffer.dts, buffer.duration = offset + pts, offset + dts, duration
                if not key:
                    buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
                if source.emit("push-buffer", buffer) != Gst.FlowReturn.OK:
                    return
            offset += self.total


def recording_factory(mount):
    """Play a clip once, as a network video recorder does: it has a duration and an end."""
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(
        f'( filesrc location="{mount["file"]}" ! qtdemux ! h264parse config-interval=-1 ! '
        "rtph264pay name=pay0 pt=96 config-interval=0 )"
    )
    return factory


def record_factory(mount):
    """Take H.264 that is published here into a raw file."""
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
    factory.set_launch(
        "( rtph264depay name=depay0 ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream ! "
        f'filesink location="{mount["file"]}" buffer-mode=2 )'
    )
    return factory


class Relay:
    """What is published on one path is played on another, as a media server does; H.264."""

    def __init__(self):
        self.readers = []
        self.record, self.play = RelayRecord(), RelayPlay()
        self.record.relay = self.play.relay = self

    def pass_on(self, sink):
        buffer = sink.emit("pull-sample").get_buffer()
        data = buffer.extract_dup(0, buffer.get_size())
        key = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        for reader in list(self.readers):
            reader["started"] = reader["started"] or key
            if reader["started"]:
                reader["source"].emit("push-buffer", Gst.Buffer.new_wrapped(data))
        return Gst.FlowReturn.OK


class RelayRecord(GstRtspServer.RTSPMediaFactory):
    def __init__(self):
        super().__init__()
        self.set_transport_mode(GstRtspServer.RTSPTransportMode.RECORD)
        self.set_latency(0)
        self.set_launch(
            "( rtph264depay name=depay0 ! h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,"
            "alignment=au ! appsink name=sink emit-signals=true sync=false )"
        )

    def do_configure(self, media):
        media.get_element().get_by_name("sink").connect("new-sample", self.relay.pass_on)


class RelayPlay(GstRtspServer.RTSPMediaFactory):
    def __init__(self):
        super().__init__()
        self.set_shared(True)
        self.set_launch(
            "( appsrc name=src is-live=true format=time do-timestamp=true caps=video/x-h264,stream-format=byte-stream,"
            "alignment=au ! h264parse ! rtph264pay name=pay0 pt=96 config-interval=0 )"
        )

    def do_configure(self, media):
        reader = {"source": media.get_element().get_by_name("src"), "started": False}
        self.relay.readers.append(reader)
        media.connect("unprepared", lambda media: self.relay.readers.remove(reader))


def factories_of(mount):
    """(path, factory) of a mount; a relay has two."""
    if mount["kind"] == "Relay":
        relay = Relay()
        return [(mount["path"], relay.record), (mount["plays_at"], relay.play)]
    factories = {"Live": LiveFactory, "Files": FilesFactory, "Recording": recording_factory, "Record": record_factory}
    make = factories[mount["kind"]]
    return [(mount["path"], make(mount))]


def demand_credentials(server, user, password, basic):
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if basic:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    server.set_auth(auth)


def main():
    settings = json.loads(sys.stdin.readline())
    # A test run that is killed leaves no server behind.
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != settings["parent"]:
        sys.exit("the test run is gone")
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.get_thread_pool().set_max_threads(8)  # with one, a publisher and a reader wait for each other
    server.set_address("127.0.0.1")
    server.set_service(str(settings["port"]))
    if settings["user"]:
        demand_credentials(server, settings["user"], settings["password"], settings["basic"])
    may = "user,media.factory.access=(boolean)true,media.factory.construct=(boolean)true"
    for mount in settings["mounts"]:
        for path, factory in factories_of(mount):
            if settings["udp_only"]:
                # Of the media, not of the factory: what configures the media here does not ask its factory.
                factory.connect("media-configure", lambda _, media: media.set_protocols(GstRtsp.RTSPLowerTrans.UDP))
            if settings["user"]:
                factory.add_role_from_structure(Gst.Structure.from_string(may)[0])
            server.get_mount_points().add_factory(path, factory)
    if server.attach(None) == 0:
        sys.exit("cannot listen")
    loop = GLib.MainLoop()
    print("READY", server.get_bound_port(), flush=True)
    GLib.unix_signal_add(GLib.PRIORITY_DEFAULT, signal.SIGTERM, loop.quit)
    loop.run()


if __name__ == "__main__":
    main()
