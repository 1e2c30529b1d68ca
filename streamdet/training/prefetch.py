"""The next batches are made in a thread while the present one trains: cv2 and torch release the interpreter lock."""

import queue
import threading
from collections.abc import Iterator

from streamdet.training.clips import ClipBatch

_PATIENCE_S = 300.0


class Prefetch:
    """Some batches of an endless iterator; a context manager that gives them."""

    def __init__(self, batches: Iterator[ClipBatch], count: int) -> None:
        self._batches, self._count = batches, count
        self._queue: queue.Queue[ClipBatch | BaseException] = queue.Queue(maxsize=2)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._fill, name="streamdet:clips", daemon=True)

    def __enter__(self) -> Iterator[ClipBatch]:
        self._thread.start()
        return self._take()

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            while not self._queue.empty():
                self._queue.get()
            self._thread.join(timeout=0.05)

    def _fill(self) -> None:
        try:
            for _ in range(self._count):
                if self._stopped.is_set():
                    return
                self._queue.put(next(self._batches))
        except BaseException as error:
            self._queue.put(error)

    def _take(self) -> Iterator[ClipBatch]:
        for _ in range(self._count):
            item = self._queue.get(timeout=_PATIENCE_S)
            if isinstance(item, BaseException):
                raise item
            yield item
