"""Watches a live source from a thread of its own, and remembers what it gave."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from rtsp_server import clock_ms_in, now_ms

from streamdet.frames import Frame, StreamGap
from streamdet.media.live.options import LiveOptions
from streamdet.media.live.source import LiveSource
from streamdet.media.locations import expand_sources
from streamdet.media.timeline import Part

# How long a busy machine may take for what takes a second.
PATIENCE_S = 120.0

# Cameras that fail by the second are tried again by the tenth of a second.
QUICK = {"first_retry_s": 0.05, "max_retry_s": 0.3, "refused_retry_s": 0.3}


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame, its picture read: `clock_ms` is the wall clock in it, `age_ms` what had passed since then."""

    session: int
    index: int
    pts_s: float
    dropped_before: int
    width: int
    height: int
    clock_ms: int
    age_ms: int
    frame: Frame


class Watcher:
    """Iterates a LiveSource in a thread. A context manager that closes it.

    Args:
        pause_s: what each frame takes the consumer.
    """

    def __init__(self, url: str, options: LiveOptions | None = None, part: Part | None = None, pause_s: float = 0.0):
        [spec] = expand_sources([url])
        self.source = LiveSource(spec, options, part)
        self.items: list[Seen | StreamGap] = []
        self.failure: BaseException | None = None
        self._pause_s = pause_s
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._watch, name="watcher")
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.source.close()
        self._thread.join()

    @property
    def frames(self) -> list[Seen]:
        return [item for item in list(self.items) if isinstance(item, Seen)]

    @property
    def gaps(self) -> list[StreamGap]:
        return [item for item in list(self.items) if isinstance(item, StreamGap)]

    def wait_until(self, happened) -> None:
        """Wait until happened() is true; it is asked after each item, and a few times a second."""
        deadline_s = time.monotonic() + PATIENCE_S
        with self._changed:
            while not happened():
                if self.failure is not None:
                    raise self.failure
                left_s = deadline_s - time.monotonic()
                assert left_s > 0, f"did not happen; {self.gaps}, {len(self.frames)} frames, {self.source.problem}"
                self._changed.wait(min(left_s, 0.2))

    def wait_for_frames(self, more: int = 1, session: int | None = None) -> None:
        """Wait for so many more frames, of one session if that is given."""
        before = len(self.frames)
        if session is None:
            self.wait_until(lambda: len(self.frames) >= before + more)
        else:
            self.wait_until(lambda: sum(seen.session == session for seen in self.frames) >= more)

    def wait_for_end(self) -> None:
        """Wait until iteration ends."""
        self._thread.join(PATIENCE_S)
        assert not self._thread.is_alive()

    def _watch(self) -> None:
        try:
            for item in self.source:
                with self._changed:
                    self.items.append(item if isinstance(item, StreamGap) else _seen(item))
                    self._changed.notify_all()
                time.sleep(self._pause_s)
        except BaseException as error:
            self.failure = error


def _seen(frame: Frame) -> Seen:
    height, width = frame.image.shape[:2]
    clock_ms = clock_ms_in(frame.image)
    age_ms = now_ms(time.time()) - clock_ms
    first = (frame.session, frame.index, frame.pts_s, frame.dropped_before, width, height)
    return Seen(*first, clock_ms, age_ms, frame)
