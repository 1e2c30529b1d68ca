"""A server in this process: cameras of the test's own that show a bright square, and a detector that finds it."""

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from waiting import wait_until

from streamdet.cli.serve import load_serving
from streamdet.detections import Detections
from streamdet.jobs.plan import plan
from streamdet.jobs.session import Session
from streamdet.models.contract import DetectorSpec, InputSpec
from streamdet.models.per_frame import PerFrameDetector
from streamdet.server.app import build_app
from streamdet.server.run import Address, Server
from streamdet.server.service import Files, Service

TOKEN = "0123456789abcdef-test"
WIDTH, HEIGHT, FPS = 320, 180, 15
CLASSES = ("square", "circle")


class SquareCamera:
    """MJPEG over HTTP: a square walks to the right and back; it can be switched off and on at the same address."""

    def __init__(self) -> None:
        self.on = True
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if not camera.on:
                    self.send_error(503)
                    return
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                while camera.on:
                    picture = square_picture(time.monotonic())
                    head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                    try:
                        self.wfile.write(head.encode() + picture + b"\r\n")
                    except OSError:
                        return
                    time.sleep(1 / FPS)

            def log_message(self, *values: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str) -> str:
        return f"http://cam:s3cret@127.0.0.1:{self.server.server_port}/{path}"

    def close(self) -> None:
        self.on = False
        self.server.shutdown()
        self.server.server_close()


def square_picture(now_s: float) -> bytes:
    image = np.full((HEIGHT, WIDTH, 3), 40, np.uint8)
    x = round((WIDTH - 60) * (0.5 - 0.5 * np.cos(now_s * 1.6)))
    image[60:110, 10 + x : 50 + x] = 230
    return cv2.imencode(".jpg", image)[1].tobytes()


def find_square(images: np.ndarray) -> list[Detections]:
    found = []
    for image in images:
        rows, columns = np.nonzero(image.mean(axis=0) > 150)
        boxes = [(columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)] if len(rows) else []
        found.append(Detections.of(np.reshape(boxes, (-1, 4)), [0.9] * len(boxes), [0] * len(boxes), CLASSES))
    return found


@dataclass
class Served:
    """A server that runs."""

    service: Service
    url: str
    job: Path
    camera: SquareCamera

    @property
    def start(self) -> str:
        return f"{self.url}/?token={TOKEN}"

    def state(self, name: str) -> str:
        return next(each.state for each in self.service.watch.streams() if each.name == name)


@pytest.fixture
def camera() -> Iterator[SquareCamera]:
    square = SquareCamera()
    yield square
    square.close()


@pytest.fixture
def serve(tmp_path: Path, camera: SquareCamera) -> Iterator[Callable[..., Served]]:
    """Serve cameras of these names: `serve("yard", "gate")`; `zones` is that section of the job's file."""
    with ExitStack() as stack:

        def start(*names: str, zones: str = "", **address: Any) -> Served:
            job, data = tmp_path / "cameras.yaml", tmp_path / "data"
            data.mkdir(exist_ok=True)
            sources = "\n".join(f"  - {camera.url(name)}  # {name}" for name in names)
            job.write_text(f"# My cameras\nsources:\n{sources}\ndecode:\n  stale_after_s: 1.0\n{zones}")
            file, config = load_serving([str(job)], ["detect.conf=0.3"], data)
            spec = DetectorSpec(name="squares", classes=CLASSES, sha256="", input=InputSpec(size=160))
            session = Session(plan(config, [file]), PerFrameDetector(spec, "numpy", find_square))
            service = Service(session, Files(data, job, sources=True))
            stack.callback(service.close)
            server = Server(partial(build_app, service), Address("127.0.0.1", 0, TOKEN, **address))
            ports: list[int] = []
            thread = threading.Thread(target=server.serve_until_stopped, args=(ports.append,))
            service.start(server.stop)
            thread.start()
            stack.callback(thread.join)
            stack.callback(server.stop)
            wait_until(lambda: ports)
            return Served(service, f"http://127.0.0.1:{ports[0]}", job, camera)

        yield start


@pytest.fixture
def ask() -> Callable[..., Any]:
    """Send a request: `ask(served, "GET", "/api/streams")` gives its status, headers and body."""
    import http.client
    import json

    def send(
        served: Served, method: str, path: str, body: Any = None, token: str | None = TOKEN, **headers: str
    ) -> Any:
        connection = http.client.HTTPConnection(served.url.removeprefix("http://"), timeout=60)
        data = json.dumps(body).encode() if body is not None and not isinstance(body, bytes) else body
        words = {name.replace("_", "-"): value for name, value in headers.items()}
        words |= {"Authorization": f"Bearer {token}"} if token else {}
        words |= {"Content-Type": "application/json"} if data is not None else {}
        connection.request(method, path, data, words)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        is_json = (answer.getheader("Content-Type") or "").startswith("application/json")
        value = json.loads(content) if is_json and content else content
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=value)

    return send
