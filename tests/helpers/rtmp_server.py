"""A real RTMP server (nginx with its RTMP module) in a process of its own: what is published there is played there.

Needs Debian's nginx-light and libnginx-mod-rtmp; tests ask with `require_rtmp_server()`, which skips without them, or
fails where STREAMDET_REQUIRE_SERVERS is set.
"""

import shutil
import subprocess
from pathlib import Path

from server_process import ServerProcess, free_port, require

_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")

_CONFIG = """
load_module {module};
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ }}
rtmp {{ server {{ listen 127.0.0.1:{port}; application live {{ live on; }} }} }}
"""


class RtmpServer(ServerProcess):
    """The server.

    Args:
        folder: where it may write.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(free_port())
        self._config = folder / "nginx.conf"
        self._config.write_text(_CONFIG.format(module=_MODULE, folder=folder, port=self.port))
        self._folder = folder

    @property
    def url(self) -> str:
        """Where to publish and to play."""
        return f"rtmp://127.0.0.1:{self.port}/live/key"

    def start(self) -> None:
        """Start it and wait until it listens."""
        nginx = ["nginx", "-c", str(self._config), "-p", str(self._folder)]
        self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *nginx])
        self.wait_until_it_listens()


def require_rtmp_server() -> None:
    """Skip the test where the server is not installed."""
    there = _MODULE.exists() and shutil.which("nginx") and shutil.which("setpriv")
    missing = "nginx with its RTMP module is not installed (nginx-light, libnginx-mod-rtmp, util-linux)"
    require(None if there else missing)
