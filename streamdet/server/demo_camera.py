"""A camera to try things on: the synthetic street as MJPEG over HTTP, again and again."""

import http.server
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Self

from streamdet.drawing.thumbnail import encode_jpeg
from streamdet.scenes.scene import SceneSpec, render

_FPS = 10
_FRAMES = 200
_SCENE = SceneSpec(seed=3, view="pole", hour=0.1, width=640, height=360, fps=Fraction(_FPS), frames=_FRAMES)


class DemoCamera:
    """A server on this machine; a context manager.

    It is rendered while the first round is played; where that is slower, the last picture is repeated.
    """

    def __init__(self, scene: SceneSpec = _SCENE) -> None:
        self._scene, self._pictures = scene, list[bytes]()
        self._started = threading.Event()
        self._over = False
        camera = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
                self.end_headers()
                try:
                    for picture in camera.play():
                        head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
                        self.wfile.write(head.encode() + picture + b"\r\n")
                except OSError:  # the viewer has left
                    pass

            def log_message(self, *values: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._threads = [
            threading.Thread(target=self._server.serve_forever, args=(0.05,), name="demo camera", daemon=True),
            threading.Thread(target=self._render, name="demo street", daemon=True),
        ]

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}/street"

    def play(self) -> Iterator[bytes]:
        """JPEGs, each at its time."""
        next_s, number = time.monotonic(), 0
        while not self._over:
            there = len(self._pictures)
            yield self._pictures[min(number, there - 1)]
            number = (number + (number < there)) % self._scene.frames
            next_s = max(next_s + float(1 / self._scene.fps), time.monotonic() - 1.0)
            time.sleep(max(next_s - time.monotonic(), 0.0))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self._started.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    def _render(self) -> None:
        for frame in render(self._scene):
            picture = encode_jpeg(frame.image)
            self._pictures.append(picture)
            self._started.set()
            if self._over:
                return
