"""Packets that were lost on the way: FFmpeg's log is the only place where it says so."""

import logging
from threading import Lock
from types import TracebackType
from typing import Self

import av
from av.logging import Capture

_NOWHERE = logging.NullHandler()

_lock = Lock()
_listeners = 0


class LossListener:
    """Hears of packets that were lost while this thread reads. A context manager, used by one thread.

    While there is one, FFmpeg logs in the whole process; its lines go nowhere else: they hold addresses.
    """

    def __enter__(self) -> Self:
        self._capture = Capture(local=True)
        self._lines = self._capture.__enter__()
        _listen(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _listen(-1)
        self._capture.__exit__(None, None, None)

    def heard(self) -> bool:
        """True if packets were lost since the last call."""
        lost = any("RTP: missed" in message for _, _, message in self._lines)
        self._lines.clear()
        return lost


def _listen(more: int) -> None:
    global _listeners  # noqa: PLW0603  (FFmpeg's log is one for the process, too)
    with _lock:
        _listeners += more
        quiet = logging.getLogger("libav")
        if _listeners == 1 and more == 1:
            quiet.propagate = False
            quiet.addHandler(_NOWHERE)
            av.logging.set_skip_repeated(False)
            av.logging.set_level(av.logging.WARNING)
        elif _listeners == 0:
            av.logging.set_level(None)
            av.logging.set_skip_repeated(True)
            quiet.removeHandler(_NOWHERE)
            quiet.propagate = True
