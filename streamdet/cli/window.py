"""--show: a window for each source, in a process of its own: whatever happens to a display, the job continues.

The windows are those of Tk in the Python standard library, as the headless OpenCV has none.
"""

import os
import queue
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import cv2

from streamdet.errors import ConfigError
from streamdet.frames import Image, StreamEnded
from streamdet.jobs.events import Event
from streamdet.result import Result

_MAX_SIZE = (1280, 720)  # width and height in pixels; larger pictures are shown smaller
_PROGRAM = Path(__file__).with_name("window_program.py")
_CLOSE_TIMEOUT_S = 2.0


def check_display() -> None:
    """Make sure that a window can be shown.

    Raises:
        ConfigError: Python has no Tk, or there is no display.
    """
    try:
        import tkinter  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            "--show needs Tk, which this Python lacks; install it (Debian: apt install python3-tk) or leave --show out"
        ) from error
    if sys.platform == "linux" and not os.environ.get("DISPLAY"):
        raise ConfigError(
            "--show needs a display, and DISPLAY is not set; leave --show out, or write HLS (-o live.m3u8) and "
            "open that in a browser"
        )


class Windows:
    """A listener: shows the pictures of results, annotated where the job annotates; a window for each source.

    A window that the user closes stays closed, and the job continues.
    """

    def __init__(self) -> None:
        self._viewers: dict[str, _Viewer] = {}

    def __call__(self, event: Event) -> None:
        """Show a result; close the window of a source that has ended."""
        if isinstance(event, Result):
            if event.source not in self._viewers:
                self._viewers[event.source] = _Viewer(f"{event.source} - streamdet")
            self._viewers[event.source].show(event)
        elif isinstance(event, StreamEnded) and event.source in self._viewers:
            self._viewers[event.source].close()

    def close(self) -> None:
        """Close all windows."""
        for viewer in self._viewers.values():
            viewer.close()


class _Viewer:
    """The process of one window. A picture that comes while the one before is on its way is left out."""

    def __init__(self, title: str) -> None:
        words = [sys.executable, "-I", str(_PROGRAM), title]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
        self._waiting: queue.Queue[Result | None] = queue.Queue(maxsize=1)
        self._thread = threading.Thread(target=self._send, name=f"window {title}", daemon=True)
        self._thread.start()

    def show(self, result: Result) -> None:
        with suppress(queue.Full):
            self._waiting.put_nowait(result)

    def close(self) -> None:
        if self._process.poll() is None:
            with suppress(queue.Full):
                self._waiting.put(None, timeout=_CLOSE_TIMEOUT_S)
            self._thread.join(_CLOSE_TIMEOUT_S)
            try:
                self._process.wait(_CLOSE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def _send(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # it was asked for
        with suppress(OSError):  # the window was closed
            while (result := self._waiting.get()) is not None:
                image = _fitted(result.image)
                pipe.write(b"P6 %d %d 255\n" % (image.shape[1], image.shape[0]))
                pipe.write(image.tobytes())
                pipe.flush()
        with suppress(OSError):
            pipe.close()


def _fitted(image: Image) -> Image:
    """The image, made smaller where it is larger than the window may be; (h, w, 3) uint8 RGB."""
    height, width = image.shape[:2]
    scale = min(_MAX_SIZE[0] / width, _MAX_SIZE[1] / height)
    if scale >= 1:
        return image
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype("uint8", copy=False)
