"""A real RTMP server (nginx with its RTMP module) in a process of its own: what is published there is played there.

Needs Debian's nginx-light and libnginx-mod-rtmp; tests ask with `require_rtmp_server()`, which skips without them, or
fails where STREAMDET_REQUIRE_SERVERS is set.
"""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
_START_TIMEOUT_S = 60.0

_CONFIG = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}
"""


class RtmpServer:
    """The server. A context manager; killed with the test run whatever happens.

    Args:
        folder: where it may write.
    """

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self._config = folder / "nginx.conf"
        self._config.write_text(_CONFIG.format(module=_MODULE, folder=folder, port=self.port))
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill9()

    @property
    def url(self) -> str:
        """Where to publish and to play."""
        return f"rtmp://127.0.0.1:{self.port}/live/key"

    def start(self) -> None:
        """Start it and wait until it listens."""
        nginx = ["nginx", "-c", str(self._config), "-p", str(self._folder)]
        self._process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *nginx])
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                assert time.monotonic() < deadline_s, "nginx does not start"
                time.sleep(0.05)

    def kill9(self) -> None:
        """End it at once, as a crash does; does nothing where it is dead already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def require_rtmp_server() -> None:
    """Skip the test where the server is not installed; fail it where STREAMDET_REQUIRE_SERVERS says that it must be."""
    if _MODULE.exists() and shutil.which("nginx") and shutil.which("setpriv"):
        return
    missing = "nginx with its RTMP module is not installed (nginx-light, libnginx-mod-rtmp, util-linux)"
    if os.environ.get("STREAMDET_REQUIRE_SERVERS"):
        pytest.fail(f"STREAMDET_REQUIRE_SERVERS is set, but {missing}")
    pytest.skip(missing)
