"""A headless Chromium, driven over its own protocol (DevTools) by websockets.

    with Chromium() as browser:
        page = browser.open("http://127.0.0.1:8765/")
        page.wait("document.querySelector('canvas')")
        page.screenshot(Path("page.png"))

Tests ask with `require_chromium()`, which skips without one, or fails where STREAMDET_REQUIRE_SERVERS is set.
"""

import base64
import json
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from server_process import require
from websockets.sync.client import ClientConnection, connect

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_START_S, _PATIENCE_S = 120.0, 120.0


def require_chromium() -> None:
    """Skip the test where there is none."""
    require(None if _program() else "there is no chromium, in which the page is tested")


def _program() -> str | None:
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


class Page:
    """One page, and what its console said.

    Attributes:
        complaints: errors and violations of the content security policy so far.
    """

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._number = 0
        self.complaints: list[str] = []
        for domain in ("Page", "Runtime", "Log"):  # not Network, which repeats every picture
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command; gives its answer."""
        self._number += 1
        self._connection.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            said = json.loads(self._connection.recv(_PATIENCE_S))
            if said.get("id") == self._number:
                left = "navigated" in said.get("error", {}).get("message", "")  # the page was left meanwhile
                assert left or "error" not in said, said
                result: dict[str, Any] = {"result": {}} if left else said["result"]
                return result
            self._hear(said)

    def _hear(self, said: dict[str, Any]) -> None:
        values = said.get("params", {})
        if said.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(values["exceptionDetails"])[:500])
        elif said.get("method") == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning", "assert"):
            self.complaints.append(json.dumps(values["args"])[:500])
        elif said.get("method") == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.complaints.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")

    def goto(self, url: str) -> None:
        """Load an address."""
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def evaluate(self, script: str) -> Any:
        """The value of an expression in the page."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, script: str, timeout_s: float = _PATIENCE_S) -> None:
        """Wait until an expression is true."""
        deadline_s = time.monotonic() + timeout_s
        while not self.evaluate(f"!!({script})"):
            assert time.monotonic() < deadline_s, f"did not happen: {script}; console: {self.complaints}"
            time.sleep(0.05)

    def click(self, x: float, y: float, *, to: tuple[float, float] | None = None) -> None:
        """Press the mouse at a point of the window, in CSS pixels; with `to` drag it there."""
        event = "Input.dispatchMouseEvent"
        self.call(event, type="mouseMoved", x=x, y=y)
        self.call(event, type="mousePressed", x=x, y=y, button="left", buttons=1, clickCount=1)
        if to is not None:
            for part in (0.5, 1.0):
                at = x + part * (to[0] - x), y + part * (to[1] - y)
                self.call(event, type="mouseMoved", x=at[0], y=at[1], button="left", buttons=1)
            x, y = to
        self.call(event, type="mouseReleased", x=x, y=y, button="left", clickCount=1)

    def click_on(self, selector: str) -> None:
        """Click on the middle of an element."""
        self.wait(f"document.querySelector({json.dumps(selector)})")
        self.click(*self.place_in(selector, 0.5, 0.5))

    def place_in(self, selector: str, x: float, y: float) -> tuple[float, float]:
        """A point of the window by shares of an element's size."""
        box = self.evaluate(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'nearest'}); const b = e.getBoundingClientRect();"
            "return [b.left, b.top, b.width, b.height]; })()"
        )
        return box[0] + x * box[2], box[1] + y * box[3]

    def key(self, key: str) -> None:
        """Press a key."""
        for kind in ("keyDown", "keyUp"):
            more = {"text": key} if len(key) == 1 and kind == "keyDown" else {}
            self.call("Input.dispatchKeyEvent", type=kind, key=key, **more)

    def type(self, text: str) -> None:
        """Type a text into what has the focus."""
        self.call("Input.insertText", text=text)

    def show_as(self, width: int, height: int, *, scale: float = 1.0, scheme: str = "light") -> None:
        """Set the size of the window, pixels for each CSS pixel, and light or dark."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def screenshot(self, path: Path) -> None:
        """Write what is seen as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


class Chromium:
    """The browser, in a process of its own with a fresh profile. A context manager."""

    def __enter__(self) -> Self:
        program = _program()
        assert program is not None, "asks for require_chromium() first"
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions"]
        words += [
            "--disable-background-networking",
            "--remote-debugging-port=0",
            "--mute-audio",
            "--disable-dev-shm-usage",
        ]
        self._process = subprocess.Popen(
            [program, *words, f"--user-data-dir={self._profile.name}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._connections = ExitStack()
        told, deadline_s = Path(self._profile.name) / "DevToolsActivePort", time.monotonic() + _START_S
        while not (told.exists() and len(lines := told.read_text().splitlines()) == 2):
            assert self._process.poll() is None, "chromium does not start"
            assert time.monotonic() < deadline_s, "chromium does not start"
            time.sleep(0.05)
        self._port = int(lines[0])
        self._browser = self._connect(f"ws://127.0.0.1:{self._port}{lines[1]}")
        self._number = 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connections.close()
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._profile.cleanup()

    def open(self, url: str = "about:blank") -> Page:
        """A new page, without cookies of others."""
        context = self._call("Target.createBrowserContext")["browserContextId"]
        target = self._call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        page = Page(self._connect(f"ws://127.0.0.1:{self._port}/devtools/page/{target}"))
        if url != "about:blank":
            page.goto(url)
        return page

    def _connect(self, url: str) -> ClientConnection:
        connection = connect(
            url, max_size=None, compression=None, open_timeout=_START_S, ping_interval=None, max_queue=None
        )
        return self._connections.enter_context(connection)

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._browser.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while (said := json.loads(self._browser.recv(_PATIENCE_S))).get("id") != self._number:
            pass
        assert "error" not in said, said
        result: dict[str, Any] = said["result"]
        return result
