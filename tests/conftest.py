import atexit
import os
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from hypothesis import settings

# Two OpenMP threads that wait for each other on a busy machine are slower than one; must be set before torch loads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No test finds what an earlier run left in the user's cache, nor what another worker measures meanwhile: two runs of
# one test might take different runtimes. matplotlib's list of fonts stays where it is.
_cache = tempfile.TemporaryDirectory(prefix="streamdet-cache-")
atexit.register(_cache.cleanup)
os.environ.setdefault("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib"))
os.environ["XDG_CACHE_HOME"] = _cache.name

# No deadlines: a busy machine is no failure. .ci/run takes the thorough profile.
settings.register_profile("quick", max_examples=40, deadline=None)
settings.register_profile("thorough", max_examples=150, deadline=None)
settings.load_profile("quick")

_SERVER_FIXTURES = {"rtsp_server", "rtsp_servers", "rtmp_server", "mosquitto", "chromium"}


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Half as many again as processors, as many tests wait for another process; none where only files were named."""
    if all(".py" in argument for argument in config.args):
        return 0
    return ((os.cpu_count() or 1) * 3 + 1) // 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _SERVER_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("server")


@contextmanager
def _starting_rtsp_servers():
    from rtsp_server import RtspServer, require_rtsp_server

    require_rtsp_server()
    with ExitStack() as stack:
        yield lambda mounts, **options: stack.enter_context(RtspServer(mounts, **options))


@pytest.fixture
def rtsp_server():
    """Start real RTSP servers: `rtsp_server({"/live": Live()})`; tests/helpers/rtsp_server.py. Skips without one."""
    with _starting_rtsp_servers() as start:
        yield start


@pytest.fixture(scope="module")
def rtsp_servers():
    """The same for servers that all tests of a file share."""
    with _starting_rtsp_servers() as start:
        yield start


@pytest.fixture(scope="module")
def chromium():
    """A real headless browser: `chromium.open()` gives a page; tests/helpers/chromium.py. Skips without one."""
    from chromium import Chromium, require_chromium

    require_chromium()
    with Chromium() as browser:
        yield browser


@pytest.fixture
def mosquitto(tmp_path_factory):
    """Start a real MQTT broker: `mosquitto(user="u", password="p")`. Skips without one."""
    from mosquitto_broker import Mosquitto, require_mosquitto

    require_mosquitto()
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(Mosquitto(tmp_path_factory.mktemp("mosquitto"), **options))
