"""A real RTSP server (gst-rtsp-server) in a process of its own, which tests may kill, stop and start again.

    with RtspServer({"/live": Live(), "/a": Files((clip,))}) as server:
        open_source(server.url("/live"))

Needs Debian's gir1.2-gst-rtsp-server-1.0, gstreamer1.0-plugins-{base,good,bad,ugly} and python3-gi; tests ask with
`require_rtsp_server()`, which skips without them, or fails where STREAMDET_REQUIRE_SERVERS is set.
"""

import json
import os
import select
import subprocess
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from server_process import START_TIMEOUT_S, ServerProcess, free_port, require

_PYTHON = "/usr/bin/python3"
_SCRIPT = Path(__file__).with_name("gst_rtsp_server.py")
_CLOCK_BITS, _CLOCK_ROWS = 32, 32
_NEEDED = (
    "appsrc",
    "h264parse",
    "h265parse",
    "rtph264pay",
    "rtph265pay",
    "rtpjpegpay",
    "x264enc",
    "x265enc",
    "qtdemux",
)


@dataclass(frozen=True, slots=True)
class Live:
    """A camera with the wall clock burned into its picture: see `clock_ms_in`.

    Attributes:
        codec: h264, h265 or mjpeg.
        keyframe_every: frames.
        kbit: bits a second, in thousands.
    """

    width: int = 320
    height: int = 192
    fps: int = 25
    codec: str = "h264"
    keyframe_every: int = 25
    kbit: int = 1000


@dataclass(frozen=True, slots=True)
class Files:
    """MP4 clips (H.264 or H.265) one after another, for ever; clips of several sizes change the size in band."""

    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Recording:
    """An MP4 clip (H.264) that is played once to each reader, and ends; it has a duration."""

    file: Path


@dataclass(frozen=True, slots=True)
class Record:
    """Takes H.264 that is published here into a raw .h264 file."""

    file: Path


@dataclass(frozen=True, slots=True)
class Relay:
    """What is published at this mount's path is played at another one, as by a media server; H.264."""

    plays_at: str


Mount = Live | Files | Recording | Record | Relay


class RtspServer(ServerProcess):
    """The server; a restart does with what `mounts`, `user` and `password` say by then.

    Args:
        mounts: path, such as "/live", to what is there.
        port: a free one when None; a restart keeps it.
        user, password: what readers and publishers must give; None for nothing.
        basic: ask for basic instead of digest authentication.
        udp_only: refuse to send over TCP.
    """

    def __init__(
        self,
        mounts: dict[str, Mount],
        *,
        port: int | None = None,
        user: str | None = None,
        password: str | None = None,
        basic: bool = False,
        udp_only: bool = False,
    ) -> None:
        super().__init__(free_port() if port is None else port)
        self.mounts = dict(mounts)
        self.user, self.password, self.basic = user, password, basic
        self.udp_only = udp_only

    def url(self, path: str, *, credentials: bool = True, transport: str = "rtsp") -> str:
        """The address of a mount, the server's own user and password in it where it wants them."""
        who = ""
        if credentials and self.user is not None:
            who = f"{quote(self.user, safe='')}:{quote(self.password or '', safe='')}@"
        return f"{transport}://{who}127.0.0.1:{self.port}{path}"

    def start(self) -> None:
        """Start it and wait until it listens."""
        process = subprocess.Popen([_PYTHON, str(_SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.process = process
        assert process.stdin is not None
        assert process.stdout is not None
        # Through a pipe: what is on a command line, passwords too, is there for everyone to see.
        process.stdin.write(json.dumps(self._settings(), default=str) + "\n")
        process.stdin.close()
        ready, _, _ = select.select([process.stdout], [], [], START_TIMEOUT_S)
        words = process.stdout.readline().split() if ready else []
        if words[:1] != ["READY"]:
            self.kill9()
            raise RuntimeError(f"the RTSP server did not start on port {self.port}")

    def _settings(self) -> dict[str, Any]:
        mounts = [{"kind": type(mount).__name__, "path": path, **asdict(mount)} for path, mount in self.mounts.items()]
        who = {"user": self.user, "password": self.password, "basic": self.basic}
        return {"port": self.port, "parent": os.getpid(), "mounts": mounts, "udp_only": self.udp_only, **who}


def require_rtsp_server() -> None:
    """Skip the test where the server is not installed."""
    require(_missing())


def clock_ms_in(image: np.ndarray) -> int:
    """The wall clock in a picture of a Live mount: milliseconds, modulo 2^32, as `now_ms` gives them.

    Args:
        image: (H, W, 3) uint8, of the mount's size.
    """
    block = image.shape[1] // _CLOCK_BITS
    if image.shape[0] < _CLOCK_ROWS or block == 0:  # a damaged header may say any size
        return 0
    rows = image[8 : _CLOCK_ROWS - 8, : block * _CLOCK_BITS].mean(axis=(0, 2))
    middles = rows.reshape(_CLOCK_BITS, block)[:, block // 4 : block - block // 4].mean(axis=1)
    return sum(int(level > 127) << (_CLOCK_BITS - 1 - bit) for bit, level in enumerate(middles))


def now_ms(wall_s: float) -> int:
    """A time.time() as the clock in the picture shows it."""
    return int(wall_s * 1000) & 0xFFFFFFFF


@cache
def _missing() -> str | None:
    """What the server lacks here, None where it can run."""
    if not Path(_PYTHON).exists():
        return f"there is no {_PYTHON}, which runs the RTSP server of the tests"
    check = (
        "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import Gst, GstRtspServer; "
        f"Gst.init(None); print(' '.join(n for n in {_NEEDED!r} if not Gst.ElementFactory.find(n)))"
    )
    done = subprocess.run([_PYTHON, "-c", check], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"gst-rtsp-server is not installed for {_PYTHON} (gir1.2-gst-rtsp-server-1.0, python3-gi)"
    lacking = done.stdout.strip()
    return f"GStreamer lacks {lacking} (gstreamer1.0-plugins-base, -good, -bad, -ugly)" if lacking else None
