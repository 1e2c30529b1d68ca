"""Ctrl-C and its kin during a run: the first lets it finish what is in flight, the second ends it."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Protocol, Self

from streamdet.cli.messages import log

_SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)  # Windows has no SIGHUP


class Stoppable(Protocol):
    """A run of the pipeline, or of training."""

    def stop(self) -> None:
        """End soon, with what is in flight."""

    def cancel(self) -> None:
        """End now."""


class StopOnSignal:
    """While the block runs, a signal stops the run; outputs are closed either way.

    Attributes:
        received: the first signal that came, None where none did.
    """

    def __init__(self, run: Stoppable) -> None:
        self._run = run
        self._count = 0
        self._announced = False
        self._previous: dict[signal.Signals, Any] = {}
        self.received: signal.Signals | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python lets no other thread do this
            # What is ignored stays so: nohup and a shell's background jobs rely on it.
            heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
            self._previous = {number: signal.signal(number, self._handle) for number in heard}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count == 1:
            self.received = signal.Signals(number)
            self._run.stop()
        elif self._count == 2:
            self._run.cancel()
        else:  # a stage is stuck in native code: leave without it
            raise KeyboardInterrupt

    def announce(self) -> None:
        """Say, once, that a signal came; not in the handler, which may have interrupted a message."""
        if self.received is not None and not self._announced:
            self._announced = True
            log.info("stopping after the frames in progress; repeat to stop at once")

    @property
    def exit_status(self) -> int | None:
        """128 and the signal's number, as shells count; None where none came."""
        return None if self.received is None else 128 + self.received
