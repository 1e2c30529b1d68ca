"""`streamdet serve` with many cameras and viewers: do memory, threads and sockets stay flat, and is everyone served?

    python benchmarks/serve_load.py [--minutes 10] [--streams 16] [--viewers 8] [--output serve-load.json]

The cameras are one synthetic street as MJPEG over HTTP. Each viewer watches all streams at 5 fps, 480 pixels wide, and
says what it has seen, but one, which asks and never reads. Lines cross all pictures, so that there are events and
clips. Linux only.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from soaking import held_by, trend
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from streamdet.server.demo_camera import DemoCamera

TOKEN = "a-token-of-the-load-benchmark"
SAMPLE_EVERY_S = 5.0
_START_S = 120.0
_HEADERS = {"Authorization": f"Bearer {TOKEN}"}


class Viewer:
    """A page that looks at all streams.

    Attributes:
        seen: pictures so far, by stream.
        ages_ms: of pictures when they came: since their capture.
    """

    def __init__(self, port: int, names: list[str], *, reads: bool) -> None:
        self.seen: Counter[str] = Counter()
        self.ages_ms: list[float] = []
        self._reads, self._over = reads, threading.Event()
        self._address, self._names = f"ws://127.0.0.1:{port}/live", names
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Go."""
        self._over.set()
        self._thread.join(10)

    def _run(self) -> None:
        with connect(
            self._address, additional_headers=_HEADERS, compression=None, max_size=None, ping_interval=None
        ) as socket:
            socket.send(json.dumps({"watch": {name: {"width": 480, "fps": 5} for name in self._names}}))
            if not self._reads:
                self._over.wait()
                return
            with suppress(ConnectionClosed):
                while not self._over.is_set():
                    with suppress(TimeoutError):
                        self._take(socket, socket.recv(1.0))

    def _take(self, socket: Any, message: str | bytes) -> None:
        if isinstance(message, bytes):
            head = json.loads(message[4 : 4 + int.from_bytes(message[:4])])
            socket.send(json.dumps({"seen": head["stream"]}))
            self.seen[head["stream"]] += 1
            self.ages_ms.append(head.get("age_ms", 0.0))


def ask(port: int, path: str) -> Any:
    """What the server answers."""
    with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers=_HEADERS), timeout=60) as answer:
        return json.loads(answer.read())


def start(folder: Path, camera: str, options: argparse.Namespace) -> tuple[subprocess.Popen[str], int]:
    """The server, and its port once it listens."""
    sources = "\n".join(f"  - {camera}?{number}" for number in range(options.streams))
    job = folder / "cameras.yaml"
    line = "zones:\n  lines:\n    middle: {points: [[0.0, 0.55], [1.0, 0.55]]}\n"
    job.write_text(f"sources:\n{sources}\ndetect: {{model: {options.model}}}\n{line}")
    command = [sys.executable, "-m", "streamdet", "serve", str(job), "--port", "0", "--data", str(folder / "data")]
    environment = {**os.environ, "STREAMDET_TOKEN": TOKEN}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for text in process.stderr:
        if found := re.search(r"open http://127.0.0.1:(\d+)/", text):
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, int(found[1])
    raise RuntimeError("the server has not started")


def measure(process: subprocess.Popen[str], seconds: float) -> list[dict[str, float]]:
    """What the process holds, again and again."""
    started_s, rows = time.monotonic(), []
    while (now_s := time.monotonic() - started_s) < seconds and process.poll() is None:
        rows.append({"s": now_s, **held_by(process.pid)})
        time.sleep(SAMPLE_EVERY_S)
    return rows


def main() -> None:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--viewers", type=int, default=8)
    parser.add_argument("--model", default="street")
    parser.add_argument("--output", type=Path, default=Path("serve-load.json"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, DemoCamera() as camera:
        process, port = start(Path(folder), camera.url, options)
        try:
            deadline_s = time.monotonic() + _START_S
            while any(each["state"] != "live" for each in ask(port, "/api/streams")) and time.monotonic() < deadline_s:
                time.sleep(1)
            names = [each["name"] for each in ask(port, "/api/streams")]
            viewers = [Viewer(port, names, reads=number > 0) for number in range(options.viewers)]
            rows = measure(process, 60 * options.minutes)
            streams, events = ask(port, "/api/streams"), ask(port, "/api/events?limit=500")
            for viewer in viewers:
                viewer.stop()
        finally:
            process.terminate()
            process.wait(60)
    ages = sorted(age for viewer in viewers for age in viewer.ages_ms)
    seen = [viewer.seen[name] / (60 * options.minutes) for viewer in viewers[1:] for name in names]
    times = [row["s"] for row in rows]
    figures = {
        "minutes": options.minutes,
        "live": sum(each["state"] == "live" for each in streams),
        "streams": len(names),
        "fps_of_all": round(sum(each["fps"] for each in streams), 1),
        "events": len(events),
        "clips": sum(each["clip"] == "ready" for each in events),
        "pictures_a_second": {"least": round(min(seen), 2), "most": round(max(seen), 2)},
        "age_ms": {"p50": ages[len(ages) // 2], "p95": ages[int(0.95 * len(ages))]} if ages else None,
        "exit": process.returncode,
        "held": {
            name: {"first": rows[0][name], "last": rows[-1][name], "most": max(row[name] for row in rows)}
            for name in ("memory_mib", "own_mib", "threads", "files", "cpu_s")
        },
        "trend": {name: trend(times, [row[name] for row in rows], 60.0) for name in ("own_mib", "threads", "files")},
    }
    options.output.write_text(json.dumps({"figures": figures, "rows": rows}, indent=1))
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
